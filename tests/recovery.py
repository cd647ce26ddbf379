"""Small simulated datasets of each registered type of model, from which the truth must come back.

A registered type needs no entry here unless it is made from data, or its parameters are not determined at their
defaults. Each is simulated with all its parameters that data can determine, also those that are frozen by default.
"""

import gc
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import astropy.units as u
import numpy as np
import pytensor
from astropy.table import Table
from astropy.time import Time
from scipy.stats import norm

from bayesmap.datasets import Datasets, MapDataset, SpectrumDataset
from bayesmap.inference import CompiledFit, compile_fit, convergence_report
from bayesmap.irf import GTI, EDispKernelMap, PSFMap
from bayesmap.maps import Map, MapAxis, MapCoord, RegionGeom, RegionNDMap, WcsGeom
from bayesmap.modeling import FoVBackgroundModel, Models, Prior, SkyModel, TemplateNPredModel, model_classes
from bayesmap.modeling import models as m
from tests.modeling.spectral_zoo import ebl, template_map

COUNTS = 1e4
FALSE_ALARM = 0.003  # of one parameter: outside of the central 99.7 %
MJD = 59000.0
RUNS = (0.0, 4.3, 9.0, 2.9, 6.6)  # starts in days; the first one more than there are parameters
KINDS = ("spectral", "spatial", "temporal")


# -- datasets -------------------------------------------------------------------------------------------------------
def cube(npix: int = 6, n_energy: int = 8, level: float = 0.5) -> MapDataset:
    """A field of 0.1 deg pixels without counts; the exposure grows with energy."""
    axis = MapAxis.from_energy_bounds("0.3 TeV", "30 TeV", nbin=n_energy, name="energy")
    true = MapAxis.from_energy_bounds("0.2 TeV", "45 TeV", nbin=2 * n_energy, name="energy_true")
    image = WcsGeom.create(skydir=(0, 0), npix=npix, binsz=0.1, frame="galactic")
    geom, geom_true = image.to_cube([axis]), image.to_cube([true])
    area = true.center.value[:, None, None] ** 1.2 * np.ones(geom_true.data_shape)
    return MapDataset(
        counts=Map.from_geom(geom, data=np.zeros(geom.data_shape), unit=""),
        background=Map.from_geom(geom, data=level * np.ones(geom.data_shape), unit=""),
        exposure=Map.from_geom(geom_true, data=area, unit="m2 s"),
        psf=PSFMap.from_gauss(true, sigma=np.full(2 * n_energy, 0.08) * u.deg),
        edisp=EDispKernelMap.from_gauss(axis, true, sigma=0.1, bias=0.0),
        name="d",
    )


def run(start: float) -> SpectrumDataset:
    """Counts in one energy bin, in a region and in 0.15 days after a time in days."""
    axes = [MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=1, name=name) for name in ("energy", "energy_true")]
    geom, geom_true = (RegionGeom.create(None, axes=[axis]) for axis in axes)
    return SpectrumDataset(
        counts=RegionNDMap.from_geom(geom, data=np.zeros(geom.data_shape), unit=""),
        background=RegionNDMap.from_geom(geom, data=np.full(geom.data_shape, 20.0), unit=""),
        exposure=RegionNDMap.from_geom(geom_true, data=np.ones(geom_true.data_shape), unit="m2 s"),
        gti=GTI.create([start] * u.d, [start + 0.15] * u.d, reference_time=Time(MJD, format="mjd")),
        name=f"day{start:.1f}",
    )


def simulate(datasets: list[MapDataset], models: Models, random_state: int, counts: float = COUNTS) -> Datasets:
    """Scale exposures so that the sources give so many counts in all, and draw the counts of each dataset."""
    rng = np.random.default_rng(random_state)
    for dataset in datasets:
        dataset.models = [model for model in models if model.datasets_names in (None, [dataset.name])]
    signals = [dataset.npred_signal().data for dataset in datasets]
    total = sum(signal.sum() for signal in signals)
    factor = counts / total if total else 1.0
    for dataset, signal in zip(datasets, signals, strict=True):
        background = dataset.npred_background().data
        templates = sum((t.evaluate().data for t in dataset.models if isinstance(t, TemplateNPredModel)), 0.0)
        expected = (signal - templates) * factor + templates + background
        dataset.exposure = dataset.exposure * factor
        dataset.counts.data = rng.poisson(expected).astype("float64")
    return Datasets(datasets)


@contextmanager
def quick_compilation() -> Iterator[None]:
    """Halve the time of compilation: no notes of where nodes were made, no search for garbage among millions."""
    gc.disable()
    try:
        with pytensor.config.change_flags(traceback__limit=0):
            yield
    finally:
        gc.enable()


# -- what is simulated ----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Case:
    """How a type is simulated where its defaults do not do.

    Attributes
    ----------
    create : callable or None
        Makes the model from data; for factors to a flux, the spectrum of which the model is a part.
    values : mapping of str
        True values.
    free, fixed : tuple of str
        Parameters that are freed and frozen, other than by default.
    priors : mapping of str to Prior
        Where the default prior would not do.
    own : bool
        Whether the type itself has parameters; if not, only the amplitude of a source with it is recovered.
    counts : float
        Expected counts of the source.
    """

    create: Callable[[], Any] | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    free: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()
    priors: Mapping[str, Prior] = field(default_factory=dict)
    own: bool = True
    counts: float = COUNTS


def _absorbed() -> Any:
    return m.PowerLawSpectralModel(index=2.0) * ebl()


def _line() -> Any:
    return m.PowerLawSpectralModel(index=2.3) + m.GaussianSpectralModel(
        amplitude="6e-13 cm-2 s-1", mean="4 TeV", sigma="1.2 TeV"
    )


def _template() -> Any:
    energy = np.geomspace(0.1, 100, 25) * u.TeV
    flux = 1e-12 * energy.value**-2 * np.exp(-energy.value / 20) * u.Unit("cm-2 s-1 TeV-1")
    return m.TemplateSpectralModel(energy, flux) * m.PowerLawNormSpectralModel()


def _image(axes: Any = None) -> tuple[WcsGeom, np.ndarray]:
    geom = WcsGeom.create(skydir=(0, 0), width=1.6, binsz=0.05, frame="galactic", axes=axes)
    centre = geom.center_skydir
    return geom, geom.to_image().separation(centre).to_value("deg")


def _blob() -> Any:
    geom, offset = _image()
    return m.TemplateSpatialModel(Map.from_geom(geom, data=np.exp(-0.5 * (offset / 0.2) ** 2), unit="sr-1"))


def _blobs() -> Any:
    axis = MapAxis.from_nodes([0.1, 0.2, 0.3, 0.4], unit="deg", name="width")
    geom, offset = _image([axis])
    width = axis.center.to_value("deg")[:, None, None]
    data = np.exp(-0.5 * (offset / width) ** 2) / width**2
    return m.TemplateNDSpatialModel(Map.from_geom(geom, data=data, unit="sr-1"))


def _corners() -> Any:
    x, y = np.array([-1, -1, 1, 1, 0.2]), np.array([-1, 1, 1, -1, 0.1])
    coords = MapCoord.create((x * u.deg, y * u.deg))
    return m.PiecewiseNormSpatialModel(coords, norms=[0.8, 1.2, 1.0, 1.1, 0.9], frame="galactic")


def _light_curve() -> Any:
    days = np.linspace(-1, 11, 9)
    table = Table({"TIME": days * u.d, "NORM": 1 + 0.5 * np.sin(days)})
    return m.LightCurveTemplateTemporalModel(table, t_ref=MJD * u.d)


def _phase_curve() -> Any:
    phase = np.linspace(0, 1, 21)
    table = Table({"PHASE": phase, "NORM": 0.4 + np.exp(-0.5 * ((phase - 0.4) / 0.15) ** 2)})
    return m.TemplatePhaseCurveTemporalModel(table, f0="0.27 d-1", phi_ref=0.2, t_ref=MJD * u.d)


ELLIPSE = {"e": 0.75, "phi": "30 deg"}
CASES = {
    # spectra
    "BrokenPowerLawSpectralModel": Case(values={"index1": 1.6, "index2": 2.7, "ebreak": "3 TeV"}),
    "CompoundSpectralModel": Case(_line),
    "EBLAbsorptionNormSpectralModel": Case(_absorbed, free=("redshift",), fixed=("alpha_norm",)),
    "ExpCutoffPowerLaw3FGLSpectralModel": Case(values={"index": 1.9, "ecut": "8 TeV"}),
    "ExpCutoffPowerLawSpectralModel": Case(values={"index": 1.9, "lambda_": "0.12 TeV-1"}),
    "GaussianSpectralModel": Case(values={"mean": "4 TeV", "sigma": "1.5 TeV"}),
    "LogGaussianSpectralModel": Case(values={"Ep": "3 TeV"}),
    "LogParabola2SpectralModel": Case(values={"reference": "3 TeV", "alpha": 2.2, "beta": 0.2}),
    "LogParabolaNormSpectralModel": Case(values={"reference": "3 TeV"}),
    "LogParabolaSpectralModel": Case(values={"reference": "3 TeV", "alpha": 2.2, "beta": 0.1}),
    "MeyerCrabSpectralModel": Case(free=("norm",)),
    "PiecewiseNormSpectralModel": Case(
        lambda: m.PiecewiseNormSpectralModel([0.3, 1, 5, 30] * u.TeV, norms=[1.1, 0.9, 1.2, 1.0])
    ),
    "PowerLawNormSpectralModel": Case(free=("tilt",), values={"tilt": 0.05}),
    "ScaleSpectralModel": Case(lambda: m.ScaleSpectralModel(m.PowerLawSpectralModel(), norm=1.1)),
    "StepNormSpectralModel": Case(lambda: m.StepNormSpectralModel([0.3, 1, 5, 30] * u.TeV, norms=[1.1, 0.9, 1.2])),
    "SmoothBrokenPowerLawSpectralModel": Case(values={"index1": 1.6, "index2": 2.8, "ebreak": "3 TeV", "beta": 0.5}),
    "SuperExpCutoffPowerLaw3FGLSpectralModel": Case(values={"index_1": 1.8, "index_2": 1.2, "ecut": "6 TeV"}),
    "SuperExpCutoffPowerLaw4FGLDR3SpectralModel": Case(
        values={"index_1": 2.1, "index_2": 1.0, "expfactor": 0.4}, counts=4e4
    ),
    # its factor goes with the exponent over orders of magnitude: with fewer counts the posterior is bent
    "SuperExpCutoffPowerLaw4FGLSpectralModel": Case(
        values={"index_1": 1.8, "index_2": 0.9, "expfactor": 6e-7}, counts=2e5
    ),
    "TemplateNDSpectralModel": Case(lambda: m.TemplateNDSpectralModel(template_map(), index=2.0, ecutoff="5 TeV")),
    "TemplateSpectralModel": Case(_template, own=False),
    # shapes
    "ConstantFluxSpatialModel": Case(own=False),
    "ConstantSpatialModel": Case(free=("value",)),
    "DeVaucouleursSpatialModel": Case(values={"r_eff": "0.2 deg", "q": 0.6, "phi": "30 deg"}),
    "DiskSpatialModel": Case(values={"r_0": "0.4 deg", "edge_width": 0.1, **ELLIPSE}, free=("e", "phi")),
    "ExponentialSpatialModel": Case(values={"r_eff": "0.3 deg", "q": 0.6, "phi": "30 deg"}),
    "GaussianSpatialModel": Case(values={"sigma": "0.25 deg", **ELLIPSE}, free=("e", "phi")),
    "GeneralizedGaussianSpatialModel": Case(values={"r_0": "0.25 deg", **ELLIPSE}, free=("e", "phi")),
    "PiecewiseNormSpatialModel": Case(_corners),
    "SersicSpatialModel": Case(values={"r_eff": "0.3 deg", "n": 1.3, "q": 0.6, "phi": "30 deg"}),
    "Shell2SpatialModel": Case(values={"r_0": "0.4 deg", "eta": 0.4}),
    "ShellSpatialModel": Case(values={"radius": "0.3 deg", "width": "0.12 deg"}),
    "TemplateNDSpatialModel": Case(_blobs, values={"width": "0.23 deg"}),
    "TemplateSpatialModel": Case(_blob, own=False),
    # time
    "ConstantTemporalModel": Case(own=False),
    "ExpDecayTemporalModel": Case(values={"t_ref": f"{MJD} d", "t0": "4 d"}),
    "GaussianTemporalModel": Case(values={"t_ref": f"{MJD + 5} d", "sigma": "2 d"}),
    "GeneralizedGaussianTemporalModel": Case(values={"t_ref": f"{MJD + 5} d", "t_rise": "1.6 d", "t_decay": "3 d"}),
    "LightCurveTemplateTemporalModel": Case(_light_curve, own=False),
    "LinearTemporalModel": Case(values={"t_ref": f"{MJD} d", "beta": "-0.04 d-1"}),
    "PowerLawTemporalModel": Case(values={"t_ref": f"{MJD - 1} d", "alpha": -0.7}),
    "SineTemporalModel": Case(values={"t_ref": f"{MJD + 1} d", "amp": 0.5, "omega": "1.5 rad d-1"}),
    "TemplatePhaseCurveTemporalModel": Case(_phase_curve, free=("phi_ref", "f0")),
    # components
    "FoVBackgroundModel": Case(free=("tilt",)),
    "TemplateNPredModel": Case(free=("tilt",)),
}
COMPONENTS = (FoVBackgroundModel, TemplateNPredModel)


def registered() -> dict[str, type]:
    """The registered types that come with the package, and components other than `SkyModel`, by name."""
    # the flux density of an image is no model of counts; tests/datasets/test_image.py recovers it
    own = {"FluxDensitySpectralModel"}
    classes = [cls for kind in KINDS for cls in model_classes(kind) if cls.__name__ not in own]
    ours = [cls for cls in classes if cls.__module__.startswith("bayesmap.")]
    return {cls.__name__: cls for cls in (*ours, *COMPONENTS)}


def example(name: str) -> Any:
    """The model of a type at the truth."""
    case, cls = CASES.get(name, Case()), registered()[name]
    if cls is FoVBackgroundModel:
        model = cls(dataset_name="d", name="model")
    elif cls is TemplateNPredModel:
        geom = cube().counts.geom
        model = cls(Map.from_geom(geom, data=np.full(geom.data_shape, COUNTS / geom.data_shape[0] / 36)), name="model")
    else:
        model = case.create() if case.create is not None else cls()
    names = dict(zip(getattr(model, "parameter_names", ()), model.parameters, strict=False))
    names = names or {p.name: p for p in model.parameters}
    for key, value in case.values.items():
        names[key].quantity = u.Quantity(value)
    for key in (*case.free, *case.fixed):
        names[key].frozen = key in case.fixed
    for key, prior in case.priors.items():
        names[key].prior = prior
    return model


def component(name: str) -> Any:
    """A component with the model of a type; what else it has is known, but for the amplitude of a source."""
    model = example(name)
    if isinstance(model, COMPONENTS):
        return model
    if isinstance(model, m.SpectralModel) and model.is_norm_spectral_model:
        return FoVBackgroundModel(spectral_model=model, dataset_name="d", name="model")
    if isinstance(model, m.PiecewiseNormSpatialModel):
        background = FoVBackgroundModel(spatial_model=model, dataset_name="d", name="model")
        background.spectral_model.norm.frozen = True
        return background
    spectrum, shape = m.PowerLawSpectralModel(index=2.2), m.PointSpatialModel(frame="galactic")
    spectrum.index.frozen = True
    if model.kind == "spectral":
        shape.freeze()
        return SkyModel(model, shape, name="model")
    if model.kind == "spatial":
        if hasattr(model, "frame"):
            model.frame = "galactic"
        spectrum.amplitude.frozen = name == "ConstantSpatialModel"
        return SkyModel(spectrum, model, name="model")
    spectrum.amplitude.frozen = CASES.get(name, Case()).own
    return SkyModel(spectrum, None, model, name="model")


def simulated(name: str, seed: int = 0) -> Datasets:
    """Datasets from which a type can be recovered: of runs on different days for time dependence, else one."""
    random_state = zlib.crc32(name.encode()) + seed  # types share no noise
    model = component(name)
    models, counts = Models([model]), CASES.get(name, Case()).counts
    if getattr(model, "temporal_model", None) is not None:
        n_run = max(2, len(models.parameters.free_unique) + 1)
        return simulate([run(start) for start in RUNS[:n_run]], models, random_state, counts)
    if registered()[name].__module__.startswith("bayesmap.modeling.spatial"):
        background = isinstance(model, FoVBackgroundModel)
        return simulate([cube(npix=12, n_energy=1, level=50.0 if background else 0.5)], models, random_state, counts)
    background = isinstance(model, FoVBackgroundModel)
    return simulate([cube(level=COUNTS / 36 / 8 if background else 0.5)], models, random_state, counts)


# -- what comes back ------------------------------------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class Recovery:
    """Mode and Laplace errors against the truth, in variables in which each prior is a unit normal.

    Attributes
    ----------
    truth, mode : numpy.ndarray
        Shape ``(n,)``.
    covariance : numpy.ndarray
        Shape ``(n, n)``.
    """

    names: list[str]
    truth: np.ndarray
    mode: np.ndarray
    covariance: np.ndarray

    @property
    def pulls(self) -> np.ndarray:
        """Difference in errors, shape ``(n,)``."""
        return (self.mode - self.truth) / np.sqrt(np.diag(self.covariance))

    @property
    def distance(self) -> float:
        """Square of the difference, in errors, with correlations."""
        step = self.mode - self.truth
        return float(step @ np.linalg.solve(self.covariance, step))

    @property
    def weights(self) -> np.ndarray:
        """The distance is a sum of squares of unit normals with these weights: what data say, and not the prior."""
        return 1 - np.linalg.eigvalsh(self.covariance)


def in_units_of_prior(parameter: Any, value: float) -> tuple[float, float]:
    """A value in the variable in which the prior is a unit normal, and the derivative of that variable."""
    prior = parameter.prior.scipy(parameter.unit)
    below, inside = prior.cdf(parameter.bounds[0]), prior.cdf(parameter.bounds[1]) - prior.cdf(parameter.bounds[0])
    z = float(norm.ppf((prior.cdf(value) - below) / inside))
    return z, float(prior.pdf(value) / inside / norm.pdf(z))


def recover(fit: CompiledFit) -> Recovery:
    """Find the mode of simulated data and compare with the values of the parameters."""
    mode = fit.find_mode(searches=1, jacobian=True)
    free = {name: fit.parameters[name] for name in mode.values}
    truth = [in_units_of_prior(p, p.value)[0] for p in free.values()]
    found = np.array([in_units_of_prior(p, mode.values[name]) for name, p in free.items()])
    covariance = mode.covariance * np.outer(found[:, 1], found[:, 1])
    return Recovery(list(free), np.array(truth), found[:, 0], covariance)


def fit_of(name: str, seed: int = 0) -> CompiledFit:
    """The compiled analysis of simulated data of a type."""
    with quick_compilation():
        fit = compile_fit(simulated(name, seed))
        assert fit._any_density.size
    return fit


@dataclass(frozen=True)
class Sampled:
    """A posterior sample against the truth.

    Attributes
    ----------
    n_parameter : int
        Free parameters.
    sampler : str
        As used: "whitened", or "nutpie" where there is no single mode.
    ess : float
        Smallest bulk effective sample size.
    rhat : float
        Largest R-hat.
    divergences : int
        After tuning.
    ranks : dict of float
        By parameter, the rank of the truth among the draws as a standard normal variable.
    compile_cpu, sample_cpu : float
        CPU seconds; searching the mode counts as sampling.
    """

    n_parameter: int
    sampler: str
    ess: float
    rhat: float
    divergences: int
    ranks: dict[str, float]
    compile_cpu: float
    sample_cpu: float


def sampled(fit: CompiledFit, draws: int = 500, chains: int = 4, seed: int = 1, **options: Any) -> Sampled:
    """Sample by NUTS on one core and compare with the values of the parameters."""
    start = time.process_time()
    with quick_compilation():
        fit.density(fit.density.start)
    compiled = time.process_time()
    tree = fit.sample(draws, chains=chains, random_state=seed, cores=1, progress_bar=False, **options)
    end = time.process_time()
    report = convergence_report(tree)
    ranks = {}
    for name, parameter in fit.parameters.items():
        if name in tree["posterior"]:
            values = tree["posterior"][name].to_numpy().ravel()
            ranks[name] = float(norm.ppf((np.sum(values < parameter.value) + 0.5) / (values.size + 1)))
    return Sampled(
        fit.density.size,
        tree.attrs["sampler"],
        min(report.ess_bulk.values()),
        max(report.rhat.values()),
        report.divergences,
        ranks,
        compiled - start,
        end - compiled,
    )
