"""The interface of temporal models: values at times, integrals over intervals."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import astropy.units as u
import numpy as np
from astropy.time import Time

from bayesmap._lazy import pt
from bayesmap._types import Axes, QuantityLike, Tensor
from bayesmap._util import Absent, check_option
from bayesmap.modeling.formulas.evaluate import evaluate
from bayesmap.modeling.model import ModelBase
from bayesmap.modeling.parameter import Parameter, ParameterLike, Values
from bayesmap.units import strip

__all__ = ["TemporalModel"]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)


class TemporalModel(ModelBase):
    """Interface of temporal models.

    A subclass declares parameters and the static formula ``evaluate(time, *parameters)``, dimensionless, with times
    (since MJD 0) in the internal unit, s. It may add the closed form ``evaluate_integral(t_min, t_max, *parameters)``
    in the internal unit; without it integrals are sums over 64 Gauss-Legendre nodes per interval.

    Parameters
    ----------
    scale : str
        Time scale of ``t_ref``, one of `astropy.time.Time.SCALES`.
    **values : str, `~astropy.units.Quantity`, float or Parameter
        Values of parameters. ``t_ref`` is a Modified Julian Date.
    """

    kind = "temporal"
    unit: ClassVar[str] = ""
    file_keys: ClassVar[tuple[str, ...]] = ("scale",)
    is_energy_dependent: bool = False
    is_constant: ClassVar[bool] = False
    evaluate: ClassVar[Callable[..., Tensor]]
    evaluate_integral: ClassVar[Callable[..., Tensor] | None] = None
    t_ref: Parameter

    def __init__(self, *, scale: str = "utc", **values: ParameterLike) -> None:
        super().__init__(**values)
        self.scale = scale

    @property
    def scale(self) -> str:
        """Time scale of the reference time."""
        return self._scale

    @scale.setter
    def scale(self, scale: str) -> None:
        check_option(f"{type(self).__name__}: scale", scale, tuple(Time.SCALES))
        self._scale = scale

    @property
    def reference_time(self) -> Time:
        """Reference time.

        Raises
        ------
        TypeError
            If something else than a `~astropy.time.Time` is assigned.
        """
        return Time(self.t_ref.quantity.to_value("d"), format="mjd", scale=self.scale)

    @reference_time.setter
    def reference_time(self, time: Time) -> None:
        if not isinstance(time, Time):
            raise TypeError(f"{type(self).__name__}: reference_time must be a Time, got {time!r}")
        self.t_ref.value = float((self._mjd(time) * u.d).to_value(self.t_ref.unit))

    @property
    def _arrays(self) -> tuple[np.ndarray, ...]:
        """Arrays that the formula takes between the times and the parameters."""
        return ()

    def _mjd(self, time: Any) -> np.ndarray:
        return np.asarray(getattr(Time(time), self.scale).mjd, dtype="float64")

    def strip_time(self, time: Time) -> np.ndarray:
        """Return times as the formula takes them: since MJD 0 in the scale of the model, in the internal unit.

        Parameters
        ----------
        time : `~astropy.time.Time`
            Times in any scale.

        Returns
        -------
        numpy.ndarray
            Of the shape of the times.
        """
        return strip(self._mjd(time) * u.d)

    def check_times(self, start: np.ndarray, stop: np.ndarray) -> None:
        """Raise a ValueError if the model is not defined between times (as of `strip_time`) at its present values.

        Parameters
        ----------
        start, stop : numpy.ndarray
            Ends of intervals, shape ``(n,)``.
        """

    def may_be_negative(self, supports: Mapping[str, tuple[float, float]]) -> bool:
        """Return whether the model can be negative for some parameters.

        Parameters
        ----------
        supports : Mapping of str to tuple of float
            Lowest and highest value of each parameter, by name, in its declared unit.
        """
        return False

    # -- symbolic ---------------------------------------------------------------------------------------------------
    def evaluate_graph(self, time: Tensor, values: Values) -> Tensor:
        """Return the symbolic value at some times.

        Parameters
        ----------
        time : tensor or array
            Times as of `strip_time`.
        values : Mapping of Parameter to tensor or float
            One entry per parameter, in internal units.

        Returns
        -------
        TensorVariable
            Dimensionless.
        """
        return pt.as_tensor_variable(self.evaluate(time, *self._arrays, *self._arguments(values)))

    def integral_graph(self, t_min: Tensor, t_max: Tensor, values: Values) -> Tensor:
        """Return the symbolic integral over time intervals.

        Parameters
        ----------
        t_min, t_max : tensor or array
            Ends of the intervals as of `strip_time`, shape ``(n,)``.
        values : Mapping of Parameter to tensor or float
            One entry per parameter, in internal units.

        Returns
        -------
        TensorVariable
            Shape ``(n,)``, in the internal unit of time.
        """
        return pt.as_tensor_variable(self._integral(t_min, t_max, *self._arrays, *self._arguments(values)))

    def mean_graph(self, t_min: Tensor, t_max: Tensor, values: Values) -> Tensor:
        """Return the symbolic mean over all intervals, a scalar: what multiplies predicted counts."""
        t_min, t_max = pt.as_tensor_variable(t_min), pt.as_tensor_variable(t_max)
        return self.integral_graph(t_min, t_max, values).sum() / (t_max - t_min).sum()

    @classmethod
    def _integral(cls, t_min: Any, t_max: Any, *arguments: Any) -> Any:
        if cls.evaluate_integral is not None:
            return cls.evaluate_integral(t_min, t_max, *arguments)
        half = 0.5 * (t_max - t_min)
        times = 0.5 * (t_max + t_min)[..., None] + half[..., None] * _NODES
        return half * (_WEIGHTS * cls.evaluate(times, *arguments)).sum(axis=-1)

    # -- numbers ----------------------------------------------------------------------------------------------------
    def __call__(self, time: Time, energy: QuantityLike | None = None) -> u.Quantity:
        """Return the value at some times.

        Parameters
        ----------
        time : `~astropy.time.Time`
            Times of any shape and scale.
        energy : None
            Not used: no temporal model depends on energy.

        Returns
        -------
        `~astropy.units.Quantity`
            Dimensionless.
        """
        numbers = self.strip_time(time)
        values = evaluate(type(self).evaluate, numbers, *self._arrays, *self._numbers)
        return u.Quantity(np.broadcast_to(values, numbers.shape).copy(), "")

    def integral(self, t_min: Time, t_max: Time) -> u.Quantity:
        """Return the integral over each interval, divided by the total length of all intervals.

        Parameters
        ----------
        t_min, t_max : `~astropy.time.Time`
            Ends of the intervals.

        Returns
        -------
        `~astropy.units.Quantity`
            Dimensionless, one number per interval; the sum is the mean over all intervals.

        Raises
        ------
        ValueError
            If an interval ends before it starts, all are empty, or the model is not defined in one.

        Notes
        -----
        The convention is Gammapy's. Integrals are exact or exact to about 1e-8; in Gammapy 2.1 those of the sine are
        wrong and the numerical ones about 1 % high.
        """
        start, stop = np.broadcast_arrays(self.strip_time(t_min), self.strip_time(t_max))
        if np.any(stop < start) or not np.sum(stop - start) > 0:
            raise ValueError(f"{type(self).__name__}: intervals must end after they start, got {t_min} to {t_max}")
        self.check_times(start, stop)
        values = evaluate(type(self)._integral, start, stop, *self._arrays, *self._numbers)
        return u.Quantity(values / np.sum(stop - start), "")

    @staticmethod
    def time_sum(t_min: Time, t_max: Time) -> u.Quantity:
        """Return the total length of intervals, in d."""
        return u.Quantity(np.sum((t_max - t_min).to("d")))

    sample_time = Absent("draws times of single events: use MapDatasetEventSampler, which draws events with times")

    def plot(self, time_range: Any, ax: Axes | None = None, n_points: int = 100, **kwargs: object) -> Axes:
        """Plot the model; see `bayesmap.plot.temporal.plot_temporal` for the arguments.

        Returns
        -------
        `~matplotlib.axes.Axes`
            The axes.
        """
        from bayesmap.plot.temporal import plot_temporal

        return plot_temporal(self, time_range, ax, n_points, **kwargs)
