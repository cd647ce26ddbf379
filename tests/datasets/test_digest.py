"""Digests of datasets: the same after writing and reading, another one for each part that changes."""

import json

import numpy as np
import pytest

from bayesmap.datasets import Datasets, ImageDataset, MapDataset, open_datasets
from bayesmap.datasets.digest import changed_parts, dataset_digests
from bayesmap.datasets.of_result import check_same_data, datasets_of_result
from bayesmap.errors import FormatError
from bayesmap.images import Box
from bayesmap.inference import compile_fit
from bayesmap.maps import Map, MapAxis, WcsGeom
from tests.golden import shared_path
from tests.plot.conftest import make_dataset
from tests.results import made_up_result
from tests.scenes import stored_coadd


@pytest.mark.parametrize(
    "path",
    [
        ("joint-crab", "spectra", "hess", "pha_obs23523.fits"),
        ("hess-dl3-dr1-reduced", "crab-23523-onoff-ring.fits.gz"),
        ("hess-dl3-dr1-reduced", "crab-23523.fits.gz"),
        ("flux_points", "crab_hess_fp.fits"),
    ],
)
def test_the_same_after_writing_and_reading(path, tmp_path):
    [dataset] = open_datasets(shared_path("data", *path), name="mine")
    dataset.write(tmp_path / "again.fits")
    [again] = open_datasets(tmp_path / "again.fits", name="mine")
    assert changed_parts(dataset_digests(dataset), dataset_digests(again)) == []


def test_an_image(tmp_path):
    image = stored_coadd()[Box.from_shape((30, 30), (13095, 9795))]
    dataset = ImageDataset(image, name="r")
    stored = dataset_digests(dataset)
    dataset.write(tmp_path / "again.fits")
    [again] = open_datasets(tmp_path / "again.fits", name="r")
    assert changed_parts(stored, dataset_digests(again)) == []
    again.mask_fit = np.arange(900).reshape(30, 30) > 5
    assert changed_parts(stored, dataset_digests(again)) == ["mask"]


def test_each_part_counts():
    stored = dataset_digests(make_dataset())
    for name in ("counts", "background", "exposure"):
        dataset = make_dataset()
        getattr(dataset, name).data[0, 3, 3] += 1
        assert changed_parts(stored, dataset_digests(dataset)) == [name]
    dataset = make_dataset()
    dataset.edisp.edisp_map.data[0, 1] *= 1.001
    dataset.mask_fit = dataset.counts.geom.energy_mask("2 TeV")
    assert changed_parts(stored, dataset_digests(dataset)) == ["edisp", "mask_fit"]


@pytest.mark.parametrize(
    ("lon", "high", "same"), [(25.0, "10 TeV", True), (25.01, "10 TeV", False), (25.0, "10.01 TeV", False)]
)
def test_position_and_energies_count(lon, high, same):
    def digests(lon, high):
        axis = MapAxis.from_energy_bounds("1 TeV", high, nbin=3)
        geom = WcsGeom.create(skydir=(lon, 0.0), npix=(4, 3), binsz=0.1, frame="galactic", axes=[axis])
        return dataset_digests(MapDataset(counts=Map.from_geom(geom, unit=""), name="moved"))

    differing = changed_parts(digests(25.0, "10 TeV"), digests(lon, high))
    assert differing == ([] if same else ["geometry"])


def test_replaced_counts_have_no_digest():
    dataset = make_dataset()
    fit = compile_fit(dataset)
    assert fit.digests == {"tiny": dataset_digests(dataset)}
    fit.set_counts(dataset.counts.data + 1)
    assert fit.digests == {}


def test_datasets_of_a_result():
    dataset = make_dataset()
    tree = made_up_result(dataset)
    again = make_dataset()
    again.models = None
    assert datasets_of_result(tree, again).models.names == ["source", "tiny-bkg"]
    assert again.models["source"].spectral_model.index.error > 0
    other = again.copy(name="other")
    for given in ([other], [again, other]):
        with pytest.raises(ValueError, match=r"the result is of the datasets \['tiny'\], given are \[.*'other'\]"):
            check_same_data(tree, Datasets(given))
    tree.attrs["data_digests"] = json.dumps([1])
    with pytest.raises(FormatError, match="is damaged"):
        check_same_data(tree, Datasets([again]))
