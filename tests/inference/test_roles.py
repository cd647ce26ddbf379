"""Default priors and PSF routes go by what models declare, so a user's model is treated as ours are."""

import json
from pathlib import Path

import astropy.units as u
import numpy as np
import pytensor.tensor as pt
import pytest

from bayesmap.graph import build_terms, fold_arrays, signal_counts
from bayesmap.graph.signs import prior_support
from bayesmap.inference import default_priors
from bayesmap.inference.default_priors import _default
from bayesmap.inference.observations import facts_of
from bayesmap.modeling import (
    FoVBackgroundModel,
    GaussianSpatialModel,
    IRFModel,
    Parameter,
    PointSpatialModel,
    PowerLawNormSpectralModel,
    PowerLawSpectralModel,
    Prior,
    SkyModel,
    SpatialModel,
    SpectralModel,
)
from bayesmap.modeling.model import KINDS, model_classes
from bayesmap.modeling.parameter import ROLES
from bayesmap.modeling.roles import part_of, role_of
from tests.inference.tiny import LAT, LON, make_dataset, point, power_law

#: 68 % of a Gaussian lie within so many standard deviations
IN_68 = 1.509592


class Nebula(SpatialModel):
    """A round Gaussian by the radius that holds 68 % of it, as a user would write it."""

    is_smooth = True
    lon_0 = Parameter("lon_0", "0 deg")
    lat_0 = Parameter("lat_0", "0 deg")
    width_68 = Parameter("width_68", "0.18 deg", min=0)

    @staticmethod
    def evaluate(lon, lat, lon_0, lat_0, width_68):
        """A Gaussian in the plane."""
        square = ((lon - lon_0) * pt.cos(lat_0 * np.pi / 180)) ** 2 + (lat - lat_0) ** 2
        sigma = width_68 / IN_68
        return pt.exp(-0.5 * square / sigma**2) / (2 * np.pi * (sigma * np.pi / 180) ** 2)

    @property
    def evaluation_radius(self):
        """Five standard deviations."""
        return 5 * self.width_68.quantity / IN_68

    def gaussian_graph(self, values):
        """Return one width twice."""
        return values[self.width_68] / IN_68, values[self.width_68] / IN_68, 0.0


class Burst(SpectralModel):
    """A power law under other names."""

    flux_parameter = "k"
    k = Parameter("k", "1e-12 cm-2 s-1 TeV-1", min=0)
    gamma = Parameter("gamma", 2.0, role="index")
    pivot = Parameter("pivot", "1 TeV", frozen=True)

    @staticmethod
    def evaluate(energy, k, gamma, pivot):
        """Return the flux."""
        return k * (energy / pivot) ** -gamma


def nebula():
    shape = Nebula(lon_0=LON * u.deg, lat_0=LAT * u.deg, frame="galactic")
    return SkyModel(spectral_model=power_law(), spatial_model=shape, name="nebula")


def test_a_users_gaussian_takes_the_routes_and_prior_of_ours():
    model = nebula()
    ours = GaussianSpatialModel(lon_0=LON * u.deg, lat_0=LAT * u.deg, sigma=0.18 / IN_68 * u.deg, frame="galactic")
    ours = SkyModel(spectral_model=power_law(), spatial_model=ours, name="nebula")
    dataset = make_dataset(models=[model])
    arrays = fold_arrays(dataset)
    assert build_terms(arrays, [model]).routes["nebula"][0] == "mixture"
    assert build_terms(arrays, [model], tolerance=0).routes["nebula"][0] == "radial"
    for route in ("mixture", "radial"):
        counts = [signal_counts(dataset, [m], route=route)["nebula"] for m in (model, ours)]
        np.testing.assert_allclose(*counts, rtol=1e-12)
    prior = default_priors(dataset)["nebula.width_68"]
    dataset.models = [ours]
    assert repr(prior).startswith("Prior('LogNormal'")
    assert prior == default_priors(dataset)["nebula.sigma"]


def test_roundness_is_one_expression_twice():
    assert PointSpatialModel().is_round_gaussian
    assert nebula().spatial_model.is_round_gaussian
    gauss = GaussianSpatialModel()
    assert gauss.is_round_gaussian
    gauss.e.frozen = False
    assert not gauss.is_round_gaussian
    gauss.e.value, gauss.e.frozen = 0.5, True
    assert not gauss.is_round_gaussian


def test_a_users_spectrum_is_scaled_to_the_data():
    """The flux under another name gets the estimate of ours, and its sign is watched."""
    here = {"spatial_model": point().spatial_model, "name": "source"}
    dataset = make_dataset(models=[SkyModel(spectral_model=PowerLawSpectralModel(), **here)])
    ours = default_priors(dataset)
    model = SkyModel(spectral_model=Burst(), **here)
    dataset.models = [model]
    found = default_priors(dataset)
    medians = [prior.median(u.Unit("cm-2 s-1 TeV-1")) for prior in (found["source.k"], ours["source.amplitude"])]
    assert medians[0] == pytest.approx(medians[1], rel=1e-3)
    assert found["source.gamma"] == ours["source.index"]
    model.spectral_model.k.min = None
    for p in model.parameters:
        p.prior = Prior("Normal", mu=p.value, sigma=abs(p.value))
    assert [r for r in build_terms(fold_arrays(dataset), [model]).may_be_negative(prior_support) if "source.k" in r]


def test_default_priors_of_all_models():
    """Each parameter of each model that can be made from nothing; what they were when they went by names."""
    facts, found = [facts_of(make_dataset(models=[point()]))], {}
    for cls in (cls for kind in KINDS for cls in model_classes(kind) if cls.__module__.startswith("bayesmap.")):
        try:
            part = cls()
        except TypeError:  # needs data
            continue
        here = PointSpatialModel(lon_0="25.03 deg", lat_0="0.98 deg", frame="galactic")
        parts = {"spectral_model": PowerLawSpectralModel(), "spatial_model": here, f"{cls.kind}_model": part}
        factor = cls.kind == "spectral" and part.is_norm_spectral_model
        if cls.kind == "response":
            model = IRFModel(part, name="m")
        elif factor:
            model = FoVBackgroundModel(dataset_name="tiny", spectral_model=part)
        else:
            model = SkyModel(**parts, name="m")
        found |= {f"{cls.__name__}.{p.name}": repr(_default(p, model, facts)) for p in part.parameters}
    assert found == json.loads((Path(__file__).parent / "default_priors.json").read_text())


@pytest.mark.parametrize(
    ("parameter", "kind", "role"),
    [
        (Parameter("a", "1 deg", min=0), "spatial", "extension"),
        (Parameter("a", "1 deg", min=0, max=3), "spatial", None),
        (Parameter("a", "1 deg"), "spatial", None),
        (Parameter("a", "1 deg", min=0), "spectral", None),
        (Parameter("a", "1e-12 cm-2 s-1 MeV-1"), "spectral", "flux"),
        (Parameter("a", "1e-12 m-2 s-1"), "spectral", "flux"),
        (Parameter("a", "1 keV"), "spectral", "energy"),
        (Parameter("a", "1 GeV-1"), "spectral", "energy"),
        (Parameter("a", "3 h", min=0), "temporal", "duration"),
        (Parameter("a", "55555 d"), "temporal", None),
        (Parameter("a", "1 h-1"), "temporal", "rate"),
        (Parameter("a", "1 rad s-1"), "temporal", "rate"),
        (Parameter("a", 1.0), "spectral", None),
        (Parameter("a", 1.0, role="shape"), "spectral", "shape"),
    ],
)
def test_roles_by_unit(parameter, kind, role):
    part = type("Part", (), {"kind": kind, "parameter_names": ()})()
    assert role_of(parameter, part) == role


def test_a_linked_parameter_plays_the_role_of_each_model():
    own = Parameter("slope", 2.0)
    one, two = PowerLawSpectralModel(index=own), PowerLawNormSpectralModel(tilt=own)
    model = SkyModel(spectral_model=one * two, name="m")
    assert part_of(model, own) in (one, two)
    assert role_of(own, one) == role_of(own, two) == "index"
    assert part_of(model, Parameter("other", 1.0)) is None


def test_every_role_is_known():
    with pytest.raises(ValueError, match="role of parameter 'x' must be one of"):
        Parameter("x", 1.0, role="size")
    declared = {p.role for kind in KINDS for cls in model_classes(kind) for p in cls.default_parameters}
    assert declared - {None} == set(ROLES)
