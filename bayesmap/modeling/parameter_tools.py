"""What Gammapy's parameters know besides value, bounds and prior: the scale of an optimiser and scans."""

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import astropy.units as u
import numpy as np

from bayesmap._util import check_option
from bayesmap.modeling.priors.base import Prior

__all__ = ["ParameterTools"]

SCALE_METHODS: Any = ("scale10", "factor1", None)
TRANSFORMS = ("lin", "log", "sqrt")
#: entries of plain data that are set after a parameter is made, and those that mean nothing here
SETTINGS = ("interp", "scale_method", "scale_transform", "scan_min", "scan_max", "scan_n_values", "scan_n_sigma")
IGNORED = ("link", "is_norm", "type")


_FORWARD: dict[str, Any] = {"lin": np.asarray, "log": np.log, "sqrt": np.sqrt}
_INVERSE: dict[str, Any] = {"lin": np.asarray, "log": np.exp, "sqrt": np.square}


def _forward(name: str, value: Any) -> Any:
    return _FORWARD[name](np.asarray(value, dtype="float64"))


def _inverse(name: str, value: Any) -> Any:
    return _INVERSE[name](np.asarray(value, dtype="float64"))


class ParameterTools:
    """Members of `Parameter` for scans and for optimisers that scale their unknowns; no inference here uses them."""

    if TYPE_CHECKING:

        @property
        def name(self) -> str:
            """Name."""

    value: float
    unit: u.UnitBase
    min: float
    max: float
    error: float
    frozen: bool
    prior: Any
    quantity: Any
    scan_n_values: int = 11
    _interp: str | None = None
    _scale: float = 1.0
    _scale_method: str | None = "scale10"
    _scale_transform: str = "lin"
    _scan_min: float | None = None
    _scan_max: float | None = None
    _scan_n_sigma: int = 2
    _scan_values: np.ndarray | None = None
    _type: str | None = None

    @property
    def type(self) -> str | None:
        """Part of a sky model that the parameter belongs to, "spectral", "spatial" or "temporal"; None for none."""
        return self._type

    # -- scale ------------------------------------------------------------------------------------------------------
    @property
    def scale(self) -> float:
        """Number that `factor` is multiplied with."""
        return self._scale

    @property
    def scale_method(self) -> str | None:
        """How `autoscale` chooses the scale: a power of ten ("scale10"), the value itself ("factor1"), or not."""
        return self._scale_method

    @scale_method.setter
    def scale_method(self, method: str | None) -> None:
        check_option(f"parameter {self.name!r}: scale_method", method, SCALE_METHODS)
        self.reset_autoscale()
        self._scale_method = method

    @property
    def scale_transform(self) -> str:
        """Function of the value that is scaled: "lin", "log" or "sqrt"."""
        return self._scale_transform

    @scale_transform.setter
    def scale_transform(self, name: str) -> None:
        check_option(f"parameter {self.name!r}: scale_transform", name, TRANSFORMS)
        self.reset_autoscale()
        self._scale_transform = name

    def transform(self, value: float, update_scale: bool = False) -> float:
        """Return the factor of a value in the declared unit, perhaps after choosing the scale by it."""
        transformed = float(_forward(self._scale_transform, value))
        if update_scale:
            self.update_scale(transformed)
        return transformed / self._scale

    def inverse_transform(self, factor: float) -> float:
        """Return the value of a factor, in the declared unit."""
        return float(_inverse(self._scale_transform, self._scale * factor))

    def update_scale(self, value: float) -> None:
        """Choose the scale by a transformed value, as `scale_method` says; zero leaves a power of ten as it is."""
        if self._scale_method == "scale10" and value != 0:
            self._scale = float(10.0 ** np.floor(np.log10(abs(value))))
        elif self._scale_method == "factor1":
            self._scale = float(value)

    def autoscale(self) -> None:
        """Choose the scale by the present value."""
        self.transform(self.value, update_scale=True)

    def reset_autoscale(self) -> None:
        """Set the scale to one."""
        self._scale = 1.0

    @property
    def factor(self) -> float:
        """Transformed value over scale; setting it sets the value."""
        return self.transform(self.value)

    @factor.setter
    def factor(self, factor: float) -> None:
        self.value = self.inverse_transform(float(factor))

    @property
    def factor_min(self) -> float:
        """Factor of the lower bound, NaN for none."""
        return self.transform(self.min)

    @property
    def factor_max(self) -> float:
        """Factor of the upper bound, NaN for none."""
        return self.transform(self.max)

    # -- bounds -----------------------------------------------------------------------------------------------------
    def set_lim(self, min: float | None = None, max: float | None = None) -> None:
        """Set one or both bounds, in the declared unit."""
        if min is not None:
            self.min = min
        if max is not None:
            self.max = max

    def check_limits(self) -> None:
        """Warn if the value of a free parameter lies outside its bounds, which only a model file can bring about."""
        if not self.frozen and (self.value < self.min or self.value > self.max):
            warnings.warn(
                f"parameter {self.name!r}: value {self.value} is outside its bounds [{self.min}, {self.max}]",
                stacklevel=2,
            )

    def prior_stat_sum(self) -> float | None:
        """Return minus two times the logarithm of the prior density at the value; None without a prior.

        The density is per declared unit, without regard to the bounds. Infinite outside of the support.

        Raises
        ------
        ValueError
            If the density is not known in numbers (a prior with hyperparameters, a joint prior).
        """
        if self.prior is None:
            return None
        if self.prior.hyperparameters or self.prior.is_joint:
            raise ValueError(f"parameter {self.name!r}: the density of {self.prior!r} depends on other unknowns")
        return float(-2 * self.prior.scipy(self.unit).logpdf(self.value))

    # -- scans ------------------------------------------------------------------------------------------------------
    @property
    def _step(self) -> float:
        return self.error if self.error > 0 else abs(self.value)

    @property
    def interp(self) -> str:
        """Scale in which `scan_values` are equally spaced: "lin", "log" or "sqrt"; "log" by default for fluxes."""
        return self._interp or ("log" if self.name in ("amplitude", "norm") else "lin")

    @interp.setter
    def interp(self, interp: str) -> None:
        check_option(f"parameter {self.name!r}: interp", interp, TRANSFORMS)
        self._interp = interp

    @property
    def scan_n_sigma(self) -> int:
        """Number of errors on either side of the value that a scan covers."""
        return self._scan_n_sigma

    @scan_n_sigma.setter
    def scan_n_sigma(self, n_sigma: float) -> None:
        self._scan_n_sigma = int(n_sigma)

    @property
    def scan_min(self) -> float:
        """Lower end of scans, by default `scan_n_sigma` errors (values, without an error) below the value."""
        return self.value - self._step * self._scan_n_sigma if self._scan_min is None else self._scan_min

    @scan_min.setter
    def scan_min(self, value: float | None) -> None:
        self._scan_min = value

    @property
    def scan_max(self) -> float:
        """Upper end of scans, by default `scan_n_sigma` errors (values, without an error) above the value."""
        return self.value + self._step * self._scan_n_sigma if self._scan_max is None else self._scan_max

    @scan_max.setter
    def scan_max(self, value: float | None) -> None:
        self._scan_max = value

    @property
    def scan_values(self) -> np.ndarray:
        """Values of a scan in the declared unit, by default ``scan_n_values`` from `scan_min` to `scan_max`."""
        if self._scan_values is not None:
            return self._scan_values
        low, high = _forward(self.interp, [self.scan_min, self.scan_max])
        values: np.ndarray = _inverse(self.interp, np.linspace(low, high, self.scan_n_values))
        return values

    @scan_values.setter
    def scan_values(self, values: Any) -> None:
        self._scan_values = None if values is None else np.asarray(values, dtype="float64")

    @property
    def conf_min(self) -> float:
        """Lower end of a search for confidence bounds: the bound, or far below the value."""
        if not np.isnan(self.min):
            return self.min
        far = max(self._step, abs(self.value)) * 1e5
        return min(self.value - self._step * self._scan_n_sigma, -far)

    @property
    def conf_max(self) -> float:
        """Upper end of a search for confidence bounds: the bound, or far above the value."""
        if not np.isnan(self.max):
            return self.max
        far = max(self._step, abs(self.value)) * 1e5
        return max(self.value + self._step * self._scan_n_sigma, far)

    # -- plain data -------------------------------------------------------------------------------------------------
    def to_dict(self) -> dict[str, object]:
        """Return name, value, unit, error, bounds, frozen status, settings of scans and prior as plain data."""
        data = {
            "name": self.name,
            "value": self.value,
            "unit": self.unit.to_string("fits"),
            "error": self.error,
            "min": self.min,
            "max": self.max,
            "frozen": self.frozen,
            "interp": self.interp,
            "scale_method": self._scale_method,
            "scale_transform": self._scale_transform,
        }
        return data if self.prior is None else data | {"prior": self.prior.to_dict()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Create a parameter from the data of `to_dict`.

        Raises
        ------
        TypeError
            For an unknown key.
        """
        known = {key: value for key, value in data.items() if key not in IGNORED}
        settings = {key: known.pop(key) for key in SETTINGS if key in known}
        prior = known.pop("prior", None)
        make: Any = cls
        parameter: Self = make(**known, prior=Prior.from_dict(prior) if isinstance(prior, Mapping) else prior)
        for key, value in settings.items():
            setattr(parameter, key, value)
        return parameter

    def update_from_dict(self, data: Mapping[str, Any]) -> None:
        """Set value, unit, error, bounds and frozen status from the data of `to_dict`, or a row of a table.

        Parameters
        ----------
        data : Mapping of str to object
            Some of the entries of `to_dict`; what is not there stays. A prior must be a `Prior`; the text of a table
            leaves it as it is.
        """
        unit = u.Unit(data.get("unit", self.unit))
        if unit != self.unit:
            self.quantity = (self.value * self.unit).to(unit)
        bounds = [float(data.get(key, getattr(self, key))) for key in ("min", "max")]
        self.min = self.max = np.nan
        self.value = float(data.get("value", self.value))
        self.min, self.max = bounds
        self.error = float(data.get("error", self.error))
        self.frozen = bool(data.get("frozen", self.frozen))
        if not isinstance(data.get("prior", ""), str):
            self.prior = data["prior"]
