"""Every dataset prints, also without parts and models."""

import pytest

from bayesmap.datasets import Datasets, MapDataset, MapDatasetOnOff, SpectrumDataset, SpectrumDatasetOnOff
from bayesmap.maps import Map, MapAxis
from bayesmap.modeling import PowerLawSpectralModel, SkyModel


@pytest.mark.parametrize("kind", [MapDataset, MapDatasetOnOff, SpectrumDataset, SpectrumDatasetOnOff])
def test_empty_dataset_prints(kind):
    assert "Total counts" in str(kind(name="empty"))


def test_dataset_without_exposure_prints():
    counts = Map.create(npix=3, axes=[MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)])
    dataset = MapDataset(counts=counts, name="counts")
    dataset.models = [SkyModel(PowerLawSpectralModel(), name="source")]
    assert "source" in str(dataset)
    assert str(Datasets([]))
