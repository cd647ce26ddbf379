"""Tables of sources on images: where a scene starts, and what was found."""

from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord

from bayesmap._types import Tree
from bayesmap._util import suggest
from bayesmap.modeling import (
    ExponentialSpatialModel,
    FluxDensitySpectralModel,
    Models,
    PointSpatialModel,
    SersicSpatialModel,
    SkyModel,
    parameter_names,
)
from bayesmap.modeling.posterior import Posterior
from bayesmap.units import FLUX_DENSITY

if TYPE_CHECKING:
    from astropy.table import QTable, Table

    from bayesmap.datasets.image import ImageDataset

__all__ = ["source_table", "sources_from_table"]

REQUIRED = {"ra": u.deg, "dec": u.deg, "flux": FLUX_DENSITY}
#: columns of shapes, with the unit that results have
SHAPE = {"r_eff": u.arcsec, "q": u.dimensionless_unscaled, "phi": u.deg, "n": u.dimensionless_unscaled}
#: indices of profiles that have no parameter for it
INDICES = {"exponential": 1.0, "de-vaucouleurs": 4.0}


def sources_from_table(table: "Table", prefix: str = "source-") -> Models:
    """Make sources of a catalogue: a star or a galaxy for each row.

    Parameters
    ----------
    table : `~astropy.table.Table`
        With the columns ``ra`` and ``dec`` (ICRS) and ``flux``, and for galaxies ``r_eff``, the half-light radius
        along the major axis; further, as far as they are there, ``q`` (ratio of the axes), ``phi`` (position angle of
        the major axis from North to East) and ``n`` (Sersic index). Angles and fluxes need units. A row without
        ``r_eff`` (masked, NaN or zero) is a star. Galaxies without ``n`` are exponential disks.
    prefix : str
        Models are called by this and the column ``label``, or the number of the row, from 1, where there is none.

    Returns
    -------
    Models
        In the order of the rows, all parameters free.

    Raises
    ------
    KeyError
        If a column is missing.
    ValueError
        If a column has no unit or one that does not fit, a position or flux is missing, a shape is impossible, or two
        rows have one label.
    """
    for column in REQUIRED:
        if column not in table.colnames:
            raise KeyError(f"the table has no column {column!r}{suggest(column, table.colnames)}")
    columns = {key: _values(table, key, unit) for key, unit in (REQUIRED | SHAPE).items() if key in table.colnames}
    labels = [str(label) for label in table["label"]] if "label" in table.colnames else range(1, len(table) + 1)
    models = []
    for i, label in enumerate(labels):
        row = {key: float(values[i]) for key, values in columns.items()}
        lost = [key for key in REQUIRED if not np.isfinite(row[key])]
        if lost:
            raise ValueError(f"source {label} has no {lost[0]}: row {i} of the table is masked or not finite there")
        try:
            spatial = _shape(row)
        except ValueError as error:
            raise ValueError(f"source {label}, row {i} of the table: {error}") from None
        flux = FluxDensitySpectralModel(flux=row["flux"] * FLUX_DENSITY)
        models.append(SkyModel(flux, spatial, name=f"{prefix}{label}"))
    return Models(models)


def _values(table: "Table", key: str, unit: u.UnitBase) -> np.ndarray:
    """A column in a unit, NaN where it is masked."""
    column = table[key]
    given = column.unit
    if given is None and unit != u.dimensionless_unscaled:
        raise ValueError(f"the column {key!r} has no unit; set one, such as table[{key!r}].unit = '{unit}'")
    mask = np.broadcast_to(getattr(column, "mask", False), len(table))
    values = getattr(column, "unmasked", column)
    numbers = np.ma.getdata(np.asanyarray(getattr(values, "value", values))).astype("float64")
    factor = 1.0 if given is None else _factor(key, given, unit)
    return np.where(mask, np.nan, numbers * factor)


def _factor(key: str, given: u.UnitBase, unit: u.UnitBase) -> float:
    if not given.is_equivalent(unit):
        raise ValueError(f"the column {key!r} has the unit {given}, which does not convert to {unit}")
    return float(given.to(unit))


def _shape(row: dict[str, float]) -> PointSpatialModel | SersicSpatialModel | ExponentialSpatialModel:
    place = {"lon_0": row["ra"] * u.deg, "lat_0": row["dec"] * u.deg, "frame": "icrs"}
    size = row.get("r_eff", np.nan)
    if size < 0:
        raise ValueError(f"the half-light radius is negative, {size} arcsec")
    if not size > 0:
        return PointSpatialModel(**place)
    shape: dict[str, Any] = {"r_eff": size * u.arcsec}
    if np.isfinite(row.get("q", np.nan)):
        shape["q"] = row["q"]
    if np.isfinite(row.get("phi", np.nan)):
        shape["phi"] = ((row["phi"] + 90) % 180 - 90) * u.deg
    if np.isfinite(row.get("n", np.nan)):
        return SersicSpatialModel(**place, **shape, n=row["n"])
    return ExponentialSpatialModel(**place, **shape)


def source_table(tree: Tree, dataset: "ImageDataset") -> "QTable":
    """Catalogue of the sources on an image: means and standard deviations of the posterior.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of `bayesmap.sample`.
    dataset : ImageDataset
        With the sampled models.

    Returns
    -------
    `~astropy.table.QTable`
        A row for each source of the dataset that has a position: ``label`` (the name of the model), ``kind`` (the tag
        of its shape), ``ra`` and ``dec`` (ICRS), ``x`` and ``y`` (absolute pixel coordinates of the image at that
        place), ``flux``, and of galaxies ``r_eff``, ``q``, ``phi`` and ``n``, which are NaN for others. Each but ``x``
        and ``y`` has an error, ``ra_err`` and so on, zero where the parameter is frozen; that of ``ra`` is on the sky,
        times cos(dec).

    Raises
    ------
    KeyError
        If the posterior lacks a free parameter of the models.

    Notes
    -----
    Position angles are those of an axis, so that 1 deg and 179 deg lie 2 deg apart; they are in the frame of the model.
    `sources_from_table` reads the table again.
    """
    from astropy.table import QTable

    posterior, models = Posterior(tree), [m for m in dataset.models or () if isinstance(m, SkyModel) and _is_source(m)]
    draws = posterior.columns(parameter_names(models), f"dataset {dataset.name!r}")
    rows = [_row(model, draws) for model in models]
    names = {"label": [model.name for model in models], "kind": [_tag(model) for model in models]}
    table = QTable({key: np.array(values, dtype=str) for key, values in names.items()})
    for key, unit in (REQUIRED | SHAPE).items():
        for column in (key, f"{key}_err"):
            table[column] = np.array([row[column] for row in rows], dtype="float64") * unit
    sky = SkyCoord(table["ra"], table["dec"], frame="icrs")
    projection: Any = dataset.image.projection
    x, y = projection.sky_to_pixel(sky)
    table.add_columns([x, y], indexes=[2, 2], names=["x", "y"])
    return table


def _row(model: Any, draws: dict[Any, np.ndarray]) -> dict[str, float]:
    """Means and errors of a source by the names of columns, in their units."""
    spatial, row = model.spatial_model, dict.fromkeys((f"{key}{end}" for key in SHAPE for end in ("", "_err")), np.nan)

    def column(parameter: Any, unit: u.UnitBase) -> np.ndarray:
        values = draws.get(parameter, np.atleast_1d(parameter.value))
        return np.asarray((values * parameter.unit).to_value(unit))

    row["flux"], row["flux_err"] = _moments(column(model.spectral_model.flux, FLUX_DENSITY))
    lon, lat = np.broadcast_arrays(column(spatial.lon_0, u.deg), column(spatial.lat_0, u.deg))
    sky = SkyCoord(lon, lat, unit="deg", frame=spatial.frame).icrs
    offset = (sky.ra.deg - sky.ra.deg[0] + 180) % 360 - 180
    row["dec"], row["dec_err"] = _moments(sky.dec.deg)
    ra, ra_err = _moments(offset)
    row["ra"] = (sky.ra.deg[0] + ra) % 360
    row["ra_err"] = ra_err * np.cos(np.deg2rad(row["dec"]))
    if not hasattr(spatial, "r_eff"):
        return row
    row["r_eff"], row["r_eff_err"] = _moments(column(spatial.r_eff, u.arcsec))
    row["q"], row["q_err"] = _moments(column(spatial.q, u.dimensionless_unscaled))
    row["phi"], row["phi_err"] = _axis(column(spatial.phi, u.deg))
    n = getattr(spatial, "n", None)
    row["n"], row["n_err"] = (INDICES[_tag(model)], 0.0) if n is None else _moments(column(n, u.dimensionless_unscaled))
    return row


def _is_source(model: SkyModel) -> bool:
    return model.spatial_model is not None and model.spatial_model.position is not None


def _tag(model: Any) -> str:
    return str(model.spatial_model.tag[-1])


def _moments(values: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation, of small differences between large numbers too."""
    away = values - values[0]
    return float(values[0] + away.mean()), float(away.std())


def _axis(angles: np.ndarray) -> tuple[float, float]:
    """Mean direction of an axis in deg, within -90 and 90, and the standard deviation from it."""
    mean = np.rad2deg(np.angle(np.exp(2j * np.deg2rad(angles)).mean())) / 2
    away = (angles - mean + 90) % 180 - 90
    return float(mean), float(np.sqrt(np.mean(away**2)))
