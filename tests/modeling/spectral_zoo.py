"""One example of each spectral type, with ranges of its parameters for random points."""

import astropy.units as u
import numpy as np

from bayesmap.maps import MapAxis, RegionGeom, RegionNDMap
from bayesmap.modeling import (
    CompoundSpectralModel,
    EBLAbsorptionNormSpectralModel,
    PiecewiseNormSpectralModel,
    PowerLawNormSpectralModel,
    PowerLawSpectralModel,
    ScaleSpectralModel,
    StepNormSpectralModel,
    TemplateNDSpectralModel,
    TemplateSpectralModel,
    model_classes,
)

# Where a formula is drawn at random: ranges in internal units, by parameter name.
RANGES = {
    "index": (0.5, 3.5),
    "index1": (1.0, 2.0),
    "index2": (2.2, 3.5),
    "index_1": (0.5, 2.5),
    "index_2": (0.4, 1.6),
    "amplitude": (0.5, 5.0),
    "const": (0.5, 5.0),
    "reference": (0.5, 2.0),
    "escale": (0.5, 2.0),
    "ebreak": (0.7, 3.0),
    "ecut": (2.0, 20.0),
    "emin": (0.1, 0.3),
    "emax": (20.0, 60.0),
    "expfactor": (0.02, 0.3),
    "lambda_": (0.02, 0.3),
    "alpha": (0.3, 2.5),
    "beta": (0.05, 0.8),
    "norm": (0.5, 2.0),
    "tilt": (-0.5, 0.5),
    "mean": (1.0, 5.0),
    "sigma": (0.5, 2.0),
    "L": (0.5, 5.0),
    "Ep": (0.1, 0.5),
    "w": (0.5, 1.0),
    "redshift": (0.07, 0.28),
    "alpha_norm": (0.5, 1.5),
    "ecutoff": (3.0, 9.0),
}
ENERGY = np.geomspace(0.05, 100, 30) * u.TeV


def template_map():
    """A cut-off spectrum on a grid of index and cut-off."""
    energy = MapAxis.from_nodes(np.geomspace(0.05, 100, 25), unit="TeV", name="energy_true", interp="log")
    index = MapAxis.from_nodes([0.4, 1.2, 2.5, 3.6], name="index", interp="lin")
    cutoff = MapAxis.from_nodes([2.0, 5.0, 12.0], unit="TeV", name="ecutoff", interp="log")
    geom = RegionGeom.create("icrs;point(0, 0)", axes=[energy, index, cutoff])
    e, g, c = (axis.center.value for axis in (energy, index, cutoff))
    data = 1e-12 * e ** -g[:, None] * np.exp(-e / c[:, None, None])
    return RegionNDMap.from_geom(geom, data=data[..., None, None], unit="cm-2 s-1 TeV-1")


def ebl():
    """A small table of absorption."""
    energy, redshift = np.geomspace(0.03, 200, 12), np.array([0.05, 0.1, 0.2, 0.3])
    return EBLAbsorptionNormSpectralModel(
        energy * u.TeV, redshift, np.exp(-2 * redshift[:, None] * energy**0.6), redshift=0.13
    )


def broken():
    """A broken power law times a factor, whose break moves through the bins."""
    cls = next(c for c in model_classes("spectral") if c.tag[-1] == "bpl")
    return cls(index1=1.5, index2=2.7, ebreak="1.3 TeV") * PowerLawNormSpectralModel(tilt=0.2)


def line():
    """A narrow line, absorbed."""
    cls = next(c for c in model_classes("spectral") if c.tag[-1] == "gauss")
    return cls(mean="3 TeV", sigma="0.1 TeV") * ebl()


SPECIAL = {
    "CompoundSpectralModel": lambda: PowerLawSpectralModel() + 2 * PowerLawSpectralModel(index=3) * ebl(),
    "CompoundSpectralModel-broken": broken,
    "CompoundSpectralModel-line": line,
    "CompoundSpectralModel-ratio": lambda: PowerLawSpectralModel() / PowerLawNormSpectralModel(tilt=0.4),
    "CompoundSpectralModel-difference": lambda: CompoundSpectralModel(
        PowerLawSpectralModel(amplitude="3e-12 cm-2 s-1 TeV-1"), PowerLawSpectralModel(), "sub"
    ),
    "EBLAbsorptionNormSpectralModel": ebl,
    "PiecewiseNormSpectralModel": lambda: PiecewiseNormSpectralModel([0.1, 1, 10] * u.TeV, [1, 0.7, 1.4]),
    "StepNormSpectralModel": lambda: StepNormSpectralModel([0.1, 1, 10] * u.TeV, [1, 0.7]),
    "PiecewiseNormSpectralModel-lin": lambda: PiecewiseNormSpectralModel([0.1, 1, 10] * u.TeV, [1, 0.7, 2], "lin"),
    "ScaleSpectralModel": lambda: ScaleSpectralModel(PowerLawSpectralModel(index=2.4), norm=1.2),
    "TemplateSpectralModel": lambda: TemplateSpectralModel(
        ENERGY, 2e-12 * (ENERGY.value**-2.1 * np.exp(-ENERGY.value / 30)) * u.Unit("cm-2 s-1 TeV-1")
    ),
    "TemplateNDSpectralModel": lambda: TemplateNDSpectralModel(template_map(), filename="unused.fits"),
}


def spectra():
    """Registered types that are functions of the energy; the flux density of an image is none."""
    return [cls for cls in model_classes("spectral") if cls.__name__ != "FluxDensitySpectralModel"]


def examples():
    """Functions that create one model of each registered type, and some compounds, by name."""
    ours = [cls for cls in spectra() if cls.__module__.startswith("bayesmap.")]
    return {cls.__name__: cls for cls in ours if cls.__name__ not in SPECIAL} | SPECIAL


def random_values(model, rng):
    """Numbers for all parameters of a model."""
    values = {}
    for parameter in model.parameters:
        name = "norm" if parameter.name.startswith("norm_") else parameter.name
        values[parameter] = rng.uniform(*RANGES[name])
    if type(model).__name__ == "SuperExpCutoffPowerLaw4FGLSpectralModel":
        values[model.expfactor] *= 1e6 ** -values[model.index_2]  # for energies in MeV
    return values
