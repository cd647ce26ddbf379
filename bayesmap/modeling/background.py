"""Models of predicted counts: the background of a field, and templates."""

import copy
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

import astropy.units as u
import numpy as np

from bayesmap._lazy import coordinates
from bayesmap._types import FileName, QuantityLike
from bayesmap._util import make_path
from bayesmap.maps.files import named_errors
from bayesmap.modeling.sky import Component, check_part
from bayesmap.modeling.spatial import SpatialModel
from bayesmap.modeling.spectral import PowerLawNormSpectralModel, SpectralModel

if TYPE_CHECKING:
    from bayesmap.maps import Map, WcsGeom

__all__ = ["BackgroundModel", "FoVBackgroundModel", "TemplateNPredModel"]


def _check_norm(label: str, model: SpectralModel | None) -> SpectralModel:
    model = check_part(label, "spectral", model, SpectralModel) or PowerLawNormSpectralModel()
    if not model.is_norm_spectral_model:
        raise ValueError(
            f"{label} needs a dimensionless spectral model such as PowerLawNormSpectralModel, "
            f"got {type(model).__name__}"
        )
    return model


class FoVBackgroundModel(Component):
    """Correction to the background map of one dataset.

    Parameters
    ----------
    dataset_name : str or None
        The dataset.
    spectral_model : SpectralModel or None
        Dimensionless spectrum that multiplies the background, at the centres of the reconstructed energy bins. By
        default a power law with free norm and frozen tilt.
    spatial_model : SpatialModel or None
        Shape that multiplies the background too.
    name : str or None
        Name; by default ``"<dataset_name>-bkg"``.
    datasets_names : list of str or None
        Alternative to ``dataset_name``: a list with one name.

    Raises
    ------
    ValueError
        If the dataset is not given, or the spectrum has a dimension.
    """

    tag = ["FoVBackgroundModel", "fov-bkg"]
    contribution = "background"
    part_names = ("spectral", "spatial")

    def __init__(
        self,
        dataset_name: str | None = None,
        spectral_model: SpectralModel | None = None,
        spatial_model: SpatialModel | None = None,
        name: str | None = None,
        datasets_names: str | Iterable[str] | None = None,
    ) -> None:
        names = [datasets_names] if isinstance(datasets_names, str) else list(datasets_names or [])
        if dataset_name is not None and dataset_name not in names:
            names.append(dataset_name)
        if len(names) != 1:
            raise ValueError(f"FoVBackgroundModel needs the name of exactly one dataset, got {names}")
        super().__init__(f"{names[0]}-bkg" if name is None else name, names)
        label = f"FoVBackgroundModel {self.name!r}"
        self.spectral_model: SpectralModel = _check_norm(label, spectral_model)
        self.spatial_model = check_part(label, "spatial", spatial_model, SpatialModel)

    def evaluate(
        self, energy: QuantityLike, lon: u.Quantity | None = None, lat: u.Quantity | None = None
    ) -> u.Quantity:
        """Return the factor of the background.

        Parameters
        ----------
        energy : `~astropy.units.Quantity` or str
            Reconstructed energies.
        lon, lat : `~astropy.units.Quantity`, optional
            Positions, needed with a spatial model; they broadcast with the energies.

        Raises
        ------
        ValueError
            If the model has a spatial part and there are no positions.
        """
        value = self.spectral_model(energy)
        if self.spatial_model is None:
            return value
        if lon is None or lat is None:
            raise ValueError(f"FoVBackgroundModel {self.name!r} has a spatial model: lon and lat are needed")
        arguments = (lon, lat, energy) if self.spatial_model.is_energy_dependent else (lon, lat)
        return value * self.spatial_model(*arguments).value

    def evaluate_geom(self, geom: "WcsGeom") -> u.Quantity:
        """Return the factor at the bin centres of a geometry with an axis "energy"."""
        coords = geom.get_coord(sparse=True, frame=getattr(self.spatial_model, "frame", None))
        return self.evaluate(coords["energy"], coords.lon, coords.lat)

    def reset_to_default(self) -> None:
        """Set the parameters of the spectrum to their defaults."""
        for default in self.spectral_model.default_parameters:
            getattr(self.spectral_model, default.name).quantity = default.quantity

    def copy(self, name: str | None = None, **kwargs: Any) -> Self:
        """Return a deep copy; ``kwargs`` replace arguments, for example ``dataset_name``."""
        spectral, spatial = copy.deepcopy((self.spectral_model, self.spatial_model))
        arguments: dict[str, Any] = {"spectral_model": spectral, "spatial_model": spatial}
        if "dataset_name" not in kwargs:
            arguments["datasets_names"] = self.datasets_names
        return type(self)(**{**arguments, "name": name, **kwargs})


class TemplateNPredModel(Component):
    """Map of predicted counts, times a dimensionless spectrum.

    Parameters
    ----------
    map : Map
        Predicted counts per bin, with an axis of reconstructed energy.
    spectral_model : SpectralModel or None
        Dimensionless spectrum; by default a power law with free norm and frozen tilt.
    name : str or None
        Name; by default a random one.
    filename : str or None
        File that the map came from; needed to write the model into a model file.
    datasets_names : str, list of str or None
        Datasets that the model applies to; None for all.

    Raises
    ------
    ValueError
        If the map has no energy axis, negative or non-finite counts, or the spectrum has a dimension.

    Notes
    -----
    The bins must be those of the dataset, of a part of it, or of a larger map on the same pixel grid and energy edges:
    a prediction takes the counts of the bins that both have, and zero in others. Another grid is a ValueError.
    """

    tag = ["TemplateNPredModel", "template-npred"]
    contribution = "counts"
    part_names = ("spectral",)

    def __init__(
        self,
        map: "Map",
        spectral_model: SpectralModel | None = None,
        name: str | None = None,
        filename: FileName | None = None,
        datasets_names: str | Iterable[str] | None = None,
    ) -> None:
        super().__init__(name, datasets_names)
        label = f"TemplateNPredModel {self.name!r}"
        if "energy" not in map.geom.axes.names:
            raise ValueError(f"{label}: the map needs an axis 'energy', it has {map.geom.axes.names}")
        if not np.all(np.isfinite(map.data)) or np.any(map.data < 0):
            raise ValueError(f"{label}: predicted counts must be finite and not negative")
        self.map, self.filename = map, None if filename is None else str(filename)
        self.spectral_model: SpectralModel = _check_norm(label, spectral_model)

    def evaluate(self) -> "Map":
        """Return the predicted counts at the current parameter values."""
        axis = self.map.geom.axes["energy"]
        factor = self.spectral_model(axis.center).to_value("")
        return self.map.copy(data=self.map.data * factor.reshape(self._factor_shape()))

    @property
    def energy_center(self) -> u.Quantity:
        """Centres of the energy bins, shape ``(n, 1, 1)``."""
        axis = self.map.geom.axes["energy"]
        return axis.center[:, np.newaxis, np.newaxis]

    @property
    def position(self) -> "coordinates.SkyCoord":
        """Centre of the map, a `~astropy.coordinates.SkyCoord`."""
        return self.map.geom.center_skydir

    @property
    def evaluation_radius(self) -> u.Quantity:
        """Half of the larger width of the map."""
        geom: Any = self.map.geom
        return np.max(geom.width) / 2.0

    def cutout(
        self, position: "coordinates.SkyCoord", width: QuantityLike, mode: str = "trim", name: str | None = None
    ) -> Self:
        """Return the model on the part of the map around a position; see `WcsNDMap.cutout`."""
        template: Any = self.map
        return self.copy(name=name, map=template.cutout(position, width, mode=mode))

    def slice_by_energy(
        self, energy_min: QuantityLike | None = None, energy_max: QuantityLike | None = None, name: str | None = None
    ) -> Self:
        """Return the model on the bins between two energies, which move to the nearest edges.

        Parameters
        ----------
        energy_min, energy_max : `~astropy.units.Quantity` or str, optional
            Energies, by default the ends of the axis.
        name : str, optional
            Name of the new model.
        """
        axis = self.map.geom.axes["energy"]
        low, high = axis.bounds
        low = low if energy_min is None else u.Quantity(energy_min)
        high = high if energy_max is None else u.Quantity(energy_max)
        groups = axis.group_table(u.Quantity([low, high]))
        group = groups[groups["bin_type"] == "normal   "][0]
        slices = {"energy": slice(int(group["idx_min"]), int(group["idx_max"]) + 1)}
        return self.copy(name=name, map=self.map.slice_by_idx(slices))

    def stack(self, other: "TemplateNPredModel", weights: "Map | None" = None, nan_to_num: bool = True) -> None:
        """Add the counts of another template in place, both at their values; the spectrum gets its defaults.

        Parameters
        ----------
        other : TemplateNPredModel
            Template on the same pixels, or on an aligned part of them.
        weights, nan_to_num
            As for `WcsNDMap.stack`.
        """
        total: Any = self.evaluate()
        total.stack(other.evaluate(), weights=weights, nan_to_num=nan_to_num)
        self.map = total
        for default in self.spectral_model.default_parameters:
            getattr(self.spectral_model, default.name).quantity = default.quantity

    def _factor_shape(self) -> tuple[int, ...]:
        """Shape in which one number per energy broadcasts over the map."""
        axes = [axis.nbin if axis.name == "energy" else 1 for axis in reversed(list(self.map.geom.axes))]
        return (*axes, 1, 1)

    @classmethod
    def read(cls, filename: FileName, **kwargs: Any) -> Self:
        """Read the map from a file; ``kwargs`` as for the class."""
        from bayesmap.maps import Map

        map = Map.read(filename)
        with named_errors(make_path(filename)):
            return cls(map, filename=filename, **kwargs)

    def write(self, overwrite: bool = False) -> None:
        """Write the map to ``filename``.

        Raises
        ------
        ValueError
            If the model has no ``filename``.
        """
        if self.filename is None:
            raise ValueError(f"TemplateNPredModel {self.name!r} has no filename")
        self.map.write(self.filename, overwrite=overwrite)

    def copy(self, name: str | None = None, copy_data: bool = False, **kwargs: Any) -> Self:
        """Return a copy with its own parameters; the map is shared unless ``copy_data``."""
        arguments = {
            "map": self.map.copy() if copy_data else self.map,
            "spectral_model": copy.deepcopy(self.spectral_model),
            "filename": self.filename,
            "datasets_names": self.datasets_names,
        }
        return type(self)(**{**arguments, "name": name, **kwargs})


class BackgroundModel(TemplateNPredModel):
    """Map of predicted background counts, times a dimensionless spectrum: the name of older Gammapy releases.

    Among the models of a dataset it is a `TemplateNPredModel`. As the ``background`` of a dataset it becomes the map
    and a `FoVBackgroundModel` with the same spectrum. Parameters as for `TemplateNPredModel`.
    """

    tag = ["BackgroundModel", "background"]

    def to_fov_model(self, dataset_name: str) -> FoVBackgroundModel:
        """Return the model that changes the map when it is the background of a dataset; the spectrum is shared.

        Parameters
        ----------
        dataset_name : str
            Name of the dataset.
        """
        return FoVBackgroundModel(spectral_model=self.spectral_model, dataset_name=dataset_name, name=self.name)
