"""What is left out, not used or unknown is said."""

import contextlib

import numpy as np
import pytest

from bayesmap.datasets import Datasets, SpectrumDataset, SpectrumDatasetOnOff
from bayesmap.irf import EDispKernelMap
from bayesmap.likelihoods import GaussianLikelihood
from bayesmap.maps import Map, MapAxis, RegionGeom
from bayesmap.modeling import (
    FoVBackgroundModel,
    GaussianSpatialModel,
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)


def test_models_of_datasets_that_do_not_exist_are_said(dataset, source):
    datasets = Datasets([dataset])
    wrong = FoVBackgroundModel(dataset_name="tinyy")
    with pytest.warns(
        UserWarning, match=r"'tinyy-bkg' is for the dataset\(s\) 'tinyy', .*did you mean 'tiny'.* nowhere"
    ):
        datasets.models = [source, wrong]
    assert datasets.models.names == ["source"]
    source.datasets_names = ["tiny", "other"]
    with pytest.warns(UserWarning, match="'other', which do not exist.* applies to the others only"):
        datasets.models = [source]
    dataset.models = [source, wrong]  # a single dataset keeps what is for it
    assert dataset.models.names == ["source"]
    with pytest.warns(UserWarning, match="'tinyy-bkg' is for the dataset"):
        dataset.models = wrong
    datasets.models = None
    assert dataset.models is None


def circle_spectrum(**parts):
    """A spectrum in a circle of 0.1 deg, without PSF: 9 counts of a power law of index 2."""
    energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
    true = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=6, name="energy_true")
    geom, geom_true = (RegionGeom.create("icrs;circle(83.63, 22.01, 0.1)", axes=[axis]) for axis in (energy, true))
    return {
        "exposure": Map.from_geom(geom_true, data=np.full(geom_true.data_shape, 1e9), unit="m2 s"),
        "edisp": EDispKernelMap.from_diagonal_response(energy, true),
        "name": "s",
    } | {key: Map.from_geom(geom, data=np.full(geom.data_shape, float(value))) for key, value in parts.items()}


SHAPES = {
    "far": (PointSpatialModel(lon_0="88.63 deg", lat_0="22.01 deg"), 0),
    "beside": (PointSpatialModel(lon_0="83.63 deg", lat_0="22.12 deg"), 0),
    "wide": (GaussianSpatialModel(lon_0="83.63 deg", lat_0="22.01 deg", sigma="0.3 deg"), 5),
    "inside": (PointSpatialModel(lon_0="83.63 deg", lat_0="22.1 deg"), None),
    "narrow": (GaussianSpatialModel(lon_0="83.63 deg", lat_0="22.01 deg", sigma="0.03 deg"), None),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_spectrum_without_psf_says_that_shapes_are_not_used(shape):
    """The share of a Gaussian inside the circle is 1 - exp(-r^2 / 2 sigma^2)."""
    spatial, share = SHAPES[shape]
    model = SkyModel(PowerLawSpectralModel(amplitude="1e-12 cm-2 s-1 TeV-1"), spatial, name="m")
    dataset = SpectrumDataset(**circle_spectrum(counts=0))
    context = contextlib.nullcontext()
    if share is not None:
        context = pytest.warns(UserWarning, match=f"'s': its region holds {share} % of the source of model 'm', but")
    with context:
        dataset.models = [model]
    np.testing.assert_allclose(dataset.npred_signal().data.sum(), 9, rtol=1e-6)
    assert dataset.evaluators["m"].contributes


def test_an_on_off_spectrum_before_its_counts():
    """The acceptances have the geometry."""
    dataset = SpectrumDatasetOnOff(**circle_spectrum(acceptance=1, acceptance_off=5))
    dataset.models = [SkyModel(PowerLawSpectralModel(amplitude="1e-12 cm-2 s-1 TeV-1"), name="m")]
    assert "Total counts" in str(dataset)
    np.testing.assert_allclose(dataset.npred_signal().data.sum(), 9, rtol=1e-6)
    dataset.fake(npred_background=Map.from_geom(dataset._geom, data=np.full((3, 1, 1), 4.0)), random_state=1)
    assert dataset.counts_off.data.sum() > 20


def test_off_counts_without_acceptance_have_no_statistic():
    dataset = SpectrumDatasetOnOff(**circle_spectrum(counts=3, counts_off=9, acceptance=1, acceptance_off=0))
    with pytest.raises(ValueError, match="'s': acceptance_off is zero in 3 bins inside the mask that have OFF counts"):
        dataset.stat_sum()
    dataset.mask_fit = Map.from_geom(dataset._geom, data=np.zeros((3, 1, 1), dtype=bool))
    with pytest.warns(UserWarning, match="excludes all bins"):
        assert dataset.stat_sum() == 0


def test_bins_without_a_mask_all_count():
    assert SpectrumDataset(**circle_spectrum(counts=0)).info_dict()["n_fit_bins"] == 3


def test_a_likelihood_that_no_file_holds_is_said(dataset, tmp_path):
    dataset.write(tmp_path / "default.fits")
    dataset.likelihood = GaussianLikelihood(2.0)
    with pytest.warns(UserWarning, match="'tiny': files do not hold its likelihood, GaussianLikelihood.*set it again"):
        dataset.write(tmp_path / "other.fits")
    with pytest.warns(UserWarning, match="'tiny': files do not hold its likelihood"):
        Datasets([dataset]).write(tmp_path / "list.yaml")
