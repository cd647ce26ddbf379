"""Images of flux with variance and PSF as data: `ImageDataset`."""

import copy
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

import astropy.units as u
import numpy as np

from bayesmap._types import Axes, FileName, RandomState
from bayesmap._util import check_option, get_random_state, make_name
from bayesmap.datasets.base import Dataset
from bayesmap.datasets.image_cells import image_cells, known_planes
from bayesmap.datasets.image_file import read_image_dataset, write_image_dataset
from bayesmap.datasets.info import models_text
from bayesmap.images import Image, MaskedImage
from bayesmap.likelihoods import GaussianLikelihood, Likelihood
from bayesmap.maps import WcsGeom
from bayesmap.modeling.collection import ModelsLike
from bayesmap.units import FLUX_DENSITY

if TYPE_CHECKING:
    from bayesmap.graph.scene import SceneArrays

__all__ = ["ImageDataset"]

RESIDUALS = ("diff", "diff/sqrt(var)")


class ImageDataset(Dataset):
    """An image of flux with the variance and the PSF of each pixel, to be compared with sources on the sky.

    Parameters
    ----------
    image : `~bayesmap.images.CellCoadd` or `~bayesmap.images.MaskedImage`
        The image, with a unit, a projection and a variance.
    models : `~bayesmap.modeling.Models`, list or model, optional
        Sources: sky models with a flux density as spectrum.
    name : str, optional
        Name; a random one by default.
    mask_planes : iterable of str, optional
        Planes of the mask whose pixels are left out. By default NO_DATA, SATURATED, BAD, COSMIC_RAY and REJECTED, those
        that the mask has.
    mask_fit : array_like of bool, optional
        Pixels that enter the fit statistic, shape ``(n_y, n_x)``; by default all that are safe.
    psf : array_like, optional
        One kernel of odd shape ``(n_y, n_x)`` for all pixels, pixel response included, of sum one; for an image that is
        no coadd.
    likelihood : `~bayesmap.likelihoods.Likelihood`, optional
        Of values that may be negative, in nJy. By default normal noise of the standard deviations `sigma`.

    Raises
    ------
    TypeError
        If the image is none of these.
    ValueError
        If it has no unit of flux density or no projection, there is not exactly one PSF, a plane is unknown, or an
        array has another shape.

    Notes
    -----
    Safe pixels have a finite value, a positive and finite variance, none of the bad planes and, on a coadd, a cell with
    a PSF. The noise of different pixels is taken for independent; `noise_correlation` measures it.
    """

    tag = "ImageDataset"
    stat_type = "chi2"

    def __init__(
        self,
        image: MaskedImage,
        models: ModelsLike | None = None,
        name: str | None = None,
        mask_planes: Iterable[str] | None = None,
        mask_fit: Any = None,
        psf: Any = None,
        likelihood: Likelihood | None = None,
    ):
        super().__init__(name)
        if not isinstance(image, MaskedImage):
            found = type(image).__name__
            raise TypeError(f"dataset {self.name!r}: an image must be a CellCoadd or MaskedImage, got {found}")
        if image.unit is None or not image.unit.is_equivalent(FLUX_DENSITY):
            raise ValueError(
                f"dataset {self.name!r}: the image must have a unit of flux density, such as nJy; got {image.unit}"
            )
        if image.projection is None:
            raise ValueError(f"dataset {self.name!r}: the image has no projection: positions on it are not known")
        self.image, self._unit = image, image.unit
        self._data, self._variance = self._planes()
        self._cells = image_cells(self.name, image, psf)
        self.mask_planes = known_planes(self.name, image.mask, mask_planes)
        self.mask_safe = self._safe()
        self.mask_fit = mask_fit
        self.likelihood = likelihood
        self.models = models

    def _planes(self) -> tuple[np.ndarray, np.ndarray]:
        """Values and variance of the image, in nJy and nJy2."""
        image, variance = self.image.image, self.image.variance
        variance_unit = variance.unit or self._unit**2
        return (
            np.asarray(image.array, dtype="float64") * self._unit.to(FLUX_DENSITY),
            np.asarray(variance.array, dtype="float64") * variance_unit.to(FLUX_DENSITY**2),
        )

    def _usable(self) -> np.ndarray:
        """Pixels with a value and an error."""
        return np.isfinite(self._data) & np.isfinite(self._variance) & (self._variance > 0)

    def _safe(self) -> np.ndarray:
        safe = np.zeros(self._data.shape, dtype=bool)
        for y0, y1, x0, x1 in self._cells[0]:
            safe[y0:y1, x0:x1] = True
        safe &= self._usable()
        for plane in self.mask_planes:
            safe &= ~self.image.mask.get(plane)
        return safe

    @property
    def mask_fit(self) -> np.ndarray | None:
        """Pixels that enter the fit statistic, boolean of shape ``(n_y, n_x)``, or None for all safe ones.

        Raises
        ------
        ValueError
            If it has another shape.
        """
        return self._mask_fit

    @mask_fit.setter
    def mask_fit(self, mask: Any) -> None:
        if mask is not None:
            mask = np.asarray(mask, dtype=bool)
            if mask.shape != self._data.shape:
                raise ValueError(
                    f"dataset {self.name!r}: mask_fit has shape {mask.shape}, the image {self._data.shape}"
                )
        self._mask_fit: np.ndarray | None = mask

    @property
    def mask(self) -> np.ndarray:
        """Pixels that enter the fit statistic, boolean of shape ``(n_y, n_x)``: safe ones, in `mask_fit`."""
        return self.mask_safe if self._mask_fit is None else self.mask_safe & self._mask_fit

    @property
    def geom(self) -> WcsGeom:
        """The pixels."""
        n_y, n_x = self._data.shape
        return WcsGeom(self.image.fits_wcs, npix=(n_x, n_y))

    @property
    def data_shape(self) -> tuple[int, int]:
        """Rows and columns."""
        n_y, n_x = self._data.shape
        return n_y, n_x

    @property
    def data(self) -> np.ndarray:
        """The image in nJy, float64 of shape ``(n_y, n_x)``; anything where `mask_safe` is False."""
        return self._data

    @property
    def variance(self) -> np.ndarray:
        """Variance in nJy2, float64 of shape ``(n_y, n_x)``; anything where `mask_safe` is False."""
        return self._variance

    @property
    def sigma(self) -> np.ndarray:
        """Standard deviation of the noise in nJy, float64 of shape ``(n_y, n_x)``; zero where `mask_safe` is False."""
        return np.sqrt(np.where(self.mask_safe, self._variance, 0.0))

    @property
    def likelihood(self) -> Likelihood:
        """What the pixels say about a prediction in nJy: by default normal noise of the standard deviations `sigma`.

        Assign ``GaussianLikelihood(dataset.sigma, scale="free")`` to infer a factor to these, or
        ``StudentTLikelihood(dataset.sigma, nu=4)`` where pixels are off that no mask knows. None sets the default.

        Raises
        ------
        TypeError
            If it is no likelihood.
        ValueError
            If it is one of counts, or does not fit to the pixels.
        """
        return GaussianLikelihood(self.sigma) if self._likelihood is None else self._likelihood

    @likelihood.setter
    def likelihood(self, likelihood: Likelihood | None) -> None:
        if likelihood is not None and not isinstance(likelihood, Likelihood):
            raise TypeError(f"dataset {self.name!r}: expected a likelihood, got {type(likelihood).__name__}")
        if likelihood is not None and (not likelihood.allows_negative or likelihood.needs):
            raise ValueError(
                f"dataset {self.name!r}: {type(likelihood).__name__} is for counts; an image takes GaussianLikelihood "
                "or StudentTLikelihood"
            )
        if likelihood is not None and self.mask.any():
            likelihood.check(self.name, self._data, self.mask)
        self._likelihood: Likelihood | None = likelihood

    def scene_arrays(self) -> "SceneArrays":
        """What `~bayesmap.graph.scene.Scene` needs to know of the image."""
        from bayesmap.graph.scene import SceneArrays

        return SceneArrays(self.name, self.geom, *self._cells)

    def image_of(self, values: np.ndarray, unit: u.UnitBase | None = FLUX_DENSITY) -> Image:
        """Pixel values, shape ``(n_y, n_x)``, as an image at the place of this one; by default they are in nJy."""
        return Image(values, bbox=self.image.bbox, unit=unit, projection=self.image.projection)

    def npred(self) -> Image:
        """Image that the models predict at their present values, in nJy; zero in missing cells.

        Raises
        ------
        ValueError
            If a model cannot be drawn on an image.
        """
        return self.image_of(self._predicted())

    def _predicted(self) -> np.ndarray:
        from bayesmap._backend.program import number
        from bayesmap.graph.scene import Scene

        models = list(self.models or [])
        if not models:
            return np.zeros(self._data.shape)
        values = {p: p.internal for model in models for p in model.parameters}
        return np.asarray(number(Scene(self.scene_arrays(), models).image(values)))

    def residuals(self, method: str = "diff") -> Image:
        """Data minus prediction; NaN outside of `mask_safe`.

        Parameters
        ----------
        method : {"diff", "diff/sqrt(var)"}
            In nJy, or in standard deviations of the noise.
        """
        check_option("method", method, RESIDUALS)
        with np.errstate(invalid="ignore", divide="ignore"):
            residuals = self._data - self._predicted()
            if method == "diff/sqrt(var)":
                residuals = residuals / np.sqrt(self._variance)
        return self.image_of(np.where(self.mask_safe, residuals, np.nan), FLUX_DENSITY if method == "diff" else None)

    def stat_array(self) -> np.ndarray:
        """Fit statistic of each pixel, ``(n_y, n_x)``; zero outside of `mask_safe`.

        By default chi2, the squared residual over the variance; of another likelihood its own statistic.
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.mask_safe, self.likelihood.stat_array(self._data, self._predicted()), 0.0)

    def fake(self, random_state: RandomState = "random-seed") -> MaskedImage:
        """Draw an image from the models at their present values; the dataset stays as it is.

        Parameters
        ----------
        random_state : int, "random-seed", "global-rng" or generator
            Source of randomness.

        Returns
        -------
        CellCoadd or MaskedImage
            A copy of the image in which the safe pixels are drawn from the likelihood: by default prediction plus
            normal noise of their variance. Others, the mask and the variance are those of the data.
        """
        rng = get_random_state(random_state)
        drawn = self.likelihood.random(self._predicted(), rng)
        result = self.image.copy()
        scale = FLUX_DENSITY.to(self._unit)
        result.image.array = np.where(self.mask_safe, drawn * scale, self.image.image.array)
        return result

    def noise_scale(self) -> float:
        """Standard deviation of the noise realizations of a coadd in units of that by the variance, in `mask_safe`.

        Raises
        ------
        ValueError
            If there are no realizations.
        """
        noise = self._realizations()
        return float(np.sqrt(np.mean([np.mean(one[self.mask_safe] ** 2) for one in noise])))

    def noise_correlation(self, max_lag: int = 3) -> np.ndarray:
        """Correlation of the noise of pixels at a distance, from the noise realizations of a coadd.

        Parameters
        ----------
        max_lag : int
            Largest distance in pixels along an axis.

        Returns
        -------
        numpy.ndarray
            Shape ``(2 max_lag + 1, 2 max_lag + 1)``, by distance in y and x, one in the middle; pairs of safe pixels
            enter.

        Raises
        ------
        ValueError
            If there are no realizations.
        """
        safe = np.pad(self.mask_safe.astype("float64"), max_lag)
        total = np.zeros((2 * max_lag + 1,) * 2)
        pairs = np.zeros_like(total)
        for one in self._realizations():
            padded = np.pad(np.where(self.mask_safe, one, 0.0), max_lag)
            for i, dy in enumerate(range(-max_lag, max_lag + 1)):
                for j, dx in enumerate(range(-max_lag, max_lag + 1)):
                    total[i, j] += (padded * np.roll(padded, (dy, dx), (0, 1))).sum()
                    pairs[i, j] += (safe * np.roll(safe, (dy, dx), (0, 1))).sum()
        correlation = total / pairs
        return correlation / correlation[max_lag, max_lag]

    def _realizations(self) -> list[np.ndarray]:
        """Noise realizations in standard deviations."""
        found = getattr(self.image, "noise_realizations", ())
        if not found:
            raise ValueError(f"dataset {self.name!r}: the image has no noise realizations")
        scale = self._unit.to(FLUX_DENSITY)
        with np.errstate(invalid="ignore", divide="ignore"):
            return [np.asarray(one.array, dtype="float64") * scale / np.sqrt(self._variance) for one in found]

    def info_dict(self, in_safe_data_range: bool = True) -> dict[str, Any]:
        """Summary numbers: name, size of the image, pixels in the mask, total flux there and fit statistic.

        Parameters
        ----------
        in_safe_data_range : bool
            Whether the flux is summed in `mask_safe` or over all finite pixels.
        """
        chosen = self.mask_safe if in_safe_data_range else np.isfinite(self._data)
        info = {
            "name": self.name,
            "shape": self._data.shape,
            "n_bins": self._data.size,
            "n_fit_bins": int(self.mask.sum()),
            "flux": float(self._data[chosen].sum()) * FLUX_DENSITY,
            "stat_type": self.stat_type,
            "stat_sum": self.stat_sum(),
        }
        if getattr(self.image, "noise_realizations", ()):
            info["noise_scale"] = self.noise_scale()
        return info

    def copy(self, name: str | None = None) -> Self:
        """A deep copy, under a new name, with copies of the models."""
        new = copy.copy(self)
        new._name = make_name(name)
        new.image = self.image.copy()
        new._data, new._variance = self._data.copy(), self._variance.copy()
        new.mask_safe = self.mask_safe.copy()
        new._mask_fit = None if self._mask_fit is None else self._mask_fit.copy()
        new._models = None if self._models is None else self._models.copy()
        return new

    def write(self, filename: FileName, overwrite: bool = False, *, checksum: bool = False) -> None:
        """Write image, PSF, masks and likelihood to a FITS file that is also one of the image; models go elsewhere.

        Parameters
        ----------
        filename : str or path
            The file; it appears complete or not at all.
        overwrite : bool
            Whether an existing file is replaced.
        checksum : bool
            Accepted for the same call as for other datasets: no checksums are written into the file. Lists of datasets
            have that of the whole file.

        Raises
        ------
        OSError
            If the file exists and ``overwrite`` is False, or cannot be written.
        ValueError
            If the likelihood is neither `~bayesmap.likelihoods.GaussianLikelihood` nor
            `~bayesmap.likelihoods.StudentTLikelihood`, or its scale is a parameter; if ``data`` or ``variance`` were
            changed and the image was not; or for what `MaskedImage.write_fits` refuses.

        Notes
        -----
        The layout is that of `MaskedImage.write_fits`, with every digit, and in an HDU "DATASET" the settings as JSON.
        """
        write_image_dataset(self, filename, overwrite)

    @classmethod
    def read(cls, filename: FileName, name: str | None = None, lazy: bool = False, cache: bool = True) -> Self:
        """Read a dataset from a file that `write` wrote, or make one of a coadd's file.

        Parameters
        ----------
        filename : str or path
            The file.
        name : str, optional
            Name of the dataset; by default that in the file, else a random one.
        lazy, cache : bool
            Accepted for the same call as for other datasets: the image is read at once.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        bayesmap.errors.FormatError
            If it is damaged or holds no image, or one without PSF.
        """
        return read_image_dataset(cls, filename, name)

    def __str__(self) -> str:
        info = self.info_dict()
        text = f"{type(self).__name__}\n{'-' * len(type(self).__name__)}\n\n"
        for key, value in info.items():
            shown = f"{value:.2f}" if isinstance(value, float | u.Quantity) else value
            text += f"  {key.replace('_', ' '):<24}: {shown}\n"
        return text + "\n" + models_text(self)

    def plot_image(self, ax: Axes | None = None, **kwargs: Any) -> Axes:
        """Draw the image in nJy; arguments and result are those of `bayesmap.plot.plot_image`."""
        from bayesmap.plot.image import plot_image

        return plot_image(self, ax, **kwargs)

    def plot_residuals(self, ax: Axes | None = None, method: str = "diff/sqrt(var)", **kwargs: Any) -> Axes:
        """Draw the residual image.

        Parameters
        ----------
        ax : `~matplotlib.axes.Axes`, optional
            Where to draw, with a sky projection; by default new axes with that of the image.
        method : {"diff", "diff/sqrt(var)"}
            See `residuals`.
        **kwargs
            For `bayesmap.plot.plot_map`.

        Returns
        -------
        `~matplotlib.axes.Axes`
            The axes.
        """
        from bayesmap.plot.image import plot_image_residuals

        return plot_image_residuals(self, ax, method, **kwargs)

    def peek(self, figsize: tuple[float, float] = (14, 4.2)) -> np.ndarray:
        """Show data, prediction and residuals at a glance.

        Parameters
        ----------
        figsize : tuple of float
            Size of the figure in inches.

        Returns
        -------
        numpy.ndarray
            The axes, shape ``(3,)``.
        """
        from bayesmap.plot.image import peek_image

        return peek_image(self, figsize=figsize)
