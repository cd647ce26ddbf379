"""Sky models: a spectrum, a shape and a time dependence."""

import copy
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import astropy.units as u
import numpy as np

from bayesmap._lazy import coordinates
from bayesmap._types import Intervals, QuantityLike, Region
from bayesmap._util import Absent, KnownAttributes, check_option, make_name, suggest
from bayesmap.modeling.html import parameters_html
from bayesmap.modeling.model import KINDS, ModelBase, get_model_class
from bayesmap.modeling.model_tools import CovarianceTools
from bayesmap.modeling.parameter import Parameter, Parameters
from bayesmap.modeling.spatial import SpatialModel
from bayesmap.modeling.spectral import SpectralModel
from bayesmap.modeling.temporal import TemporalModel

if TYPE_CHECKING:
    from astropy.time import Time

    from bayesmap.maps import Map, WcsGeom
    from bayesmap.modeling.collection import Models

__all__ = ["Component", "SkyModel", "check_datasets_names", "check_part"]


def check_datasets_names(names: str | Iterable[str] | None) -> list[str] | None:
    """Return the names of datasets as a list, or None for all datasets."""
    if names is None:
        return None
    names = [names] if isinstance(names, str) else list(names)
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"datasets_names must be strings, got {name!r}")
    return names


class Component(KnownAttributes, CovarianceTools):
    """What the members of `Models` share: a name, parts with parameters, the datasets that they apply to.

    Attributes
    ----------
    contribution : {"flux", "background", "counts", "response"}
        What it is to a dataset: a flux that is folded with the response, a factor to the background of the dataset,
        counts that are added, or a change of the response.
    """

    tag: ClassVar[list[str]]
    contribution: ClassVar[str] = "flux"
    part_names: ClassVar[tuple[str, ...]] = ("spectral", "spatial", "temporal")
    needed_parts: ClassVar[tuple[str, ...]] = ()
    in_gammapy: ClassVar[bool] = True
    spectral_model: SpectralModel
    spatial_model: SpatialModel | None = None
    temporal_model: TemporalModel | None = None

    def __init__(self, name: str | None, datasets_names: str | Iterable[str] | None) -> None:
        self._name = make_name(name)
        self.datasets_names = datasets_names

    @property
    def name(self) -> str:
        """Name of the model."""
        return self._name

    @property
    def datasets_names(self) -> list[str] | None:
        """Names of the datasets that the model applies to; None for all."""
        return self._datasets_names

    @datasets_names.setter
    def datasets_names(self, names: str | Iterable[str] | None) -> None:
        self._datasets_names = check_datasets_names(names)

    @property
    def parts(self) -> dict[str, ModelBase]:
        """The spectral, spatial and temporal model, or the response model: those that exist."""
        parts = {part: getattr(self, f"{part}_model") for part in self.part_names}
        return {part: model for part, model in parts.items() if model is not None}

    @property
    def parameters(self) -> Parameters:
        """Parameters of all parts."""
        return Parameters(p for model in self.parts.values() for p in model.parameters)

    #: a sky model is no part of one
    type: ClassVar[None] = None

    @property
    def default_parameters(self) -> Parameters:
        """Declared parameters of all parts, with their defaults."""
        return Parameters(p for model in self.parts.values() for p in model.default_parameters)

    @property
    def parameters_unique_names(self) -> list[str]:
        """``"<part>.<parameter>"`` for each parameter once."""
        names = {getattr(m, n): f"{part}.{n}" for part, m in reversed(self.parts.items()) for n in m.parameter_names}
        return [names[parameter] for parameter in self.parameters.unique_parameters]

    def reassign(self, datasets_names: str | Iterable[str], new_datasets_names: str | Iterable[str]) -> Self:
        """Return a copy of the same name in which datasets have other names.

        Parameters
        ----------
        datasets_names, new_datasets_names : str or list of str
            Old and new names, one to one; other datasets of the model stay.
        """
        old, new = (check_datasets_names(names) or [] for names in (datasets_names, new_datasets_names))
        renamed = dict(zip(old, new, strict=True))
        model = copy.deepcopy(self)
        model.datasets_names = self.datasets_names and [renamed.get(name, name) for name in self.datasets_names]
        return model

    from_parameters = Absent("makes a model of parameters alone: a sky model is made of a spectrum and a shape")

    def contributes(self, mask: "Map", margin: QuantityLike = "0 deg") -> bool:
        """Return True: a background contributes everywhere."""
        return True

    @property
    def values(self) -> dict[Parameter, float]:
        """The current numbers of all parameters, in internal units."""
        return {p: p.internal for p in self.parameters}

    @property
    def frozen(self) -> bool:
        """True if all parameters are frozen."""
        return all(p.frozen for p in self.parameters)

    def _select_parts(self, model_type: str | Iterable[str] | None) -> list[ModelBase]:
        types = list(self.parts) if model_type is None else [model_type] if isinstance(model_type, str) else model_type
        for kind in types:
            check_option("model_type", kind, KINDS)
        return [model for part, model in self.parts.items() if part in types]

    def freeze(self, model_type: str | Iterable[str] | None = None) -> None:
        """Freeze the parameters.

        Parameters
        ----------
        model_type : {"spectral", "spatial", "temporal", "response"}, several of them, or None
            Parts to freeze; None for all.
        """
        for model in self._select_parts(model_type):
            model.freeze()

    def unfreeze(self, model_type: str | Iterable[str] | None = None) -> None:
        """Give the parameters of some parts their default frozen status; arguments as `freeze`."""
        for model in self._select_parts(model_type):
            model.unfreeze()

    def to_dict(self, full_output: bool = False) -> dict[str, object]:
        """Return the model as plain data in Gammapy's layout."""
        from bayesmap.modeling.files.yaml import component_to_dict

        return component_to_dict(self, full_output=full_output)

    @classmethod
    def from_dict(cls, data: Mapping[str, object]) -> Self:
        """Create the model from the data of `to_dict`.

        Raises
        ------
        ModelFileError
            If the data are wrong; the message gives the place.
        """
        from bayesmap.modeling.files.yaml import component_from_dict

        return component_from_dict(data, cls)

    def __add__(self, other: "Component | Models") -> "Models":
        from bayesmap.modeling.collection import Models

        return Models([self]) + other

    def __repr__(self) -> str:
        parts = "".join(f", {type(model).__name__}" for model in self.parts.values())
        return f"{type(self).__name__}({self.name!r}{parts})"

    def _repr_html_(self) -> str:
        return parameters_html(self.parameters, f"{type(self).__name__}: {self.name}")

    def __str__(self) -> str:
        datasets = "all" if self.datasets_names is None else ", ".join(self.datasets_names)
        lines = [type(self).__name__, "", f"  {'Name':<25} : {self.name}", f"  {'Datasets names':<25} : {datasets}"]
        for part in self.part_names:
            model = self.parts.get(part)
            lines.append(f"  {part.capitalize() + ' model type':<25} : {type(model).__name__ if model else ''}")
        for title, frozen in (("Parameters", False), ("Frozen parameters", True)):
            lines.append(f"  {title}:")
            lines += [_parameter_line(p) for p in self.parameters if p.frozen == frozen]
        return "\n".join(lines) + "\n"


def _parameter_line(parameter: Parameter) -> str:
    error = f" +/- {np.max(parameter.error):8.2g}" if np.any(parameter.error) else ""
    prior = f"  ~ {parameter.prior}" if parameter.prior is not None and not parameter.frozen else ""
    return f"    {parameter.name:<23} : {parameter.text:>10}{error} {parameter.unit.to_string()}{prior}".rstrip()


def check_part(component: str, part: str, model: Any, interface: type) -> Any:
    """Return a part of a component, or raise a TypeError that names the component if it is of another kind."""
    if model is not None and not isinstance(model, interface):
        raise TypeError(f"{component}: {part}_model must be a {interface.__name__}, got {model!r}")
    return model


class SkyModel(Component):
    r"""Sky model: a spectrum times a shape times a time dependence.

    .. math::
        f(l, b, E, t) = F(E) \cdot G(l, b, E) \cdot H(t)

    Parameters
    ----------
    spectral_model : SpectralModel
        Spectrum.
    spatial_model : SpatialModel or None
        Shape, normalised to one; None where there is no image.
    temporal_model : TemporalModel or None
        Time dependence: counts are multiplied by its mean over the good time intervals.
    name : str or None
        Name; by default a random one.
    apply_irf : dict or None
        Which of "exposure", "psf" and "edisp" to apply; by default all.
    datasets_names : str, list of str or None
        Datasets that the model applies to; None for all.
    covariance_data : array_like, optional
        Covariance of the parameters, shape ``(n_parameter, n_parameter)``; see `covariance`.

    Raises
    ------
    TypeError
        If a part is not of its kind.
    """

    tag = ["SkyModel", "sky-model"]
    needed_parts = ("spectral",)

    def __init__(
        self,
        spectral_model: SpectralModel,
        spatial_model: SpatialModel | None = None,
        temporal_model: TemporalModel | None = None,
        name: str | None = None,
        apply_irf: Mapping[str, bool] | None = None,
        datasets_names: str | Iterable[str] | None = None,
        covariance_data: np.ndarray | None = None,
    ) -> None:
        super().__init__(name, datasets_names)
        label = f"SkyModel {self.name!r}"
        if spectral_model is None:
            raise TypeError(f"{label} needs a spectral model")
        self.spectral_model = check_part(label, "spectral", spectral_model, SpectralModel)
        self.spatial_model = check_part(label, "spatial", spatial_model, SpatialModel)
        self.temporal_model = check_part(label, "temporal", temporal_model, TemporalModel)
        self.apply_irf = {"exposure": True, "psf": True, "edisp": True}
        for key, value in (apply_irf or {}).items():
            if key not in self.apply_irf:
                raise ValueError(f"{label}: apply_irf has no key {key!r}{suggest(key, self.apply_irf)}")
            self.apply_irf[key] = bool(value)
        if covariance_data is not None:
            self.covariance = covariance_data

    @classmethod
    def create(
        cls,
        spectral_model: str | SpectralModel,
        spatial_model: str | SpatialModel | None = None,
        temporal_model: str | TemporalModel | None = None,
        **kwargs: Any,
    ) -> Self:
        """Create a sky model from tags.

        Parameters
        ----------
        spectral_model, spatial_model, temporal_model : str or model
            Short tags or class names, such as "pl" and "point".
        **kwargs : dict
            Passed to `SkyModel`, for example ``name``.

        Examples
        --------
        >>> from bayesmap.modeling import SkyModel
        >>> SkyModel.create("pl", "point", name="source")
        SkyModel('source', PowerLawSpectralModel, PointSpatialModel)
        """
        parts = {"spectral": spectral_model, "spatial": spatial_model, "temporal": temporal_model}
        models = {
            f"{kind}_model": get_model_class(tag, kind)() if isinstance(tag, str) else tag
            for kind, tag in parts.items()
        }
        return cls(**models, **kwargs)  # type: ignore[arg-type]

    @property
    def position(self) -> "coordinates.SkyCoord | None":
        """Position of the spatial model."""
        return None if self.spatial_model is None else self.spatial_model.position

    @property
    def frame(self) -> str | None:
        """Frame of the spatial model."""
        return None if self.spatial_model is None else self.spatial_model.frame

    @property
    def evaluation_radius(self) -> u.Quantity | None:
        """Radius that holds practically all flux."""
        return None if self.spatial_model is None else self.spatial_model.evaluation_radius

    @property
    def position_lonlat(self) -> tuple[float, float] | None:
        """Longitude and latitude of the spatial model in rad."""
        return None if self.spatial_model is None else self.spatial_model.position_lonlat

    @property
    def evaluation_bin_size_min(self) -> u.Quantity | None:
        """Size of the smallest structure that has to be resolved; None if there is none."""
        return None if self.spatial_model is None else self.spatial_model.evaluation_bin_size_min

    @property
    def evaluation_region(self) -> Region | None:
        """Region that holds practically all flux; None without a spatial model."""
        return None if self.spatial_model is None else self.spatial_model.evaluation_region

    def contributes(self, mask: "Map", margin: QuantityLike = "0 deg") -> bool:
        """Return whether a mask has True pixels within the evaluation radius, plus a margin, of the position.

        Parameters
        ----------
        mask : Map
            Boolean map; of several images any counts. A point region counts as True.
        margin : `~astropy.units.Quantity` or str
            Added to the width of the square that is looked at, beside 0.1 deg as in Gammapy.
        """
        from bayesmap.modeling.selection import contributes

        return contributes(self, mask, margin)

    def evaluate(self, lon: u.Quantity, lat: u.Quantity, energy: u.Quantity, time: "Time | None" = None) -> u.Quantity:
        """Return the differential surface brightness.

        Parameters
        ----------
        lon, lat : `~astropy.units.Quantity`
            Positions in the frame of the model.
        energy : `~astropy.units.Quantity`
            Energies; broadcasts with the positions.
        time : `~astropy.time.Time` or None
            Times; broadcast with the rest. None leaves the time dependence out.
        """
        value = self.spectral_model(energy)
        if self.temporal_model is not None and time is not None:
            value = value * self.temporal_model(time)
        if self.spatial_model is None:
            return value
        if self.spatial_model.is_energy_dependent:
            return value * self.spatial_model(lon, lat, energy=energy)
        return value * self.spatial_model(lon, lat)

    def evaluate_geom(self, geom: "WcsGeom", gti: Intervals | None = None) -> u.Quantity:
        """Return the differential surface brightness at the bin centres of a geometry with a true-energy axis.

        Parameters
        ----------
        geom : WcsGeom
            Geometry.
        gti : GTI or None
            Good time intervals, over which a time dependence is averaged. None leaves it out.
        """
        axis = geom.axes["energy_true"]
        value = self.spectral_model(axis.center)[:, None, None]
        if self.temporal_model is not None and gti is not None:
            value = value * self.temporal_model.integral(gti.time_start, gti.time_stop).sum()
        return value if self.spatial_model is None else value * self.spatial_model.evaluate_geom(geom)

    def integrate_geom(
        self, geom: "WcsGeom", gti: Intervals | None = None, oversampling_factor: int | None = None
    ) -> "Map":
        """Return the flux in each bin of a geometry with a true-energy axis.

        Parameters
        ----------
        geom : WcsGeom
            Geometry.
        gti : GTI or None
            Good time intervals, over which a time dependence is averaged. None leaves it out.
        oversampling_factor : int or None
            See `SpatialModel.integrate_geom`.

        Returns
        -------
        Map
            Flux, for example in cm-2 s-1.
        """
        from bayesmap.maps import Map

        axis = geom.axes["energy_true"]
        flux = self.spectral_model.integral(axis.edges[:-1], axis.edges[1:])[:, None, None]
        if self.spatial_model is not None:
            spatial_geom = geom if self.spatial_model.is_energy_dependent else geom.to_image()
            flux = flux * self.spatial_model.integrate_geom(spatial_geom, oversampling_factor).quantity
        if self.temporal_model is not None and gti is not None:
            flux = flux * self.temporal_model.integral(gti.time_start, gti.time_stop).sum()
        return Map.from_geom(geom=geom, data=flux.value, unit=flux.unit)

    def copy(self, name: str | None = None, **kwargs: Any) -> Self:
        """Return a deep copy.

        Parameters
        ----------
        name : str or None
            Name of the copy; by default a random one, as names are unique.
        **kwargs : dict
            Other arguments of `SkyModel` to replace.
        """
        parts = copy.deepcopy((self.spectral_model, self.spatial_model, self.temporal_model))
        names = ("spectral_model", "spatial_model", "temporal_model")
        arguments: dict[str, Any] = dict(zip(names, parts, strict=True))
        arguments |= {"apply_irf": self.apply_irf, "datasets_names": self.datasets_names}
        return type(self)(**{**arguments, "name": name, **kwargs})
