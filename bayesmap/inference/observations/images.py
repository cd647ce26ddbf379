"""Images of flux under scenes of sources."""

import functools
from collections.abc import Sequence
from typing import Any, ClassVar

import astropy.units as u
import numpy as np
import pytensor
from scipy.optimize import nnls

from bayesmap._backend.expressions import is_cast_of
from bayesmap.datasets.image import ImageDataset
from bayesmap.graph.data import data as graph_data
from bayesmap.graph.scene import Scene
from bayesmap.inference.amplitudes import linear_parameter
from bayesmap.inference.defined import defined, defined_gradient
from bayesmap.inference.observations.base import Facts, Observation, facts_of
from bayesmap.inference.observations.predictor import Numbers
from bayesmap.units import FLUX_DENSITY

__all__ = ["ImageFacts", "ObservedImage"]

#: width of the default prior of a position, in pixels: how well catalogues know them
POSITION_WIDTH = 3.0
#: part of the flux of a source in a pixel that is none: transforms are not exactly zero anywhere
NOTHING = 1e-6


class ImageFacts(Facts):
    """Facts of an image; see `Facts`."""

    def check(self) -> None:
        """Raise a ValueError if no pixel is left by the masks, or the likelihood does not fit to the image."""
        dataset = self.dataset
        if not dataset.mask.any():
            raise ValueError(f"dataset {self.name!r}: the masks leave no pixel; look at mask_safe and mask_fit")
        dataset.likelihood.check(self.name, dataset.data, dataset.mask)

    def field(self) -> Any:
        """Geometry of the image and what lies as far outside of it as a kernel reaches."""
        half = [size // 2 for size in self.dataset.scene_arrays().kernels.shape[1:]]
        return self.dataset.geom.pad(min(half))

    def position_width(self) -> float | None:
        """Three pixels, in deg."""
        return POSITION_WIDTH * float(self.dataset.geom.pixel_scales.to_value("deg").max())

    def energy_range(self) -> u.Quantity:
        """Raise a ValueError: an image has no energies."""
        raise ValueError(f"dataset {self.name!r} is an image, which has no energies")

    def amplitude_ratios(self, parameter: Any) -> np.ndarray:
        """The flux by weighted least squares of all free fluxes together, at the present positions and shapes.

        At least the error that it has when all others are known; shape ``(1,)``, or empty for another parameter and for
        a source that shines on no pixel in the mask.
        """
        return self._fluxes.get(parameter, np.zeros(0))

    def hides(self, parameter: Any) -> bool:
        """Whether it is the flux of a source that shines on no pixel in the mask."""
        return parameter in map(linear_parameter, self.models) and parameter not in self._fluxes

    @functools.cached_property
    def _fluxes(self) -> dict[Any, np.ndarray]:
        """`amplitude_ratios` of all free fluxes."""
        free = list(dict.fromkeys(p for m in self.models if (p := linear_parameter(m)) is not None))
        dataset = self.dataset
        if not free:
            return {}
        chosen, predicted = dataset.mask, ObservedImage(dataset, self.models, free).predicted
        base = predicted(*np.zeros(len(free)))
        weight = 1 / np.sqrt(dataset.variance[chosen])
        units = np.array([(predicted(*one) - base)[chosen] for one in np.eye(len(free))])
        seen = np.abs(units).max(axis=1) > NOTHING
        units *= weight
        normal, right = units @ units.T, units @ ((dataset.data - base)[chosen] * weight)
        size = np.sqrt(np.diag(normal))
        size[size == 0] = 1.0
        root = np.linalg.cholesky(normal / np.outer(size, size) + 1e-9 * np.eye(len(free)))
        found = nnls(root.T, np.linalg.solve(root, right / size))[0] / size
        fluxes = np.maximum(found, 1 / size) * [p.scale_to_internal for p in free]
        return {p: np.array([flux]) for p, flux, is_seen in zip(free, fluxes, seen, strict=True) if is_seen}

    def observe(self, parameters: Sequence[Any], *, data: bool = True, **options: Any) -> "ObservedImage":
        """Meet the image with the models; see `Facts.observe`. Options for the PSF of maps have no effect."""
        return ObservedImage(self.dataset, self.models, parameters)


facts_of.register(ImageDataset, ImageFacts)


class ObservedImage(Observation):
    """The observed flux in the pixels of one image; see `Observation`.

    Parameters
    ----------
    dataset : `~bayesmap.datasets.ImageDataset`
        The dataset.
    models : sequence of models
        Those that apply to it.
    parameters : sequence of Parameter
        Free parameters, in the order in which they enter.

    Raises
    ------
    ValueError
        If a model cannot be drawn on an image.
    """

    quantity: ClassVar[str] = "image"
    content: ClassVar[str] = "an image"
    unit: ClassVar[str] = str(FLUX_DENSITY)
    distribution_name = "Image"

    def __init__(self, dataset: Any, models: Sequence[Any], parameters: Sequence[Any]) -> None:
        self.name, self.models, self.parameters = dataset.name, list(models), list(parameters)
        self.dataset, self.likelihood = dataset, dataset.likelihood
        self.mask: np.ndarray = dataset.mask
        self.image_data = np.where(dataset.mask_safe, dataset.data, 0.0)
        self.value = pytensor.shared(self.image_data, name=f"{self.name}.image_data")
        self.scene = Scene(dataset.scene_arrays(), self.models)
        bins = self.likelihood.bin_data(self.mask, self.mask, self.image_data)
        self.bins = {key: graph_data(np.asarray(values)) for key, values in bins.items() if key != "counts"}
        self.chosen = graph_data(np.flatnonzero(self.mask))
        self.weights = graph_data(self.likelihood.weights(self.mask)[self.mask])
        self.predicted = _PredictedImage(self)

    @property
    def latent_names(self) -> tuple[str, ...]:
        """Names of the unknowns of the likelihood."""
        return self.likelihood.latent_names

    def latents(self) -> dict[str, Any]:
        """Create the unknowns of the likelihood; see `Observation.latents`."""
        return self.likelihood.latents(self.name, self.mask)

    def logp(self, value: Any, *arguments: Any) -> Any:
        """Log-likelihood of the pixels in the mask, natural logarithm, a scalar; -inf where it is no number."""
        parameters, latents = self._split([defined_gradient(x) for x in arguments])
        held = self.value if is_cast_of(value, self.value) else value
        image = self.predicted.expression(parameters)
        bins = {**self.bins, "counts": held.ravel()[self.chosen]}
        npred = image.ravel()[self.chosen]
        return defined(self.likelihood.logp(npred, (self.weights * npred).sum(), bins, latents))

    def _given(self, arguments: Sequence[Any]) -> tuple[np.ndarray, dict[str, Any]]:
        """The predicted image, and what a likelihood takes besides."""
        parameters, latents = self._split(arguments)
        return self.predicted(*parameters), {"latents": latents, "mask": self.mask} if latents else {}

    def seen(self) -> list[np.ndarray]:
        """Pixels of the mask, and the mask; see `Observation.seen`."""
        return [np.where(self.mask, self.value.get_value(), 0.0), self.mask]

    def mean(self, *arguments: Any) -> np.ndarray:
        """Predicted image in nJy, shape ``(n_y, n_x)``."""
        return self._given(arguments)[0]

    def random(self, rng: np.random.Generator, *arguments: Any) -> np.ndarray:
        """Draw images in nJy, shape ``(n_y, n_x)``; without noise where a pixel is not safe."""
        mean, further = self._given(arguments)
        return np.where(self.dataset.mask_safe, self.likelihood.random(mean, rng, **further), mean)

    def pointwise(self, *arguments: Any) -> np.ndarray:
        """Log-likelihood of each pixel in the mask, shape ``(n,)``."""
        mean, further = self._given(arguments)
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.likelihood.pointwise(self.image_data, mean, **further)[self.mask]

    def check(self, counts: np.ndarray, counts_off: np.ndarray | None = None) -> None:
        """Raise a ValueError if this cannot replace the image.

        Parameters
        ----------
        counts : numpy.ndarray
            Fluxes in nJy, shape ``(n_y, n_x)``, finite inside the mask.
        counts_off : None
            Nothing.
        """
        if counts_off is not None:
            raise ValueError(f"dataset {self.name!r} holds an image and takes no OFF counts")
        if np.shape(counts) != self.mask.shape:
            raise ValueError(
                f"dataset {self.name!r} has the shape {self.mask.shape}, got an image of {np.shape(counts)}"
            )
        self.likelihood.check(self.name, np.asarray(counts, dtype="float64"), self.mask)

    def set_counts(self, counts: np.ndarray, counts_off: np.ndarray | None = None) -> None:
        """Replace the image, in nJy; see `check`."""
        self.check(counts, counts_off)
        self.image_data = np.where(self.dataset.mask_safe, np.asarray(counts, dtype="float64"), 0.0)
        self.value.set_value(self.image_data)
        self.revision += 1

    @property
    def comparable(self) -> np.ndarray:
        """Pixels that `deviations` are known of, booleans of shape ``(n_y, n_x)``: those of the mask."""
        return self.mask

    @functools.cached_property
    def blur(self) -> float:
        """Standard deviation of the mean PSF in one direction, in deg, from its second moments."""
        kernel = self.dataset.scene_arrays().kernels.mean(axis=0)
        y, x = (np.arange(n) - n // 2 for n in kernel.shape)
        second = (kernel * (y[:, None] ** 2 + x**2)).sum() / kernel.sum() / 2
        return float(np.sqrt(max(second, 0.0)) * self.dataset.geom.pixel_scales.to_value("deg").mean())

    def deviations(self, values: np.ndarray, *arguments: Any) -> np.ndarray:
        """Deviations of an image from the prediction in standard deviations; zero outside the mask.

        Parameters
        ----------
        values : numpy.ndarray
            Fluxes in nJy, shape ``(n_y, n_x)``.
        *arguments
            As of `mean`.
        """
        mean, further = self._given(arguments)
        with np.errstate(invalid="ignore", divide="ignore"):
            deviations = (values - mean) / self.likelihood.errors(further.get("latents"))
        return np.where(self.mask, deviations, 0.0)

    def conditions(self) -> list[Any]:
        """Likelihood, mask, errors and kernels; see `Observation.conditions`."""
        bins = [values.get_value() for _, values in sorted(self.bins.items())]
        return [repr(self.likelihood), self.mask, *bins, self.dataset.scene_arrays().kernels]

    def wrap(self, values: np.ndarray) -> Any:
        """An `~bayesmap.images.Image` in nJy."""
        return self.dataset.image_of(values)

    def summary(self) -> dict[str, Any]:
        """Total flux and number of pixels in the mask, for the result."""
        total = self.in_short(self.image_data)[f"{self.name}.flux"]
        return {
            f"{self.name}.flux": ((), float(total), {"units": str(FLUX_DENSITY), "long_name": "flux in the mask"}),
            f"{self.name}.n_pixel": ((), int(self.mask.sum()), {"long_name": "pixels in the mask"}),
        }

    def in_short(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """Total flux in the mask, a scalar."""
        return {f"{self.name}.flux": np.asarray(values[self.mask].sum())}


class _PredictedImage(Numbers):
    """Predicted image in nJy, shape ``(n_y, n_x)``."""

    def __init__(self, observed: ObservedImage) -> None:
        super().__init__(observed.models, observed.parameters)
        self.observed = observed

    def expression(self, arguments: Sequence[Any]) -> Any:
        return self.observed.scene.image(self.values(arguments))
