"""From counts cubes to a region of the sky: sums over it, with the responses at its centre."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import astropy.units as u
import numpy as np

from bayesmap._types import Region
from bayesmap.datasets.acceptance import is_on_off, off_acceptance
from bayesmap.datasets.checks import warn_correlated_off
from bayesmap.datasets.spectrum import SpectrumDataset, SpectrumDatasetOnOff
from bayesmap.irf import PSFMap, RecoPSFMap
from bayesmap.maps import Map, RegionGeom
from bayesmap.maps.kinds import MapKind
from bayesmap.maps.region_reduce import region_pixels
from bayesmap.maps.region_tools import region_center

if TYPE_CHECKING:
    from bayesmap.datasets.map import MapDataset
    from bayesmap.datasets.onoff import MapDatasetOnOff

__all__ = ["to_region_map_dataset", "to_spectrum_dataset"]


def to_region_map_dataset(dataset: "MapDataset", region: Region, name: str | None = None) -> Any:
    """Return the dataset summed over a region of the sky.

    Counts and background are summed inside ``mask_safe``, the background with the background model; the exposure is the
    mean; masks are true where any pixel is; the point spread function and the energy dispersion are those of the pixel
    nearest to the centre of the region. Of an ON/OFF dataset the OFF counts are summed too, the acceptance is the mean,
    and the OFF acceptance is such that the background is the sum of the backgrounds. The models stay behind.

    Parameters
    ----------
    dataset : MapDataset or MapDatasetOnOff
        Dataset on an image; one on a region already is copied.
    region : `~regions.SkyRegion`, `~astropy.coordinates.SkyCoord` or str
        Region; a position selects one pixel, a string is in DS9 format.
    name : str, optional
        Name of the new dataset; a random one by default.

    Returns
    -------
    MapDataset or MapDatasetOnOff
        Dataset of the same class whose maps are on a `~bayesmap.maps.RegionGeom`.

    Raises
    ------
    ValueError
        If the region is not fully inside the image or holds no pixel centre, or if the mask differs between its pixels
        at some energy: the mean exposure would not be that of the summed counts.

    Warns
    -----
    UserWarning
        If OFF counts of neighbouring pixels are the same events, as those of a ring background.
    """
    region = RegionGeom.create(region).region
    _check_region(dataset, region)
    return dataset._with_side(type(dataset)(name=name, **_components(dataset, region)))


def to_spectrum_dataset(
    dataset: "MapDataset", on_region: Region, containment_correction: bool = False, name: str | None = None
) -> Any:
    """Return the spectrum in a region of the sky, without point spread function.

    Parameters
    ----------
    dataset : MapDataset or MapDatasetOnOff
        Dataset.
    on_region : `~regions.SkyRegion`
        Region.
    containment_correction : bool
        Whether the exposure is multiplied by the fraction of the photons of a point source at the centre of a circular
        region that are reconstructed inside of it.
    name : str, optional
        Name of the new dataset; a random one by default.

    Returns
    -------
    SpectrumDataset or SpectrumDatasetOnOff
        The latter of an ON/OFF dataset. The components are those of `to_region_map_dataset`.

    Raises
    ------
    TypeError
        If a containment correction is wanted and the region is no circle.
    ValueError
        If a containment correction is wanted and there is no point spread function in true energy; and as for
        `to_region_map_dataset`.

    Warns
    -----
    UserWarning
        As `to_region_map_dataset`.
    """
    region = RegionGeom.create(on_region).region
    _check_region(dataset, region)
    parts = _components(dataset, region)
    if containment_correction:
        parts["exposure"] = _contained_exposure(dataset, region, parts.get("exposure"))
    parts.pop("psf", None)
    spectrum = SpectrumDatasetOnOff if "counts_off" in dataset.components else SpectrumDataset
    return dataset._with_side(spectrum(name=name, **parts))


def _check_region(dataset: "MapDataset", region: Region) -> None:
    """Raise a ValueError unless the region is inside the image and the mask is the same in all of its pixels."""
    geom = dataset._geom
    if geom.is_region:
        return
    inside = geom.to_image().pad(1).region_mask(region).data
    if inside.sum() > inside[1:-1, 1:-1].sum():
        raise ValueError(f"dataset {dataset.name!r}: the region {region!r} is not fully contained in {geom!r}")
    mask: Any = dataset.mask
    if mask is None:
        return
    values = mask.data[:, region_pixels(mask, region)]
    mixed = values.any(axis=-1) & ~values.all(axis=-1)
    if mixed.any():
        raise ValueError(
            f"dataset {dataset.name!r}: the mask differs between the pixels of the region {region!r} in the energy "
            f"bins {np.flatnonzero(mixed).tolist()}; change mask_safe or mask_fit, or take another region"
        )


def _components(dataset: "MapDataset", region: Region) -> dict[str, Any]:
    """Components on the region."""
    safe, center = dataset.mask_safe, region_center(region)

    def summed(m: MapKind | None) -> Map | None:
        return None if m is None else m.to_region_nd_map(region, func=np.sum, weights=safe)

    parts = {
        "mask_safe": _on_region(dataset.mask_safe, region, np.any),
        "mask_fit": _on_region(dataset.mask_fit, region, np.any),
        "counts": summed(dataset.counts),
        "exposure": _on_region(dataset.exposure, region, np.mean),
        "psf": None if dataset.psf is None else dataset.psf.to_region_nd_map(center),
        "edisp": None if dataset.edisp is None else dataset.edisp.to_region_nd_map(center),
    }
    if is_on_off(dataset):
        parts |= _off_components(dataset, region, summed)
    else:
        parts["background"] = summed(cast("MapKind", dataset.npred_background()))
    return {key: value for key, value in parts.items() if value is not None}


def _on_region(m: MapKind | None, region: Region, func: Callable[..., np.ndarray]) -> Map | None:
    return None if m is None else m.to_region_nd_map(region, func=func)


def _off_components(dataset: "MapDatasetOnOff", region: Region, summed: Callable[[Any], Any]) -> dict[str, Any]:
    """OFF counts and acceptances on the region, see `off_acceptance`."""
    warn_correlated_off(dataset, stacklevel=6)
    off, safe = summed(dataset.counts_off), dataset.mask_safe
    if dataset.acceptance is None:
        return {"counts_off": off}
    acceptance = dataset.acceptance.to_region_nd_map(region, func=np.mean, weights=safe)
    parts = {"counts_off": off, "acceptance": acceptance}
    if dataset.acceptance_off is not None:
        plain = dataset.acceptance_off.to_region_nd_map(region, func=np.mean, weights=safe)
        parts["acceptance_off"] = plain
        if off is not None:
            parts["acceptance_off"] = off_acceptance(acceptance, off, summed(dataset.background), plain)
    return parts


def _contained_exposure(dataset: "MapDataset", region: Region, exposure: Map | None) -> Map:
    """Exposure times the containment of a point source at the centre of a circle."""
    from regions import CircleSkyRegion

    if not isinstance(region, CircleSkyRegion):
        raise TypeError(f"a containment correction needs a CircleSkyRegion, got {region!r}")
    psf = dataset.psf
    if exposure is None or not isinstance(psf, PSFMap) or isinstance(psf, RecoPSFMap):
        raise ValueError(
            f"dataset {dataset.name!r}: a containment correction needs an exposure and a PSFMap in true energy, "
            f"got {exposure!r} and {psf!r}"
        )
    energy = exposure.geom.axes["energy_true"].center
    inside = u.Quantity(psf.containment(rad=region.radius, energy_true=energy, position=region.center)).to_value("")
    factor = inside.reshape(exposure.geom.data_shape)
    return exposure.copy(data=exposure.data * factor.astype(exposure.data.dtype))
