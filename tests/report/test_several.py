"""Reports of spectra, flux points and joint fits, from draws around the mode."""

import numpy as np
import pytest

from bayesmap.datasets import Datasets, FluxPointsDataset, ImageDataset, open_datasets
from bayesmap.errors import FormatError
from bayesmap.estimators import FluxPoints
from bayesmap.images import Box
from bayesmap.inference import compile_fit
from bayesmap.inference.result import build_tree, describe
from bayesmap.inference.samplers import Run
from bayesmap.report import write_report
from tests.golden import shared_path
from tests.inference.test_family import on_off
from tests.inference.test_fit_golden_family import flat_priors
from tests.inference.tiny import make_dataset, point
from tests.scenes import stored_coadd, true_models


def gaussian_tree(datasets, rng):
    """A result with draws from the Gaussian around the mode."""
    fit = compile_fit(datasets)
    mode = fit.find_mode(searches=1)
    draws = rng.multivariate_normal(list(mode.values.values()), mode.covariance, size=(2, 200), method="cholesky")
    posterior = {name: draws[..., i] for i, name in enumerate(mode.values)}
    stats = {"diverging": np.zeros((2, 200), dtype=bool), "lp": np.zeros((2, 200))}
    return build_tree(describe(fit), Run(posterior, stats), {"sampler": "gaussian"})


def test_report_of_a_joint_fit(tmp_path, rng):
    points = FluxPoints.read(shared_path("data", "flux_points", "crab_hess_fp.fits"))
    model = point("shared", index=2.5, amplitude="4e-11 cm-2 s-1 TeV-1")
    for parameter in model.spatial_model.parameters:
        parameter.frozen = True
    cube = make_dataset("cube", models=[point("seed", amplitude="4e-11 cm-2 s-1 TeV-1")])
    datasets = Datasets([cube, on_off(), FluxPointsDataset(data=points, name="points")])
    datasets.models = [flat_priors(model)]
    before = model.spectral_model.index.value
    page = write_report(gaussian_tree(datasets, rng), datasets, tmp_path, title="three kinds").read_text()
    assert model.spectral_model.index.value == before
    figures = {path.stem for path in tmp_path.glob("*.png")}
    assert figures == {
        "cube-counts", "cube-significance", "cube-predictive", "cube-dataset", "spectrum-predictive",
        "cube-checks", "spectrum-checks", "points-checks",
        "spectrum-dataset", "points-fit", "marginals", "spectra", "corner-shared", "traces",
    }  # fmt: skip
    assert "three kinds" in page
    assert "Is the model right?" in page
    assert "checks at a false-alarm rate of 0.02 for each dataset" in page
    assert "cube, spectrum, points" in page
    assert page.count("<img") == len(figures)


def test_report_of_an_image(tmp_path, rng):
    """It has no energies: no spectra, and the image beside its prediction."""
    coadd = stored_coadd()
    dataset = ImageDataset(coadd[Box.from_shape((30, 30), (13095, 9795))], true_models([0]), name="r")
    page = write_report(gaussian_tree(Datasets([dataset]), rng), dataset, tmp_path).read_text()
    assert {path.stem for path in tmp_path.glob("*.png")} == {"fit", "checks", "marginals", "corner-s0", "traces"}
    assert page.count("<img") == 5
    assert "the three blocks farthest from the prediction" in page


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (("joint-crab", "spectra", "hess", "pha_obs23523.fits"), "SpectrumDatasetOnOff"),
        (("hess-dl3-dr1-reduced", "crab-23523-onoff-ring.fits.gz"), "MapDatasetOnOff"),
        (("hess-dl3-dr1-reduced", "crab-spectrum-onoff", "crab-spec-cash-gadf.fits.gz"), "SpectrumDataset"),
        (("hess-dl3-dr1-reduced", "crab-spectrum-onoff", "crab-spec-onoff-gadf.fits.gz"), "SpectrumDatasetOnOff"),
        (("hess-dl3-dr1-reduced", "crab-23523.fits.gz"), "MapDataset"),
        (("flux_points", "crab_hess_fp.fits"), "FluxPointsDataset"),
        (("flux_points", "diff_flux_points.ecsv"), "FluxPointsDataset"),
    ],
)
def test_any_file_is_opened_as_what_it_is(path, kind):
    [dataset] = open_datasets(shared_path("data", *path), name="mine")
    assert (type(dataset).__name__, dataset.name) == (kind, "mine")


def test_files_that_are_no_dataset(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.fits"):
        open_datasets(tmp_path / "absent.fits")
    with pytest.raises(FormatError, match="template_3d"):
        open_datasets(shared_path("data", "models", "template_3d.fits.gz"))
    pair = shared_path("data", "yaml_pair", "datasets.yaml")
    assert len(open_datasets(pair)) == 3
    with pytest.raises(ValueError, match="names of their own"):
        open_datasets(pair, name="mine")
