"""The fourth catalogue of Fermi-LAT sources."""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from bayesmap._types import FileName, Region
from bayesmap._util import make_path
from bayesmap.modeling.catalog.rows import Row, apply_errors, chosen_rows, hdu_tables, is_file
from bayesmap.modeling.collection import Models
from bayesmap.modeling.parameter import Parameter
from bayesmap.modeling.sky import SkyModel
from bayesmap.modeling.spatial import (
    DiskSpatialModel,
    GaussianSpatialModel,
    PointSpatialModel,
    SpatialModel,
    TemplateSpatialModel,
)
from bayesmap.modeling.spectral import (
    LogParabolaSpectralModel,
    PowerLawSpectralModel,
    SpectralModel,
    SuperExpCutoffPowerLaw4FGLDR3SpectralModel,
    SuperExpCutoffPowerLaw4FGLSpectralModel,
)

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["models_from_4fgl"]

POINTS, EXTENDED = "LAT_Point_Source_Catalog", "ExtendedSources"
NAMES = ("Source_Name", "Extended_Source_Name", "ASSOC1", "ASSOC2")
FLUX_UNIT = "cm-2 s-1 MeV-1"
#: radius that holds 68 % of a two-dimensional normal distribution, in standard deviations
R68 = math.sqrt(-2 * math.log(1 - 0.68))

type Errors = dict[Parameter, float]


def models_from_4fgl(
    catalog: "FileName | Table",
    names: str | Iterable[str] | None = None,
    region: Region | None = None,
    *,
    extended: "Table | None" = None,
    templates: FileName | None = None,
    widen: float = 1.0,
) -> Models:
    """Make models with priors of sources of the 4FGL catalogue, of any data release.

    Parameters
    ----------
    catalog : path or `~astropy.table.Table`
        The FITS file of the catalogue, such as ``gll_psc_v35.fit``, or its table of sources.
    names : str, list of str, optional
        Sources by ``Source_Name``, ``Extended_Source_Name``, ``ASSOC1`` or ``ASSOC2``; models are in this order.
    region : `~regions.SkyRegion`, optional
        All sources in a region; give either this or names.
    extended : `~astropy.table.Table`, optional
        The table of extended sources, if ``catalog`` is a table. A file has it.
    templates : path, optional
        Folder of the templates of extended sources.
    widen : float
        Factor of the widths of all priors.

    Returns
    -------
    Models
        Called by ``Source_Name``. Values and errors are those of the catalogue; the priors have them as means and
        standard deviations: log-normal for fluxes, normal for all else. What the catalogue gives no error (the index
        of most cut-offs, positions and sizes of extended sources) is frozen.

    Raises
    ------
    KeyError
        If there is no source of a name.
    ValueError
        If a spectrum or shape is of a type that is not known here, or a template or the table of extended sources is
        missing: the message names the source. Nothing is left out.
    bayesmap.errors.FormatError
        If the file is damaged or another one.

    Notes
    -----
    The spectrum is the one of ``SpectrumType``. Positions are ICRS; their errors follow from the ellipse of 68 %, whose
    semi-axes are 1.51 standard deviations, without the correlation of the two. Sizes of Gaussians are radii that hold
    68 %, too. The catalogue was made from data of Fermi-LAT: its priors are for data that are not part of these, or
    have to be widened.

    References
    ----------
    Abdollahi et al. 2020, ApJS 247, 33 (4FGL; appendix A has the columns); Abdollahi et al. 2022, ApJS 260, 53
    (4FGL-DR3).
    """
    if is_file(catalog):
        table, extended = hdu_tables(catalog, POINTS, EXTENDED)
    else:
        table = catalog
    return Models(_source(row, extended, templates, widen) for row in chosen_rows(table, names, region, NAMES))


def _source(row: Row, extended: "Table | None", templates: FileName | None, widen: float) -> SkyModel:
    spectral, errors = _spectrum(row)
    is_extended = bool(row.text("Extended_Source_Name"))
    spatial, more = _extended(row, extended, templates) if is_extended else _point(row)
    apply_errors(errors | more, widen)
    return SkyModel(spectral, spatial, name=row.name)


def _spectrum(row: Row) -> tuple[SpectralModel, Errors]:
    """The spectrum that ``SpectrumType`` names, and its errors in declared units."""
    kind = row.text("SpectrumType")
    reference = f"{row.number('Pivot_Energy', 'MeV')} MeV"

    def flux(prefix: str) -> str:
        return f"{row.number(f'{prefix}_Flux_Density', FLUX_UNIT)} {FLUX_UNIT}"

    model: SpectralModel
    if kind == "PowerLaw":
        columns = {"amplitude": "PL_Flux_Density", "index": "PL_Index"}
        model = PowerLawSpectralModel(amplitude=flux("PL"), reference=reference)
    elif kind == "LogParabola":
        columns = {"amplitude": "LP_Flux_Density", "alpha": "LP_Index", "beta": "LP_beta"}
        model = LogParabolaSpectralModel(amplitude=flux("LP"), reference=reference)
    elif kind == "PLSuperExpCutoff":
        # from the third release on index and curvature are those at the pivot energy
        end = "S" if "PLEC_ExpfactorS" in row else ""
        new = SuperExpCutoffPowerLaw4FGLDR3SpectralModel if end else SuperExpCutoffPowerLaw4FGLSpectralModel
        columns = {"amplitude": "PLEC_Flux_Density", "index_1": f"PLEC_Index{end}"}
        columns |= {"expfactor": f"PLEC_Expfactor{end}", "index_2": "PLEC_Exp_Index"}
        model = new(amplitude=flux("PLEC"), reference=reference)
    else:
        raise ValueError(
            f"source {row.name!r}: no model for the spectrum type {kind!r}; known are PowerLaw, LogParabola and "
            "PLSuperExpCutoff"
        )
    return model, _set(row, model, columns, {"amplitude": FLUX_UNIT})


def _set(
    row: Row, model: SpectralModel | SpatialModel, columns: dict[str, str], units: dict[str, str], prefix: str = "Unc_"
) -> Errors:
    """Set parameters from columns, and return their errors."""
    errors: Errors = {}
    for name, column in columns.items():
        parameter, unit = getattr(model, name), units.get(name, "")
        parameter.quantity = f"{row.number(column, unit)} {unit}"
        errors[parameter] = row.error(f"{prefix}{column}", unit)
    return errors


def _point(row: Row) -> tuple[SpatialModel, Errors]:
    lon, lat = row.number("RAJ2000", "deg"), row.number("DEJ2000", "deg")
    model = PointSpatialModel(lon_0=f"{lon} deg", lat_0=f"{lat} deg", frame="icrs")
    major, minor = (row.error(f"Conf_68_Semi{which}", "deg") / R68 for which in ("Major", "Minor"))
    angle = math.radians(row.number("Conf_68_PosAng", "deg")) if math.isfinite(major) else 0.0
    north = math.hypot(major * math.cos(angle), minor * math.sin(angle))
    east = math.hypot(major * math.sin(angle), minor * math.cos(angle))
    return model, {model.lon_0: east / math.cos(math.radians(lat)), model.lat_0: north}


def _extended(row: Row, table: "Table | None", templates: FileName | None) -> tuple[SpatialModel, Errors]:
    """The shape of an extended source; the catalogue holds it fixed."""
    label = row.text("Extended_Source_Name")
    if table is None:
        raise ValueError(f"source {row.name!r} is extended: give the table of extended sources (HDU {EXTENDED!r})")
    found = [i for i, name in enumerate(table["Source_Name"]) if str(name).strip() == label]
    if not found:
        raise ValueError(f"source {row.name!r}: the table of extended sources has no row {label!r}")
    shape = Row(table[found[0]], row.name)
    kind = shape.text("Model_Form")
    if kind == "Disk":
        model: SpatialModel = DiskSpatialModel(r_0=f"{shape.number('Model_SemiMajor', 'deg')} deg")
    elif kind == "2D Gaussian":
        model = GaussianSpatialModel(sigma=f"{shape.number('Model_SemiMajor', 'deg') / R68} deg")
    elif shape.text("Spatial_Filename"):
        return _template(row, shape.text("Spatial_Filename"), templates), {}
    else:
        raise ValueError(
            f"source {row.name!r}: no model for the shape {kind!r}; known are Disk, 2D Gaussian and those with a "
            "template"
        )
    model.frame = "icrs"
    place = shape if "RAJ2000" in shape else row
    model.lon_0.quantity = f"{place.number('RAJ2000', 'deg')} deg"
    model.lat_0.quantity = f"{place.number('DEJ2000', 'deg')} deg"
    major, minor = (shape.number(f"Model_Semi{which}", "deg") for which in ("Major", "Minor"))
    if minor < major:
        model.parameters["e"].value = math.sqrt(1 - (minor / major) ** 2)
        model.parameters["phi"].value = shape.number("Model_PosAng", "deg")
    return model, dict.fromkeys((p for p in model.parameters if not p.frozen), np.nan)


def _template(row: Row, filename: str, templates: FileName | None) -> SpatialModel:
    """The template of an extended source."""
    if templates is None:
        raise ValueError(f"source {row.name!r} is the template {filename}: give the folder with templates=")
    folder = make_path(templates)
    found = next((path for end in ("", ".gz") if (path := folder / f"{filename}{end}").is_file()), None)
    if found is None:
        raise ValueError(f"source {row.name!r}: there is no template {filename} in {folder}")
    return TemplateSpatialModel.read(found)
