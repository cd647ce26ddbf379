"""What inference needs to know of any kind of data.

A new kind is one file in this folder with two classes: its `Facts`, before there are priors, and its `Observation`, the
data under models; and ``facts_of.register(<class of datasets>, <its facts>)``.
"""

import abc
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import astropy.units as u
import numpy as np
import pymc as pm
import pytensor.tensor as pt

from bayesmap.inference.amplitudes import Templates
from bayesmap.inference.observations.calls import DrawnData

__all__ = ["Facts", "Observation", "SkyImage", "facts_of"]


class Facts(abc.ABC):
    """What a dataset says before its models have priors: checks and default priors ask these.

    Parameters
    ----------
    dataset : Dataset
        With the attributes ``name`` and ``models``.
    """

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    @property
    def name(self) -> str:
        """Name of the dataset."""
        return str(self.dataset.name)

    @property
    def models(self) -> list[Any]:
        """Models that apply to the dataset."""
        return list(self.dataset.models or [])

    @property
    def gti(self) -> Any:
        """Good time intervals, or None."""
        return None

    def require_data(self) -> None:
        """Raise a ValueError if there are no data, which default priors are made from; by default there always are."""
        return

    @abc.abstractmethod
    def check(self) -> None:
        """Raise a ValueError unless data and responses can be fitted; before anything is computed."""

    def field(self) -> Any:
        """Geometry of the image, or the region, in which positions are seen; None where no position matters."""
        return None

    def position_width(self) -> float | None:
        """Width of the default prior of positions in deg, where data of this kind have a usual one; None if not."""
        return None

    @abc.abstractmethod
    def energy_range(self) -> u.Quantity:
        """Lowest and highest energy of the data, shape ``(2,)``."""

    def templates(self) -> Templates | None:
        """Data and what sources of unit amplitude predict, which amplitudes are fitted to; None without counts."""
        return None

    def amplitude_ratios(self, parameter: Any) -> np.ndarray:
        """Data over what a unit of a linear parameter predicts, shape ``(n,)``; of data without `templates`."""
        return np.zeros(0)

    def hides(self, parameter: Any) -> bool:
        """Whether a linear parameter belongs to a source of the dataset of which the data show nothing."""
        return False

    @abc.abstractmethod
    def observe(self, parameters: Sequence[Any], *, data: bool = True, **options: Any) -> "Observation":
        """Meet the data with the models.

        Parameters
        ----------
        parameters : sequence of Parameter
            Free parameters of the models, in the order in which they enter; they have priors.
        data : bool
            Whether the data are used. Without them there are predictions and draws, also of a dataset that has no data.
        **options
            For :func:`~bayesmap.graph.build_terms`.

        Raises
        ------
        ValueError
            If the data are none for these models, for example as nothing can explain them.
        """


@functools.singledispatch
def facts_of(dataset: Any) -> Facts:
    """Return the facts of a dataset, by its class.

    Raises
    ------
    TypeError
        If no kind of data is registered for this class or one of those that it derives from.
    """
    known = sorted(cls.__name__ for cls in facts_of.registry if cls is not object)
    raise TypeError(
        f"{getattr(dataset, 'name', dataset)!r} is a {type(dataset).__name__}, which is no kind of data that can be "
        f"fitted; these are: {', '.join(known)}"
    )


@dataclass(frozen=True, eq=False)
class SkyImage:
    """Data and prediction summed over energies, where sources may be looked for.

    Attributes
    ----------
    geom : WcsGeom
        The image, shape ``(n_lat, n_lon)``.
    pixel_scale : tuple of float
        Width of a pixel in x and y, in deg.
    blur : float
        Standard deviation of the PSF in deg, roughly; zero without one.
    mask : numpy.ndarray
        Pixels that are looked at in some energy, boolean.
    data : numpy.ndarray
        Sum of the data in the mask.
    expected : callable
        Sum of the prediction in the mask for values of the free parameters, in their order; never negative.
    """

    geom: Any
    pixel_scale: tuple[float, float]
    blur: float
    mask: np.ndarray
    data: np.ndarray
    expected: Callable[..., np.ndarray]


class Observation(abc.ABC):
    """The data of one dataset, and what its models predict for them.

    Arguments of methods are values of the free parameters, in their order and declared units, and after them those of
    the unknowns of the likelihood itself (`latent_names`).

    Attributes
    ----------
    name : str
        Name of the dataset.
    models : list of models
        Those that apply to it.
    parameters : list of Parameter
        Free parameters, in the order in which they enter.
    value : TensorSharedVariable or None
        The data as the graph has them; None if the data are not used.
    revision : int
        Grows when the data, or arrays that depend on them, are replaced.
    nonnegative : bool
        Whether no prediction can become negative. Where one can, `margin` says how far it is from that.
    quantity : str
        The observed variable is called ``"<dataset>.<quantity>"``.
    content : str
        What the dataset holds, for messages.
    unit : str
        Unit of the data as `mean`, `random` and `set_counts` have them; of counts none.
    mask : numpy.ndarray or None
        Data that are looked at, a boolean array of the shape of the data; None if all are.
    """

    quantity: ClassVar[str]
    content: ClassVar[str]
    unit: ClassVar[str] = ""
    name: str
    models: list[Any]
    parameters: list[Any]
    value: Any = None
    mask: Any = None
    revision: int = 0
    nonnegative: bool = True

    @property
    def routes(self) -> dict[str, tuple[str, float]]:
        """How each source meets the PSF; see :class:`~bayesmap.graph.Terms`. Empty where there is no PSF."""
        return {}

    @property
    def latent_names(self) -> tuple[str, ...]:
        """Names of the unknowns of the likelihood itself."""
        return ()

    @property
    def latents_follow_mask(self) -> bool:
        """Whether there is an unknown of the likelihood for each datum that is looked at."""
        return False

    def latents(self) -> dict[str, Any]:
        """Create the variables of `latent_names` in the `pymc.Model` of the context."""
        return {}

    @property
    @abc.abstractmethod
    def distribution_name(self) -> str:
        """Name of the distribution of the observed variable, as it is shown in graphs of the model."""

    @abc.abstractmethod
    def logp(self, value: Any, *arguments: Any) -> Any:
        """Log-probability of the data, natural logarithm, a scalar expression; -inf where it is no number."""

    @abc.abstractmethod
    def mean(self, *arguments: Any) -> np.ndarray:
        """Expected data, of the shape of the data."""

    @abc.abstractmethod
    def random(self, rng: np.random.Generator, *arguments: Any) -> np.ndarray:
        """Draw data, float64, of the shape of the data."""

    @abc.abstractmethod
    def pointwise(self, *arguments: Any) -> np.ndarray:
        """Log-probability of each datum that is looked at, shape ``(n,)``; its sum is that of `logp`."""

    def summed(self, labels: np.ndarray, number: int) -> Callable[..., np.ndarray]:
        """Return the function that sums `pointwise` over groups of the data at hand, at the same arguments.

        Parameters
        ----------
        labels : numpy.ndarray
            Number of the group of each datum that is looked at, shape ``(n,)``.
        number : int
            Number of groups; the function returns the shape ``(number,)``.
        """
        return lambda *arguments: np.bincount(labels, self.pointwise(*arguments), number)

    @abc.abstractmethod
    def wrap(self, values: np.ndarray) -> Any:
        """Values of the shape of the data in the form in which the dataset holds data: a map, or a quantity."""

    @abc.abstractmethod
    def summary(self) -> dict[str, Any]:
        """The data in short, as variables of an `xarray.Dataset`, for the result."""

    def seen(self) -> list[np.ndarray]:
        """Return the data that are looked at, and which these are, as arrays of any shapes: the same for all models."""
        return [self.value.get_value()]

    def conditions(self) -> list[Any]:
        """Texts and arrays that decide how data are drawn, and are no maps of the dataset: errors, kernels, limits."""
        return []

    def log_kept(self, *arguments: Any) -> float:
        """Log-probability of data that stay when others are replaced, never above zero; by default there are none.

        Arguments are values of the free parameters. Simulated true values must agree with such data.
        """
        return 0.0

    def in_short(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """What `summary` would say of other data of this shape: arrays by the names there, none by default.

        Replicated data are compared with the observed ones in these.
        """
        return {}

    def random_in_short(self, rng: np.random.Generator, *arguments: Any) -> dict[str, np.ndarray]:
        """Draw data and return them as `in_short` does; where sums have a known law there is no need to draw all."""
        return self.in_short(self.random(rng, *arguments))

    def check(self, counts: np.ndarray, counts_off: np.ndarray | None = None) -> None:
        """Raise a ValueError if these cannot replace the data; by default nothing can."""
        raise ValueError(f"dataset {self.name!r} holds {self.content}, not counts; compile it again with other data")

    def set_counts(self, counts: np.ndarray, counts_off: np.ndarray | None = None) -> None:
        """Replace the data, in `unit`; what is wrong is said before anything is changed, see `check`."""
        self.check(counts, counts_off)

    def check_mask(self, mask: np.ndarray) -> None:
        """Raise a ValueError if a mask cannot replace that at hand; by default none can."""
        raise ValueError(f"dataset {self.name!r} holds {self.content}; compile it again with another mask")

    def set_mask(self, mask: np.ndarray) -> None:
        """Look at other data from now on; what is wrong is said before anything is changed, see `check_mask`."""
        self.check_mask(mask)

    def margin(self) -> Any:
        """How far predictions are from being negative, symbolic, after `arguments`; minus infinity where they are.

        None, the default, where none can become negative.
        """
        return None

    def image(self) -> SkyImage | None:
        """Data and prediction as an image, or None where positions cannot be seen in the data."""
        return None

    def __getstate__(self) -> dict[str, Any]:
        # PyMC's variables of some priors cannot be pickled; `arguments` sets them again.
        return {key: value for key, value in vars(self).items() if key != "variables"}

    def arguments(self, variables: Sequence[Any]) -> list[Any]:
        """Return what `logp` takes, and create the unknowns of the likelihood in the model of the context.

        Parameters
        ----------
        variables : sequence of TensorVariable
            One for each of the free parameters.
        """
        self.variables = list(variables)
        latents = self.latents()
        return [*variables, *(latents[key] for key in self.latent_names)]

    def register(self, arguments: Sequence[Any]) -> Any:
        """Create the observed variable in the model of the context, of what `arguments` gave."""
        signature = [f"({','.join(f'd{i}_{axis}' for axis in range(a.ndim))})" for i, a in enumerate(arguments)]
        axes = ",".join(f"x{axis}" for axis in range(self.value.ndim))
        drawn = DrawnData(self)

        def dist(*arguments: Any) -> Any:
            _, seed = pt.random.integers(0, 2**62, rng=pt.random.shared_rng(seed=None), return_next_rng=True)
            return drawn(seed, *arguments[:-1])  # the last one is the size

        return pm.CustomDist(
            f"{self.name}.{self.quantity}",
            *arguments,
            dist=dist,
            logp=self.logp,
            signature=",".join(signature) + f"->({axes})",
            class_name=self.distribution_name,
            observed=self.value,
        )

    def _split(self, arguments: Sequence[Any]) -> tuple[Sequence[Any], dict[str, Any]]:
        """Parameters and unknowns of the likelihood, from all that the observed variable depends on."""
        number = len(self.parameters)
        values = arguments[number:]
        return arguments[:number], dict(zip(self.latent_names, values, strict=True)) if values else {}
