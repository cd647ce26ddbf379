"""One example of each registered model type, and a synthetic cube on which it is fitted.

Sources of one footprint cover the same circle of 1 deg: a Gaussian is computed up to five standard deviations, so its
sigma is 0.2 deg. Shapes without a position cover the field; they are compared with a Gaussian that does so too.
"""

import dataclasses
from typing import Any

import astropy.units as u
import numpy as np
from astropy.table import Table
from astropy.time import Time

from bayesmap import modeling as bm
from bayesmap.datasets import MapDataset
from bayesmap.irf import GTI, EDispKernelMap, PSFMap
from bayesmap.maps import Map, MapAxis, RegionGeom, RegionNDMap, WcsGeom
from bayesmap.modeling import model_classes

__all__ = ["ENERGY", "LAT", "LON", "START", "STOP", "Example", "examples", "make_dataset", "reference"]

LON, LAT, NPIX, BINSZ, N_ENERGY, N_TRUE = 10.0, 0.5, 60, 0.05, 6, 12
COUNTS, LEVEL = 8000, 0.5
FLUX = u.Unit("cm-2 s-1 TeV-1")
ENERGY = np.geomspace(0.1, 100, 30) * u.TeV
TREF = 59000.0
START, STOP = (Time(TREF + np.array(days), format="mjd") for days in ([0.05, 1.0, 3.2], [0.4, 2.5, 3.9]))

# What makes the footprint of a shape 1 deg; by tag.
SHAPES: dict[str, dict[str, Any]] = {
    "gauss": {"sigma": "0.2 deg"},
    "gauss-general": {"r_0": "0.2 deg", "eta": 0.5},
    "disk": {"r_0": "0.9 deg"},
    "shell": {"radius": "0.8 deg", "width": "0.2 deg"},
    "shell2": {"r_0": "1 deg", "eta": 0.2},
}
# What makes a temporal model vary within the good time intervals; by tag.
COURSES: dict[str, dict[str, Any]] = {
    "linear": {"alpha": 1.0, "beta": "0.1 d-1"},
    "exp-decay": {"t0": "2 d"},
    "powerlaw": {"alpha": -0.5, "t0": "1 d"},
    "sinus": {"amp": 0.5, "omega": "3 rad/d"},
}


@dataclasses.dataclass(frozen=True)
class Example:
    """A model type in use.

    Attributes
    ----------
    kind : {"spectral", "spatial", "temporal"}
        Kind of model.
    label : str
        Name of the class, and what is special.
    model : ModelBase
        The part that is measured.
    field : bool
        Whether it covers the field instead of a circle of 1 deg.
    """

    kind: str
    label: str
    model: Any
    field: bool = False

    def models(self) -> list[Any]:
        """All models of the dataset: the part that is measured with a Gaussian shape or a power law."""
        if self.kind == "spatial":
            if self.model.unit == "":
                return [bm.FoVBackgroundModel(spatial_model=self.model, dataset_name="cube")]
            return [bm.SkyModel(spectral_model=power_law(), spatial_model=self.model, name="source")]
        if self.kind == "spectral":
            spectrum = power_law() * self.model if self.model.is_norm_spectral_model else self.model
            return [bm.SkyModel(spectral_model=spectrum, spatial_model=gauss(), name="source")]
        return [bm.SkyModel(power_law(), gauss(), self.model, name="source")]


def power_law(**values: Any) -> Any:
    """The spectrum of the sources whose shape is measured."""
    return bm.PowerLawSpectralModel(**{"amplitude": "1e-11 cm-2 s-1 TeV-1"} | values)


def gauss(sigma: str = "0.2 deg") -> Any:
    """The shape of the sources whose spectrum is measured."""
    return bm.GaussianSpatialModel(lon_0=LON * u.deg, lat_0=LAT * u.deg, sigma=sigma, frame="galactic")


def reference(field: bool = False) -> Example:
    """The Gaussian source of the footprint, with a power law."""
    return Example(
        "spatial",
        "Gaussian source" + (" as wide as the field" if field else ""),
        gauss("0.42 deg" if field else "0.2 deg"),
        field,
    )


def examples(kind: str) -> list[Example]:
    """One example of each registered type of a kind, and some combinations."""
    special = {"spectral": _special_spectra, "spatial": _special_shapes, "temporal": _special_courses}[kind]()
    listed = []
    for cls in model_classes(kind):
        if cls.__module__.startswith("bayesmap."):
            found = special.pop(cls.__name__, None)
            listed.append(found or Example(kind, cls.__name__, _plain(kind, cls)))
    return listed + list(special.values())


def _plain(kind: str, cls: Any) -> Any:
    """A model that needs no data."""
    if kind == "spatial":
        place = {"lon_0": LON * u.deg, "lat_0": LAT * u.deg} if "lon_0" in cls.parameter_names else {}
        return cls(**place, **SHAPES.get(cls.tag[-1], {}), frame="galactic")
    if kind == "temporal":
        place = {"t_ref": (TREF - 1) * u.d} if "t_ref" in cls.parameter_names else {}
        return cls(**place, **COURSES.get(cls.tag[-1], {}))
    return cls()


# -- spectra ----------------------------------------------------------------------------------------------------------
def _ebl() -> Any:
    energy, redshift = np.geomspace(0.03, 200, 50), np.linspace(0.01, 0.5, 20)
    tau = 2 * redshift[:, None] * energy**0.6
    return bm.EBLAbsorptionNormSpectralModel(energy * u.TeV, redshift, np.exp(-tau), redshift=0.13)


def _template_map() -> Any:
    """A cut-off spectrum on a grid of index and cut-off."""
    energy = MapAxis.from_nodes(np.geomspace(0.05, 120, 60), unit="TeV", name="energy_true", interp="log")
    index = MapAxis.from_nodes(np.linspace(0.5, 4, 15), name="index", interp="lin")
    cutoff = MapAxis.from_nodes(np.geomspace(2, 50, 10), unit="TeV", name="ecutoff", interp="log")
    geom = RegionGeom.create("icrs;point(0, 0)", axes=[energy, index, cutoff])
    e, g, c = (axis.center.value for axis in (energy, index, cutoff))
    data = 1e-11 * e ** -g[:, None] * np.exp(-e / c[:, None, None])
    return RegionNDMap.from_geom(geom, data=data[..., None, None], unit=FLUX)


def _special_spectra() -> dict[str, Example]:
    line = bm.GaussianSpectralModel(mean="3 TeV", sigma="0.1 TeV")
    nodes = np.geomspace(0.3, 30, 6) * u.TeV
    made = {
        "EBLAbsorptionNormSpectralModel": _ebl(),
        "PiecewiseNormSpectralModel": bm.PiecewiseNormSpectralModel(nodes),
        "ScaleSpectralModel": bm.ScaleSpectralModel(power_law()),
        "TemplateSpectralModel": bm.TemplateSpectralModel(ENERGY, 1e-11 * ENERGY.value**-2.2 * FLUX),
        "TemplateNDSpectralModel": bm.TemplateNDSpectralModel(_template_map()),
        "CompoundSpectralModel": power_law() + 2 * power_law(index=3) * _ebl(),
        "CompoundSpectralModel: line x EBL": line * _ebl(),
        "CompoundSpectralModel: pl + pl": power_law() + power_law(index=3),
        "CompoundSpectralModel: cut-off x EBL": bm.ExpCutoffPowerLawSpectralModel() * _ebl(),
    }
    return {label: Example("spectral", label, model) for label, model in made.items()}


# -- shapes -----------------------------------------------------------------------------------------------------------
def _image() -> Any:
    """A blob that fills the circle."""
    geom = WcsGeom.create(skydir=(LON, LAT), width=2, binsz=0.05, frame="galactic")
    square = ((np.indices(geom.data_shape) - 19.5) ** 2).sum(axis=0)
    return Map.from_geom(geom, data=np.exp(-square / 200), unit="sr-1")


def _image_stack() -> Any:
    """Blobs of several widths."""
    axis = MapAxis.from_nodes(np.linspace(0.2, 0.8, 7), unit="deg", name="width")
    geom = WcsGeom.create(skydir=(LON, LAT), width=4.5, binsz=0.05, frame="galactic", axes=[axis])
    square = ((np.indices(geom.data_shape[1:]) - 44.5) ** 2).sum(axis=0) * 0.05**2
    return Map.from_geom(geom, data=np.exp(-0.5 * square / axis.center.value[:, None, None] ** 2), unit="sr-1")


def _nodes() -> Any:
    """A grid of 5 x 5 positions that encloses the field."""
    step = np.linspace(-2, 2, 5)
    lon, lat = np.meshgrid(LON + step, LAT + step)
    return {"lon": lon.ravel() * u.deg, "lat": lat.ravel() * u.deg}


def _special_shapes() -> dict[str, Example]:
    long = bm.GaussianSpatialModel(lon_0=LON * u.deg, lat_0=LAT * u.deg, sigma="0.2 deg", e=0.7, frame="galactic")
    long.e.frozen = long.phi.frozen = False
    made = {
        "ConstantSpatialModel": (bm.ConstantSpatialModel(), True),
        "ConstantFluxSpatialModel": (bm.ConstantFluxSpatialModel(), True),
        "PiecewiseNormSpatialModel": (bm.PiecewiseNormSpatialModel(_nodes(), frame="galactic"), True),
        "TemplateSpatialModel": (bm.TemplateSpatialModel(_image()), False),
        "TemplateNDSpatialModel": (bm.TemplateNDSpatialModel(_image_stack()), True),
        "GaussianSpatialModel: elongated": (long, False),
    }
    return {label: Example("spatial", label, *parts) for label, parts in made.items()}


# -- courses in time --------------------------------------------------------------------------------------------------
def _special_courses() -> dict[str, Example]:
    days, phases = np.linspace(-1, 6, 50), np.linspace(0, 1, 50)
    light = Table({"TIME": days * u.d, "NORM": 1.2 + np.sin(days)})
    phase = Table({"PHASE": phases, "NORM": 1.2 + np.cos(2 * np.pi * phases)})
    made = {
        "LightCurveTemplateTemporalModel": bm.LightCurveTemplateTemporalModel(light, t_ref=TREF * u.d),
        "TemplatePhaseCurveTemporalModel": bm.TemplatePhaseCurveTemporalModel(phase, t_ref=TREF * u.d, f0="1.7 d-1"),
    }
    return {label: Example("temporal", label, model) for label, model in made.items()}


# -- data -------------------------------------------------------------------------------------------------------------
def make_dataset(models: list[Any]) -> Any:
    """60 x 60 pixels, 6 energies, with PSF, energy dispersion and a flat background; counts are drawn from the models.

    The exposure is such that sources have about 8000 counts.
    """
    axis = MapAxis.from_energy_bounds("0.5 TeV", "50 TeV", nbin=N_ENERGY, name="energy")
    true = MapAxis.from_energy_bounds("0.3 TeV", "80 TeV", nbin=N_TRUE, name="energy_true")
    image = WcsGeom.create(skydir=(LON, LAT), npix=NPIX, binsz=BINSZ, frame="galactic")
    geom, geom_true = image.to_cube([axis]), image.to_cube([true])
    level = LEVEL * 0.5 ** np.arange(N_ENERGY)[:, None, None] * np.ones(geom.data_shape)
    dataset = MapDataset(
        counts=Map.from_geom(geom, data=np.zeros(geom.data_shape), unit=""),
        background=Map.from_geom(geom, data=level, unit=""),
        exposure=Map.from_geom(geom_true, data=1e10 * np.ones(geom_true.data_shape), unit="m2 s"),
        psf=PSFMap.from_gauss(true, sigma=np.linspace(0.1, 0.05, N_TRUE) * u.deg),
        edisp=EDispKernelMap.from_gauss(axis, true, sigma=0.15, bias=0.0),
        gti=GTI.create((START.mjd - TREF) * u.d, (STOP.mjd - TREF) * u.d, reference_time=Time(TREF, format="mjd")),
        name="cube",
    )
    dataset.models = models
    signal = dataset.npred_signal().data.sum()
    if signal > 0:
        dataset.exposure = dataset.exposure * (COUNTS / signal)
    dataset.fake(random_state=42)
    return dataset
