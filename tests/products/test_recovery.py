"""Injected spectra and flares: how often 68 % intervals hold the truth. Minutes; the table is in the user guide."""

import astropy.units as u
import numpy as np
import pytest

from bayesmap.datasets import SpectrumDataset
from bayesmap.inference import compile_fit
from bayesmap.irf import GTI
from bayesmap.maps import MapAxis, RegionGeom, RegionNDMap
from bayesmap.modeling import LogParabolaSpectralModel, PowerLawSpectralModel, SkyModel
from bayesmap.modeling.posterior import Posterior
from bayesmap.products.bands import band_axis, banded, intervals_of, own_models
from bayesmap.products.estimate import _Processes
from tests.products.test_flux_points import DAY

pytestmark = pytest.mark.slow
FLUX = "cm-2 s-1 TeV-1"


def run(model, background, hours, name="d", day=None):
    """Sixteen energies from 0.5 to 50 TeV, an effective area of 1e9 cm2, no counts yet."""
    axis = MapAxis.from_energy_bounds("0.5 TeV", "50 TeV", nbin=16, name="energy")
    true = MapAxis.from_energy_bounds("0.5 TeV", "50 TeV", nbin=16, name="energy_true")
    geom, geom_true = (RegionGeom.create(None, axes=[one]) for one in (axis, true))
    level = background * (axis.center.to_value("TeV") ** -1.5)[:, None, None]
    exposure = np.full(geom_true.data_shape, 1e9 * hours * 3600)
    return SpectrumDataset(
        models=[model],
        counts=RegionNDMap.from_geom(geom, data=np.ones(geom.data_shape), unit=""),
        background=RegionNDMap.from_geom(geom, data=level, unit=""),
        exposure=RegionNDMap.from_geom(geom_true, data=exposure, unit="cm2 s"),
        gti=None if day is None else GTI.create([0] * u.d + day * u.d, [0.02] * u.d + day * u.d, DAY),
        name=name,
    )


def covered(model, names, truth, expected, datasets, n, rng):
    """Which norms lie in their central 68 %, which below their limits, and pulls: shape (fakes, norms) each."""
    fit = compile_fit(datasets)
    inside, below, pulls = [], [], []
    for _ in range(n):
        fit.set_counts({key: rng.poisson(cube).astype(float) for key, cube in expected.items()})
        tree = fit.sample(300, chains=2, random_state=rng, progress_bar=False, searches=2)
        columns = np.stack([Posterior(tree).column(name) for name in names], axis=1)
        low, high, limit = np.quantile(columns, [0.16, 0.84, 0.95], axis=0)
        inside.append((low < truth) & (truth < high))
        below.append(truth < limit)
        pulls.append((columns.mean(axis=0) - truth) / columns.std(axis=0))
    return np.array(inside), np.array(below), np.array(pulls)


@pytest.mark.parametrize("prior", [None, "curve"])
def test_a_curved_spectrum_is_recovered(prior):
    """Truth: a log parabola. Reference: a power law of another slope."""
    truth = LogParabolaSpectralModel(amplitude=f"1e-12 {FLUX}", alpha=2.1, beta=0.25, reference="1 TeV")
    reference = PowerLawSpectralModel(amplitude=f"1e-12 {FLUX}", index=2.4, reference="1 TeV")
    dataset = run(SkyModel(truth, name="s"), 3.0, 20)
    expected = {"d": dataset.npred().data}
    dataset.models = [SkyModel(reference, name="s")]
    edges = np.geomspace(0.5, 50, 9) * u.TeV
    copies = own_models([dataset], None)
    model = banded(copies, ["s"], band_axis(edges, copies))
    _Processes("energy", prior, np.arange(8.0), None, 0.1).assign(model)
    norms = (truth.integral(edges[:-1], edges[1:]) / reference.integral(edges[:-1], edges[1:])).to_value("")
    names = [model.models.parameter_names[b.parameter] for b in model.bands]
    inside, below, pulls = covered(model, names, norms, expected, model.datasets, 60, np.random.default_rng(5))
    seen = norms > 0.3  # a factor that is almost zero lies below any central interval, and has a limit
    told = f"{inside[:, seen].mean():.3f}, 95 % limits {below.mean():.3f}, at least {below.mean(axis=0).min():.3f}"
    print(f"\ncurved spectrum, {prior}: 68 % intervals hold {told}")  # noqa: T201 - the table of the user guide
    assert abs(inside[:, seen].mean() - 0.68) < 0.1  # 60 fakes with about three independent numbers: 0.035
    assert below.mean() > 0.93
    bias = np.abs(pulls[:, norms > 0.7].mean(axis=0)).max()  # of strong points: at least three sd from zero
    if prior == "curve" and bias >= 0.5:
        pytest.xfail(f"smooth points are drawn towards the form of the reference, by {bias:.2f} sd: see the user guide")
    assert bias < 0.5


@pytest.mark.parametrize("prior", [None, "walk"])
def test_a_flare_is_recovered(prior):
    """28 runs of half an hour: a flux that rises four times in a few runs and decays, as PKS 2155-304 did in 2006."""
    reference = PowerLawSpectralModel(amplitude=f"2e-11 {FLUX}", index=3.3, reference="1 TeV")
    source = SkyModel(reference, name="s")
    at = np.arange(28.0)
    truth = 1 + 6 * np.where(at < 10, np.exp((at - 10) / 1.5), np.exp(-(at - 10) / 5))
    runs = [run(source, 3.0, 0.5, f"run{i}", day=0.03 * i) for i in range(28)]
    copies = own_models(runs, None)
    intervals, numbers = intervals_of(copies, None)
    model = banded(copies, ["s"], band_axis([0.5, 50] * u.TeV, copies), numbers)
    expected = {
        r.name: r.background.data + f * r.npred_signal().data for r, f in zip(runs, truth, strict=True)
    }  # fmt: skip
    _Processes("time", prior, np.arange(28.0), None, 0.3).assign(model)
    names = [model.models.parameter_names[b.parameter] for b in model.bands]
    inside, below, pulls = covered(model, names, truth, expected, model.datasets, 30, np.random.default_rng(6))
    told = f"{inside.mean():.3f}, at the peak {inside[:, 9:12].mean():.2f}, 95 % limits {below.mean():.3f}"
    print(f"\nflare, {prior}: 68 % intervals hold {told}")  # noqa: T201 - the table of the user guide
    assert abs(inside.mean() - 0.68) < 0.05
    assert np.abs(pulls.mean()) < 0.2
