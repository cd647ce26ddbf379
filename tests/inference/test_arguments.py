"""What is found before anything is compiled or sampled: arguments of samplers, data that say nothing."""

import importlib.util

import astropy.units as u
import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from astropy.table import Table

from bayesmap.datasets import FluxPointsDataset, MapDatasetOnOff
from bayesmap.estimators import FluxPoints
from bayesmap.inference import find_mode, fit_data, sample, to_pymc
from bayesmap.inference.compile import compile_datasets
from bayesmap.inference.observations.checks import check_off
from bayesmap.inference.sampler_arguments import check_sampler_arguments
from bayesmap.maps import Map
from bayesmap.modeling import LogParabolaSpectralModel, PowerLawSpectralModel, SkyModel
from tests.golden import shared_path
from tests.inference.tiny import LAT, LON, background, geom, make_dataset, point


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"target_acept": 0.9}, TypeError, "no argument 'target_acept' .did you mean 'target_accept'"),
        ({"max_depth": 5}, TypeError, "did you mean 'maxdepth'"),
        ({"random_sate": 5}, TypeError, "did you mean 'random_state'"),
        ({"save_warmup": True}, TypeError, "takes no argument 'save_warmup'"),
        ({"sampler": "pymc", "maxdepth": 5}, TypeError, "sampler 'pymc' takes no argument 'maxdepth'"),
        ({"sampler": "pymc", "target_acept": 0.9}, TypeError, "did you mean 'target_accept'"),
        ({"target_accept": 90}, ValueError, "target_accept must be a number between 0 and 1, got 90"),
        ({"sampler": "whitend"}, ValueError, "did you mean 'whitened'"),
        ({"draws": 0}, ValueError, "draws must be a whole number of at least 1, got 0"),
        ({"draws": "many"}, ValueError, "draws must be a whole number of at least 1, got 'many'"),
        ({"tune": 0.5}, ValueError, "tune must be a whole number of at least 0"),
        ({"cores": 0}, ValueError, "cores must be"),
        ({"searches": 0}, ValueError, "searches must be"),
        ({"random_state": "sed"}, ValueError, "random_state must be one of"),
        ({"random_state": 1.5}, ValueError, "random_state must be an int"),
    ],
)
def test_wrong_arguments(monkeypatch, arguments, error, message):
    def never(*args, **kwargs):
        raise AssertionError("compiled before the arguments were checked")

    monkeypatch.setattr(fit_data, "prepare", never)
    with pytest.raises(error, match=message):
        sample(make_dataset(models=[background()]), **arguments)


@pytest.mark.parametrize(
    ("sampler", "options"),
    [
        ("whitened", {"target_accept": 0.95, "maxdepth": 8, "adaptation": "low_rank", "progress_rate": 50}),
        ("nutpie", {"store_divergences": True}),
        (
            "pymc",
            {
                "target_accept": 0.9,
                "max_treedepth": 8,
                "nuts": {"Emax": 100},
                "compile_kwargs": {},
                "init": "adapt_diag",
            },
        ),
    ],
)
def test_right_arguments(sampler, options):
    check_sampler_arguments(sampler, draws=np.int64(5), tune=0, random_state=np.random.default_rng(), options=options)


def test_a_sampler_that_is_not_installed():
    if importlib.util.find_spec("numpyro") is None:
        with pytest.raises(ImportError, match="extra 'jax'"):
            sample(make_dataset(models=[background()]), sampler="numpyro")
    else:
        check_sampler_arguments("numpyro", options={"target_accept_prob": 0.9})


def test_a_source_inside_a_masked_hole():
    dataset = make_dataset(models=[background()])
    mask = np.ones(geom().data_shape, dtype=bool)
    x, y = (int(np.round(float(np.squeeze(p)))) for p in geom().to_image().coord_to_pix(geom().center_skydir))
    mask[:, y - 11 : y + 12, x - 11 : x + 12] = False
    dataset.mask_fit = Map.from_geom(geom(), data=mask)
    dataset.psf = None
    dataset.models = [point("hidden", lon=LON, lat=LAT)]
    with pytest.raises(ValueError, match="model 'hidden' predicts no counts inside the masks of dataset.*'tiny'"):
        find_mode(dataset)


@pytest.mark.parametrize("what", ["psf", "edisp"])
def test_responses_that_were_changed_in_place(what):
    dataset = make_dataset(models=[background(), point("s", lon=LON, lat=LAT)])
    response = getattr(dataset, what).copy()
    setattr(dataset, what, response)
    response._irf_map.data[0] = -1
    with pytest.raises(ValueError, match=f"dataset 'tiny': {what} is negative"):
        to_pymc(dataset)


def test_a_ring_background_is_said_to_be_correlated():
    path = shared_path("data", "hess-dl3-dr1-reduced", "crab-23523-onoff-ring.fits.gz")
    ring = MapDatasetOnOff.read(path, name="ring")
    with pytest.warns(UserWarning, match="'ring': the OFF counts of neighbouring pixels are correlated"):
        check_off(ring, ring.mask.data & (ring.acceptance_off.data > 0))


@pytest.mark.parametrize("sed_type", ["flux", "eflux"])
@pytest.mark.parametrize(
    "spectrum",
    [PowerLawSpectralModel(index=3.5, amplitude="2e-12 cm-2 s-1 TeV-1"), LogParabolaSpectralModel(alpha=3, beta=0.2)],
)
def test_the_density_integrates_over_bands(sed_type, spectrum):
    """The graph predicts what `flux_pred` does, and its maximum is where the points come from."""
    edges = [0.1, 1, 10, 100] * u.TeV
    flux = getattr(spectrum, "integral" if sed_type == "flux" else "energy_flux")(edges[:-1], edges[1:])
    table = Table({"e_min": edges[:-1], "e_max": edges[1:], sed_type: flux, f"{sed_type}_err": 0.05 * flux})
    dataset = FluxPointsDataset(data=FluxPoints.from_table(table, sed_type=sed_type), name="points")
    dataset.models = [SkyModel(spectrum.copy(), name="m")]
    [observed] = compile_datasets(dataset)[1].values()
    inputs = [pt.dscalar() for _ in observed.parameters]
    logp = pytensor.function(inputs, observed.logp(observed.value, *inputs), mode="FAST_COMPILE")
    at = [p.value for p in observed.parameters]
    off = [p.value * (1.1 if p.name == "amplitude" else 1) for p in observed.parameters]
    np.testing.assert_allclose(logp(*at) - logp(*off), 0.5 * 3 * 4, rtol=1e-9)  # 10 % of errors of 5 %
