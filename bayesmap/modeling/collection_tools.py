"""Members of `Models` that select, show and join models."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from bayesmap._types import Axes, QuantityLike, Region
from bayesmap._util import Absent
from bayesmap.modeling import selection
from bayesmap.modeling.model_tools import CovarianceTools
from bayesmap.modeling.parameters_tools import restored
from bayesmap.modeling.sky import Component

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from astropy.table import Table
    from astropy.wcs import WCS

    from bayesmap.maps import Map, WcsGeom
    from bayesmap.modeling.background import FoVBackgroundModel
    from bayesmap.modeling.sky import SkyModel
    from bayesmap.modeling.spectral import SpectralModel, TemplateSpectralModel

__all__ = ["CollectionTools"]


class CollectionTools(CovarianceTools):
    """Selections, regions, templates and the covariance of a collection of models."""

    if TYPE_CHECKING:
        _models: list[Component]
        parameter_names: Any

        @property
        def names(self) -> list[str]:
            """Names."""

        def __init__(self, models: Any = None) -> None: ...
        def __iter__(self) -> Any: ...

        select: Any

    set_penalties = Absent("adds terms to the statistic of Fit, which stays out: give the parameters priors")
    update_link_label = Absent("writes labels of links into parameters: files get them by themselves")
    read_covariance = Absent("reads a table beside a model file: set covariance, or keep the posterior")
    write_covariance = Absent("writes a table beside a model file: save the posterior, or covariance.to_table()")

    @property
    def parameters_unique_names(self) -> list[str]:
        """Names of the random variables, ``"<model>.<parameter>"``, each parameter once."""
        return list(self.parameter_names.values())

    @property
    def background_models(self) -> "dict[str, FoVBackgroundModel]":
        """The background models, by the name of their dataset."""
        found = [model for model in self if "fov-bkg" in model.tag]
        return {model.datasets_names[0]: model for model in found}

    # -- selections -------------------------------------------------------------------------------------------------
    def selection_mask(
        self,
        name_substring: str | None = None,
        datasets_names: str | Iterable[str] | None = None,
        tag: str | Iterable[str] | None = None,
        model_type: str | None = None,
        frozen: bool | None = None,
    ) -> np.ndarray:
        """Return which models `select` would return, a boolean array."""
        chosen = {id(model) for model in self.select(name_substring, datasets_names, tag, model_type, frozen)}
        return np.array([id(model) in chosen for model in self], dtype=bool)

    def select_mask(self, mask: "Map", margin: QuantityLike = "0 deg", use_evaluation_region: bool = True) -> Self:
        """Return the sky models that reach into a mask.

        Parameters
        ----------
        mask : Map
            Boolean map; of several images any counts.
        margin : `~astropy.units.Quantity` or str
            Added to the width around each source; see `SkyModel.contributes`.
        use_evaluation_region : bool
            Whether the extent of a model counts; otherwise its position.
        """
        return type(self)(selection.in_mask(self, mask, margin, use_evaluation_region))

    def select_from_geom(self, geom: "WcsGeom", **kwargs: Any) -> Self:
        """Return the sky models that reach into a geometry; arguments as for `select_mask`."""
        from bayesmap.maps import Map

        mask = Map.from_geom(geom.to_image(), data=np.ones(geom.data_shape_image, dtype=bool))
        return self.select_mask(mask, **kwargs)

    def select_region(self, regions: Sequence[Region], wcs: "WCS | None" = None) -> Self:
        """Return the sky models whose position lies in a region (`~regions.SkyRegion`, DS9 string or a list)."""
        return type(self)(selection.in_region(self, regions, wcs))

    def restore_status(self, restore_values: bool = True) -> Any:
        """Return a context manager that gives back frozen status and values at the end of its ``with`` block."""
        return restored(self.parameters, restore_values)

    def set_parameters_bounds(
        self,
        tag: str | Iterable[str],
        model_type: str,
        parameters_names: str | list[str] | None = None,
        min: float | None = None,
        max: float | None = None,
        value: float | None = None,
    ) -> None:
        """Set bounds and values of the parameters of one type of model, in their declared units.

        Parameters
        ----------
        tag : str or list of str
            Tag of the part, such as "pl".
        model_type : {"spectral", "spatial", "temporal"}
            Part.
        parameters_names : str or list of str, optional
            Parameters, by default all of the part.
        min, max, value : float, optional
            What to set.
        """
        models = self.select(tag=tag, model_type=model_type)
        for parameter in models.parameters.select(name=parameters_names, type=model_type):
            if min is not None:
                parameter.min = min
            if max is not None:
                parameter.max = max
            if value is not None:
                parameter.value = value

    def update_parameters_from_table(self, t: "Table") -> None:
        """Set values, units, errors, bounds and frozen status from a table with one row per parameter, in order.

        Parameters
        ----------
        t : `~astropy.table.Table`
            Table such as of `to_parameters_table`; the columns "name", "model" and "prior" are not read.

        Raises
        ------
        ValueError
            If there is not one row per parameter, or the names of parameters differ.
        """
        if len(t) != len(self.parameters):
            raise ValueError(f"the table has {len(t)} rows, there are {len(self.parameters)} parameters")
        rows = [dict(zip(t.colnames, row, strict=True)) for row in t]
        for row, parameter in zip(rows, self.parameters, strict=True):
            if str(row.get("name", parameter.name)) != parameter.name:
                raise ValueError(f"the table has the parameter {row['name']!r} where {parameter.name!r} should be")
        for row, parameter in zip(rows, self.parameters, strict=True):
            parameter.update_from_dict({key: row[key] for key in row if key not in ("name", "model", "prior")})

    # -- the sky ----------------------------------------------------------------------------------------------------
    @property
    def positions(self) -> "SkyCoord":
        """Positions of the sky models that have one, ICRS."""
        return selection.positions(self)

    def to_regions(self, size_factor: float | None = None, **kwargs: Any) -> list[Any]:
        """Return the outlines of the sky models that have a shape.

        Parameters
        ----------
        size_factor : float, optional
            Factor of their size.
        **kwargs : dict
            For the regions, such as ``visual``.
        """
        return selection.regions_of(self, size_factor, **kwargs)

    @property
    def wcs_geom(self) -> "WcsGeom":
        """Smallest image that holds the outlines of all sky models.

        Raises
        ------
        ValueError
            If no model has a shape.
        """
        from bayesmap.maps import RegionGeom

        regions = self.to_regions()
        if not regions:
            raise ValueError(f"none of the models {self.names} has a shape")
        return RegionGeom.from_regions(regions).to_wcs_geom()

    def plot_regions(
        self,
        ax: Axes | None = None,
        kwargs_point: Mapping[str, object] | None = None,
        size_factor: float | None = None,
        **kwargs: object,
    ) -> Axes:
        """Draw the outlines of the sky models; see `bayesmap.plot.plot_region`."""
        from bayesmap.maps import RegionGeom

        geom = RegionGeom.from_regions(self.to_regions(size_factor=size_factor))
        return geom.plot_region(ax=ax, kwargs_point=kwargs_point, **kwargs)

    def plot_positions(self, ax: Axes | None = None, **kwargs: object) -> Axes:
        """Plot the positions of the sky models; see `bayesmap.plot.plot_positions`."""
        from bayesmap.plot.spatial import plot_positions

        return plot_positions(self, ax, **kwargs)  # type: ignore[arg-type]

    # -- templates --------------------------------------------------------------------------------------------------
    def to_template_sky_model(
        self, geom: "WcsGeom", spectral_model: "SpectralModel | None" = None, name: str | None = None
    ) -> "SkyModel":
        """Return one sky model with the sum of the models as a template.

        Parameters
        ----------
        geom : WcsGeom
            Geometry with an axis "energy_true", at whose bin centres the models are evaluated.
        spectral_model : SpectralModel, optional
            Factor, by default a power law with norm one.
        name : str, optional
            Name of the new model.
        """
        return selection.template_sky_model(self, geom, spectral_model, name)

    def to_template_spectral_model(self, geom: "WcsGeom", mask: "Map | None" = None) -> "TemplateSpectralModel":
        """Return the summed spectrum of the models in a geometry, at the centres of its energies.

        Parameters
        ----------
        geom : WcsGeom
            Geometry with one axis of energies.
        mask : Map, optional
            Boolean map; only the flux in its pixels counts.
        """
        return selection.template_spectral_model(self, geom, mask)
