"""The numbers behind residual pictures: images, spectra in a region, significances."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import astropy.units as u
import numpy as np

from bayesmap._types import QuantityLike, Region
from bayesmap._util import check_option
from bayesmap.datasets.onoff import MapDatasetOnOff
from bayesmap.datasets.predict import compute_residuals, require_counts
from bayesmap.maps import Map, MapAxis, WcsNDMap
from bayesmap.maps.filters import disk_kernel
from bayesmap.stats import CashCountsStatistic, WStatCountsStatistic
from bayesmap.stats.significance import sqrt_ts

if TYPE_CHECKING:
    from bayesmap.datasets.map import MapDataset
    from bayesmap.maps import WcsGeom

__all__ = [
    "SpectrumResiduals",
    "counts_statistic",
    "region_pixels",
    "residual_image",
    "significance_image",
    "spectrum_residuals",
    "sqrt_ts",
]

SPECTRAL_METHODS = ("diff", "diff/sqrt(model)")


def counts_statistic(dataset: "MapDataset") -> CashCountsStatistic | WStatCountsStatistic:
    """Statistic of the excess per bin, without masks.

    Parameters
    ----------
    dataset : MapDataset, MapDatasetOnOff or one of their kinds
        With counts.

    Returns
    -------
    CashCountsStatistic or WStatCountsStatistic
        The second for datasets with OFF counts; else with the predicted background, zero if there is none.
    """
    require_counts(dataset, "the excess")
    n_on = dataset.counts.data.astype("float64")
    if isinstance(dataset, MapDatasetOnOff) and dataset.counts_off is not None:
        return WStatCountsStatistic(n_on, dataset.counts_off.data.astype("float64"), dataset.alpha.data)
    background = dataset.npred_background()
    return CashCountsStatistic(n_on, np.zeros_like(n_on) if background is None else background.data)


def masked_counts(dataset: "MapDataset", npred: Map | None = None) -> tuple[Map, Map]:
    """Counts and predicted counts, both set to zero outside the mask.

    Parameters
    ----------
    dataset : MapDataset
        With counts.
    npred : Map, optional
        Prediction to compare with, for example a posterior mean; ``dataset.npred()`` by default.

    Raises
    ------
    ValueError
        If the dataset has no counts or the prediction has another shape.
    """
    require_counts(dataset, "residuals")
    npred = dataset.npred() if npred is None else npred
    if npred.data.shape != dataset.counts.data.shape:
        raise ValueError(
            f"dataset {dataset.name!r}: npred has shape {npred.data.shape}, counts have {dataset.counts.data.shape}"
        )
    keep = 1.0 if dataset.mask is None else dataset.mask.data
    geom = dataset.counts.geom
    return tuple(  # type: ignore[return-value]
        Map.from_geom(geom, data=m.data.astype("float64") * keep, unit="") for m in (dataset.counts, npred)
    )


def _blank_outside(image: Map, dataset: "MapDataset") -> Map:
    """Set the pixels to NaN in which no energy is in the mask."""
    if dataset.mask is not None:
        image.data[..., ~dataset.mask.data.any(axis=0)] = np.nan
    return image


def residual_image(
    dataset: "MapDataset",
    method: str = "diff",
    smooth_kernel: str = "gauss",
    smooth_radius: QuantityLike = "0.1 deg",
    npred: Map | None = None,
) -> Map:
    """Residuals of the images summed over energy inside the mask and then smoothed.

    Parameters
    ----------
    dataset : MapDataset
        With counts.
    method : {"diff", "diff/model", "diff/sqrt(model)"}
        Normalisation.
    smooth_kernel : {"gauss", "box", "disk"}
        Kernel; it is normalised, so smoothed counts are counts per pixel.
    smooth_radius : `~astropy.units.Quantity`, str or float
        Width of the kernel, in pixels if a number.
    npred : Map, optional
        Prediction to compare with; ``dataset.npred()`` by default.

    Returns
    -------
    Map
        One image with a squashed energy axis, NaN where no energy is in the mask.

    Notes
    -----
    The convention of Gammapy's ``plot_residuals_spatial``: sum, smooth, then divide. Since the smoothed noise is much
    smaller than that of a pixel, "diff/sqrt(model)" is not in standard deviations; `significance_image` is.
    """
    images = (cast(WcsNDMap, m).sum_over_axes() for m in masked_counts(dataset, npred))
    counts, model = (m.smooth(smooth_radius, smooth_kernel) for m in images)
    return _blank_outside(cast(Map, compute_residuals(counts, model, method)), dataset)


def significance_image(dataset: "MapDataset", radius: QuantityLike = "0.1 deg", npred: Map | None = None) -> Map:
    """Significance of the deviation from the prediction, of all energies together, in a disk around each pixel.

    Counts and prediction inside the mask are summed over energy and over the pixels whose centres lie within
    ``radius``; the sums are compared by `sqrt_ts`. So neighbouring pixels are correlated, and without unmodelled
    sources each pixel is standard normal as far as the counts in a disk are many.

    Parameters
    ----------
    dataset : MapDataset
        With counts.
    radius : `~astropy.units.Quantity`, str or float
        Radius of the disk, in pixels if a number.
    npred : Map, optional
        Prediction to compare with, for example the posterior mean; ``dataset.npred()`` by default.

    Returns
    -------
    Map
        One image in standard deviations, NaN where no energy is in the mask.
    """
    counts, model = (cast(WcsNDMap, m).sum_over_axes() for m in masked_counts(dataset, npred))
    disk = disk_kernel(_pixels(counts.geom, radius))
    disk = (disk > 0).astype("float64")
    sums = [m.convolve(disk, method="direct").data for m in (counts, model)]
    return _blank_outside(Map.from_geom(counts.geom, data=sqrt_ts(*sums), unit=""), dataset)


def _pixels(geom: "WcsGeom", width: QuantityLike) -> float:
    """A width in pixels."""
    width = u.Quantity(width)
    if width.unit.is_equivalent("deg"):
        width = width / geom.pixel_scales.mean()
    pixels = float(width.to_value(""))
    if not pixels >= 0:
        raise ValueError(f"the radius must not be negative, got {width}")
    return pixels


def region_pixels(geom: "WcsGeom", region: Region | str | None = None) -> np.ndarray:
    """Pixels whose centres lie in a region.

    Parameters
    ----------
    geom : WcsGeom
        Geometry.
    region : `~regions.SkyRegion` or str, optional
        Region, also in DS9 format; the whole map by default.

    Returns
    -------
    numpy.ndarray
        Boolean, shape ``(n_lat, n_lon)``.

    Raises
    ------
    ValueError
        If no pixel centre lies in the region.
    """
    image = geom.to_image()
    if region is None:
        return np.ones(image.data_shape, dtype=bool)
    inside = image.region_mask(region).data
    if not inside.any():
        raise ValueError(f"no pixel of the map has its centre in the region {region!r}; move or enlarge it")
    return inside


@dataclass(frozen=True, eq=False)
class SpectrumResiduals:
    """Counts and prediction per energy in a region.

    Attributes
    ----------
    axis : MapAxis
        Reconstructed energy.
    counts, npred : numpy.ndarray
        Sums over the pixels of the region inside the mask, shape ``(n_energy,)``.
    residuals, error : numpy.ndarray
        Residuals in the chosen normalisation and their symmetric errors.
    method : str
        The normalisation.
    """

    axis: MapAxis
    counts: np.ndarray
    npred: np.ndarray
    residuals: np.ndarray
    error: np.ndarray
    method: str


def spectrum_residuals(
    dataset: "MapDataset", method: str = "diff", region: Region | str | None = None, npred: Map | None = None
) -> SpectrumResiduals:
    """Residuals per energy in a region.

    Parameters
    ----------
    dataset : MapDataset
        With counts.
    method : {"diff", "diff/sqrt(model)"}
        Normalisation.
    region : `~regions.SkyRegion` or str, optional
        Pixels with centres in it are summed; the whole map by default.
    npred : Map, optional
        Prediction to compare with; ``dataset.npred()`` by default.

    Returns
    -------
    SpectrumResiduals
        The error is sqrt(counts), with the error of the OFF counts added in quadrature if there are any, divided by
        sqrt(npred) for "diff/sqrt(model)", as in Gammapy.
    """
    check_option("method", method, SPECTRAL_METHODS)
    inside = region_pixels(dataset.counts.geom, region)
    counts, model = (m.data[:, inside].sum(axis=1) for m in masked_counts(dataset, npred))
    keep = inside if dataset.mask is None else inside & dataset.mask.data.astype(bool)
    error = np.sqrt(np.where(keep, counts_statistic(dataset).variance, 0.0).sum(axis=(1, 2)))
    if method == "diff/sqrt(model)":
        with np.errstate(divide="ignore", invalid="ignore"):
            error = error / np.sqrt(model)
    residuals = cast(np.ndarray, compute_residuals(counts, model, method))
    return SpectrumResiduals(dataset.counts.geom.axes["energy"], counts, model, residuals, error, method)
