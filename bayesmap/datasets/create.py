"""Empty datasets from geometries."""

from typing import TYPE_CHECKING, Any

import astropy.units as u

from bayesmap._types import QuantityLike, TimeLike
from bayesmap.irf import GTI, EDispKernelMap, EDispMap, PSFMap, RecoPSFMap
from bayesmap.maps import Map, MapAxis

if TYPE_CHECKING:
    from bayesmap.maps import WcsGeom

__all__ = ["BINSZ_IRF_DEFAULT", "dataset_geoms", "default_rad_axis", "empty_components"]

BINSZ_IRF_DEFAULT = 0.2 * u.deg


def default_rad_axis() -> MapAxis:
    """Offsets of a point spread function by default: 66 bins from 0 to 0.66 deg."""
    return MapAxis.from_bounds(0, 0.66, nbin=66, node_type="edges", name="rad", unit="deg")


def dataset_geoms(
    geom: "WcsGeom",
    energy_axis_true: MapAxis | None = None,
    migra_axis: MapAxis | None = None,
    rad_axis: MapAxis | None = None,
    binsz_irf: QuantityLike = BINSZ_IRF_DEFAULT,
    reco_psf: bool = False,
) -> dict[str, Any]:
    """Geometries of all maps of a dataset, from that of its counts.

    Parameters
    ----------
    geom : `~bayesmap.maps.WcsGeom`
        Counts geometry, with an axis ``energy``.
    energy_axis_true : `~bayesmap.maps.MapAxis`, optional
        True energies, named ``energy_true``; by default those of ``geom``.
    migra_axis : `~bayesmap.maps.MapAxis`, optional
        If given the energy dispersion is a migration map, else a kernel map.
    rad_axis : `~bayesmap.maps.MapAxis`, optional
        Offsets of the point spread function, named ``rad``.
    binsz_irf : `~astropy.units.Quantity` or float
        Pixel size of the response maps; a number is in deg.
    reco_psf : bool
        Whether the point spread function is in reconstructed energy.

    Returns
    -------
    dict
        ``geom``, ``geom_exposure``, ``geom_psf`` and ``geom_edisp``.

    Raises
    ------
    ValueError
        If an axis has the wrong name.
    """
    energy_axis = geom.axes["energy"]
    if energy_axis_true is None:
        energy_axis_true = energy_axis.copy(name="energy_true")
    rad_axis = default_rad_axis() if rad_axis is None else rad_axis
    wanted = [(energy_axis_true, "energy_true"), (rad_axis, "rad"), (migra_axis, "migra")]
    for axis, name in wanted:
        if axis is not None and axis.name != name:
            raise ValueError(f"expected an axis named {name!r}, got {axis.name!r}")

    image = geom.to_image()
    irf = image.to_binsz(u.Quantity(binsz_irf, "deg") if not hasattr(binsz_irf, "unit") else binsz_irf)
    psf_energy = energy_axis if reco_psf else energy_axis_true
    return {
        "geom": geom,
        "geom_exposure": image.to_cube([energy_axis_true]),
        "geom_psf": irf.to_cube([rad_axis, psf_energy]),
        "geom_edisp": irf.to_cube([energy_axis if migra_axis is None else migra_axis, energy_axis_true]),
    }


def empty_components(
    geom: "WcsGeom",
    geom_exposure: "WcsGeom | None" = None,
    geom_psf: "WcsGeom | None" = None,
    geom_edisp: "WcsGeom | None" = None,
    reference_time: TimeLike = "2000-01-01",
    names: Any = ("counts", "background"),
) -> dict[str, Any]:
    """Zero-filled maps of a dataset, with an empty GTI and a safe mask that excludes all bins.

    Parameters
    ----------
    geom, geom_exposure, geom_psf, geom_edisp : `~bayesmap.maps.WcsGeom`
        Geometries; those that are None are left out.
    reference_time : `~astropy.time.Time` or str
        Reference time of the GTI.
    names : list of str
        Which components the dataset has; maps on ``geom`` are made for those of them that are counts or acceptances.

    Returns
    -------
    dict
        Arguments for the constructor of the dataset.
    """
    counted = ("counts", "background", "counts_off", "acceptance", "acceptance_off")
    parts = {name: Map.from_geom(geom, unit="") for name in counted if name in names} | {
        "mask_safe": Map.from_geom(geom, unit="", dtype=bool),
        "gti": GTI.create([] * u.s, [] * u.s, reference_time=reference_time),
    }
    if geom_exposure is not None:
        parts["exposure"] = Map.from_geom(geom_exposure, unit="m2 s")
    if geom_psf is not None:
        parts["psf"] = (PSFMap if "energy_true" in geom_psf.axes.names else RecoPSFMap).from_geom(geom_psf)
    if geom_edisp is not None:
        parts["edisp"] = (EDispKernelMap if "energy" in geom_edisp.axes.names else EDispMap).from_geom(geom_edisp)
    return parts
