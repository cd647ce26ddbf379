import numpy as np
import pytest

from bayesmap.datasets import Datasets, MapDataset
from bayesmap.modeling import FoVBackgroundModel, Models
from tests.datasets.conftest import point_model


@pytest.fixture
def pair(dataset):
    return Datasets([dataset, dataset.copy(name="other")])


def test_access_by_index_name_and_slice(pair):
    assert pair.names == ["tiny", "other"]
    assert pair["other"] is pair[1]
    assert pair[-1] is pair[1]
    assert pair[:1].names == ["tiny"]
    assert "other" in pair
    assert pair[0] in pair
    assert pair.index("other") == 1


def test_unknown_name_offers_the_valid_ones(pair):
    with pytest.raises(KeyError, match="did you mean 'tiny'"):
        pair["tinny"]
    with pytest.raises(IndexError):
        pair[2]


def test_list_operations(pair):
    pair.remove("tiny")
    assert pair.names == ["other"]
    pair.append(pair[0].copy(name="third"))
    pair.insert(0, pair[0].copy(name="zeroth"))
    assert pair.names == ["zeroth", "other", "third"]
    del pair["other"]
    assert pair.names == ["zeroth", "third"]


def test_duplicate_names_are_refused(dataset):
    with pytest.raises(ValueError, match="already a dataset named 'tiny'"):
        Datasets([dataset, dataset.copy(name="tiny")])
    datasets = Datasets([dataset, dataset.copy(name="b")])
    with pytest.raises(ValueError, match="must be unique"):
        datasets[1] = dataset.copy(name="tiny")
    datasets[1] = dataset.copy(name="b")


def test_only_datasets_are_accepted(dataset):
    with pytest.raises(TypeError, match="expected a dataset, got int"):
        Datasets([dataset, 3])


def test_single_dataset_is_accepted(dataset):
    assert Datasets(dataset).names == ["tiny"]


def test_models_go_to_their_datasets(plain):
    datasets = Datasets([plain, plain.copy(name="other")])
    shared, own = point_model("shared"), point_model("own")
    own.datasets_names = ["other"]
    datasets.models = [shared, own, FoVBackgroundModel(dataset_name="tiny")]
    assert datasets["tiny"].models.names == ["shared", "tiny-bkg"]
    assert datasets["other"].models.names == ["shared", "own"]
    assert datasets.models.names == ["shared", "tiny-bkg", "own"]


def test_parameters_count_linked_ones_once(plain):
    datasets = Datasets([plain, plain.copy(name="other")])
    one, two = point_model("one"), point_model("two")
    two.spectral_model.index = one.spectral_model.index
    datasets.models = [one, two]
    assert len(datasets.parameters) == 9


def test_stat_sum_is_the_sum(pair):
    np.testing.assert_allclose(pair.stat_sum(), sum(d.stat_sum() for d in pair))


def test_copy_keeps_shared_models_shared(pair):
    source = point_model("shared")
    pair.models = [source]
    copies = pair.copy()
    assert copies.names == pair.names
    assert copies[0].models["shared"] is copies[1].models["shared"]
    assert copies[0].models["shared"] is not source


def test_info_table(pair):
    table = pair.info_table()
    assert list(table["name"]) == ["tiny", "other"]
    assert table["livetime"].unit == "s"
    assert table["counts"][0] == pair[0].counts.data.sum()


def test_str_lists_the_datasets(pair):
    text = str(pair)
    assert text.startswith("Datasets\n--------\n\nDataset 0: \n\n  Type       : MapDataset\n  Name       : tiny\n")
    assert "Models     : ['source', 'tiny-bkg']" in text


def test_models_of_empty_datasets():
    assert isinstance(Datasets().models, Models)
    assert Datasets().stat_sum() == 0


def test_models_may_be_unset(plain):
    plain.models = point_model()
    assert plain.models.names == ["source"]
    plain.models = None
    assert plain.models is None
    assert isinstance(plain, MapDataset)
