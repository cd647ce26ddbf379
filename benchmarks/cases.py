"""The models A, B and C of the benchmark: their truth and priors, for bayesmap and for Gammapy alike.

Both packages have the same names and arguments, so one function builds the models of both. Case: a CTA-like field of
10 reconstructed x 14 true energies x 240 x 320 pixels.

- A: power-law point source with a free position, and the field's background with norm and tilt (6 parameters).
- B: the same with a Gaussian source (7 parameters).
- C: both sources and a diffuse template with a power law (13 parameters).
"""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord

__all__ = ["DATASET", "FREE", "SEED", "Free", "build_models"]

DATASET = "cta-1dc-gc"
SEED = 42
FLUX = "cm-2 s-1 TeV-1"


@dataclass(frozen=True)
class Free:
    """Truth and prior of a free parameter: ``dist`` is Normal(a, b) or Uniform(a, b), all in ``unit``."""

    value: float
    unit: str
    dist: str
    a: float
    b: float

    @property
    def prior(self) -> dict[str, Any]:
        """Arguments of `bayesmap.Prior`."""
        names = ("mu", "sigma") if self.dist == "Normal" else ("lower", "upper")
        return {"dist": self.dist, names[0]: self.a, names[1]: self.b}

    def log_prior(self, value: float) -> float:
        """Logarithm of the prior density, without its constant."""
        if self.dist == "Normal":
            return -0.5 * ((value - self.a) / self.b) ** 2
        return 0.0 if self.a <= value <= self.b else -np.inf


_SOURCE = {
    "index": Free(2.3, "", "Normal", 2.3, 0.3),
    "amplitude": Free(2e-12, FLUX, "Uniform", 0.1e-12, 10e-12),
    "lon_0": Free(0.02, "deg", "Normal", 0.0, 0.1),
    "lat_0": Free(-0.03, "deg", "Normal", 0.0, 0.1),
}
_BACKGROUND = {"norm": Free(1.03, "", "Normal", 1.0, 0.2), "tilt": Free(0.02, "", "Normal", 0.0, 0.1)}
_GAUSS = {**_SOURCE, "sigma": Free(0.2, "deg", "Uniform", 0.05, 0.5)}
_DIFFUSE = {
    "index": Free(2.5, "", "Normal", 2.4, 0.3),
    "amplitude": Free(3e-10, FLUX, "Uniform", 0.1e-10, 10e-10),
}
_COMPONENTS = {"point": _SOURCE, "gauss": _GAUSS, "diffuse": _DIFFUSE, "bkg": _BACKGROUND}
_MEMBERS = {"A": ("point", "bkg"), "B": ("gauss", "bkg"), "C": ("point", "gauss", "diffuse", "bkg")}

FREE = {
    letter: {f"{name}.{key}": free for name in names for key, free in _COMPONENTS[name].items()}
    for letter, names in _MEMBERS.items()
}
"""``{letter: {"<model>.<parameter>": Free}}``: the free parameters of each model."""


def build_models(letter: str, models: Any, maps: Any) -> list[Any]:
    """Build the models at the truth, without priors.

    Parameters
    ----------
    letter : {"A", "B", "C"}
        Which.
    models, maps : module
        ``bayesmap.modeling`` and ``bayesmap.maps``, or ``gammapy.modeling.models`` and ``gammapy.maps``.
    """
    return [_build(name, SimpleNamespace(models=models, maps=maps)) for name in _MEMBERS[letter]]


def _build(name: str, lib: SimpleNamespace) -> Any:
    values = {key: free.value * u.Unit(free.unit) for key, free in _COMPONENTS[name].items()}
    if name == "bkg":
        spectrum = lib.models.PowerLawNormSpectralModel(**values, reference=1 * u.TeV)
        spectrum.tilt.frozen = False
        return lib.models.FoVBackgroundModel(spectral_model=spectrum, dataset_name=DATASET, name=name)
    spectral = {key: values.pop(key) for key in ("index", "amplitude")}
    shape = {
        "point": lib.models.PointSpatialModel,
        "gauss": lib.models.GaussianSpatialModel,
        "diffuse": lambda **_: lib.models.TemplateSpatialModel(_diffuse_map(lib.maps), normalize=False),
    }[name]
    return lib.models.SkyModel(
        spectral_model=lib.models.PowerLawSpectralModel(**spectral, reference=1 * u.TeV),
        spatial_model=shape(**values, frame="galactic"),
        name=name,
    )


def _diffuse_map(maps: Any) -> Any:
    """exp(-b^2 / (2 (0.4 deg)^2)) (1 + 0.3 cos l) per sr, on 10 x 9 deg, larger than the counts and the PSF's reach."""
    geom = maps.WcsGeom.create(
        skydir=SkyCoord(0, 0, unit="deg", frame="galactic"), width=(10, 9), binsz=0.05, frame="galactic"
    )
    coords = geom.get_coord().skycoord
    density = np.exp(-0.5 * (coords.b.deg / 0.4) ** 2) * (1 + 0.3 * np.cos(coords.l.rad))
    return maps.Map.from_geom(geom, data=density, unit="sr-1")
