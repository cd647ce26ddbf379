"""The catalogue of the H.E.S.S. Galactic plane survey."""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from bayesmap._types import FileName, Region
from bayesmap.modeling.catalog.rows import Row, apply_errors, chosen_rows, hdu_tables, is_file
from bayesmap.modeling.collection import Models
from bayesmap.modeling.parameter import Parameter
from bayesmap.modeling.sky import SkyModel
from bayesmap.modeling.spatial import GaussianSpatialModel, PointSpatialModel, ShellSpatialModel, SpatialModel
from bayesmap.modeling.spectral import ExpCutoffPowerLawSpectralModel, PowerLawSpectralModel, SpectralModel

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["models_from_hgps"]

SOURCES, COMPONENTS = "HGPS_SOURCES", "HGPS_GAUSS_COMPONENTS"
NAMES = ("Source_Name", "Identified_Object")
FLUX_UNIT = "cm-2 s-1 TeV-1"
#: width of a shell over its outer radius, of which the catalogue says nothing
SHELL_WIDTH = 0.05

type Errors = dict[Parameter, float]


def models_from_hgps(
    catalog: "FileName | Table",
    names: str | Iterable[str] | None = None,
    region: Region | None = None,
    *,
    components: "Table | None" = None,
    widen: float = 1.0,
) -> Models:
    """Make models with priors of sources of the catalogue of the H.E.S.S. Galactic plane survey.

    Parameters
    ----------
    catalog : path or `~astropy.table.Table`
        The FITS file of the catalogue, ``hgps_catalog_v1.fits.gz``, or its table of sources.
    names : str, list of str, optional
        Sources by ``Source_Name`` or ``Identified_Object``; models are in this order.
    region : `~regions.SkyRegion`, optional
        All sources in a region; give either this or names.
    components : `~astropy.table.Table`, optional
        The table of Gaussian components, if ``catalog`` is a table. A file has it.
    widen : float
        Factor of the widths of all priors.

    Returns
    -------
    Models
        Called by ``Source_Name``; of a source of several Gaussians each component is a model, called by the source and
        the component, with the share of the flux that the map of the survey gives it, and they share all other
        parameters of the spectrum. Values and errors are those of the catalogue; the priors have them as means and
        standard deviations: log-normal for fluxes, cut-offs and sizes, normal for all else. What the catalogue gives no
        error, as of sources that it takes from other papers, is frozen.

    Raises
    ------
    KeyError
        If there is no source of a name.
    ValueError
        If a spectrum or shape is of a type that is not known here, or components are missing: the message names the
        source. Nothing is left out.
    bayesmap.errors.FormatError
        If the file is damaged or another one.

    Notes
    -----
    The spectrum is the one of ``Spectral_Model``. The flux is that at the pivot energy for power laws that have one,
    and that at 1 TeV for the others.
    Positions are Galactic. A Gaussian that is not extended (size zero) is a point. The size of a shell is its outer
    radius; of its width the catalogue says nothing, and 5 % of the radius are taken, frozen.

    References
    ----------
    H.E.S.S. Collaboration 2018, A&A 612, A1; tables A.2 and A.3 have the columns.
    """
    if is_file(catalog):
        table, components = hdu_tables(catalog, SOURCES, COMPONENTS)
    else:
        table = catalog
    rows = chosen_rows(table, names, region, NAMES)
    return Models(model for row in rows for model in _source(row, components, widen))


def _source(row: Row, components: "Table | None", widen: float) -> list[SkyModel]:
    kind = row.text("Spatial_Model")
    spectral, errors = _spectrum(row)
    if kind in ("2-Gaussian", "3-Gaussian"):
        return _gaussians(row, components, spectral, errors, widen)
    spatial, more = _shape(row, kind)
    apply_errors(errors | more, widen)
    return [SkyModel(spectral, spatial, name=row.name)]


def _spectrum(row: Row) -> tuple[SpectralModel, Errors]:
    """The spectrum that ``Spectral_Model`` names, and its errors in declared units."""
    kind = row.text("Spectral_Model")
    classes = {"PL": PowerLawSpectralModel, "ECPL": ExpCutoffPowerLawSpectralModel}
    if kind not in classes:
        raise ValueError(f"source {row.name!r}: no model for the spectrum {kind!r}; known are PL and ECPL")
    flux, pivot = (
        ("Flux_Spec_PL_Diff_Pivot", row.optional("Energy_Spec_PL_Pivot", "TeV")) if kind == "PL" else ("", 0.0)
    )
    if not pivot > 0:
        flux, pivot = f"Flux_Spec_{kind}_Diff_1TeV", 1.0
    model = classes[kind](index=row.number(f"Index_Spec_{kind}", ""), reference=f"{pivot} TeV")
    value, error = row.number(flux, FLUX_UNIT), row.error(f"{flux}_Err", FLUX_UNIT)
    parameters = model.parameters
    errors = {parameters["index"]: row.error(f"Index_Spec_{kind}_Err", "")}
    if kind == "ECPL":
        cutoff = parameters["lambda_"]
        cutoff.quantity = f"{row.number('Lambda_Spec_ECPL', 'TeV-1')} TeV-1"
        errors[cutoff] = row.error("Lambda_Spec_ECPL_Err", "TeV-1")
        # the column is the flux, in which the cut-off has a part already
        factor = math.exp(float(cutoff.value) * pivot)
        value, error = factor * value, factor * error
    parameters["amplitude"].quantity = f"{value} {FLUX_UNIT}"
    return model, {parameters["amplitude"]: error, **errors}


def _shape(row: Row, kind: str) -> tuple[SpatialModel, Errors]:
    size = row.optional("Size", "deg") if kind in ("Gaussian", "Shell") else 0.0
    if kind == "Shell":
        size = row.number("Size", "deg")
        model: SpatialModel = ShellSpatialModel(
            radius=f"{(1 - SHELL_WIDTH) * size} deg", width=f"{SHELL_WIDTH * size} deg"
        )
        errors = {model.parameters["radius"]: row.error("Size_Err", "deg"), model.parameters["width"]: math.nan}
    elif kind == "Gaussian" and size > 0:
        model = GaussianSpatialModel(sigma=f"{size} deg")
        errors = {model.sigma: row.error("Size_Err", "deg")}
    elif kind in ("Gaussian", "Point-Like"):
        model, errors = PointSpatialModel(), {}
    else:
        raise ValueError(
            f"source {row.name!r}: no model for the shape {kind!r}; known are Point-Like, Gaussian, 2-Gaussian, "
            "3-Gaussian and Shell"
        )
    return model, errors | _place(row, model)


def _place(row: Row, model: SpatialModel) -> Errors:
    """Set the position, and return its errors."""
    model.frame = "galactic"
    model.lon_0.quantity = f"{row.number('GLON', 'deg')} deg"
    model.lat_0.quantity = f"{row.number('GLAT', 'deg')} deg"
    return {model.lon_0: row.error("GLON_Err", "deg"), model.lat_0: row.error("GLAT_Err", "deg")}


def _gaussians(
    row: Row, components: "Table | None", spectral: SpectralModel, errors: Errors, widen: float
) -> list[SkyModel]:
    """A model for each component; they share the spectrum but for the amplitude."""
    wanted = [name.strip() for name in row.text("Components").split(",")]
    if components is None:
        raise ValueError(f"source {row.name!r} has the components {wanted}: give the table of components")
    labels = [str(name).strip() for name in components["Component_ID"]]
    if missing := [name for name in wanted if name not in labels]:
        raise ValueError(f"source {row.name!r}: the table of components has no {missing}")
    rows = [Row(components[labels.index(name)], f"{row.name} {name}") for name in wanted]
    fluxes = [part.number("Flux_Map", "cm-2 s-1") for part in rows]
    relative = errors.pop(total := spectral.parameters["amplitude"]) / total.value
    models = []
    for part, flux in zip(rows, fluxes, strict=True):
        own = spectral.copy()
        for parameter in errors:
            setattr(own, parameter.name, parameter)
        amplitude = own.parameters["amplitude"]
        amplitude.value = total.value * flux / sum(fluxes)
        spatial = GaussianSpatialModel(sigma=f"{part.number('Size', 'deg')} deg")
        share = math.hypot(relative, part.error("Flux_Map_Err", "cm-2 s-1") / flux)
        more = {spatial.sigma: part.error("Size_Err", "deg"), amplitude: share * amplitude.value}
        apply_errors(more | _place(part, spatial), widen)
        models.append(SkyModel(own, spatial, name=part.name))
    apply_errors(errors, widen)
    return models
