"""Lists of datasets as files: Gammapy's pair, our own, and what is refused."""

import numpy as np
import pytest

from bayesmap.datasets import (
    DATASET_REGISTRY,
    Datasets,
    FluxPointsDataset,
    MapDataset,
    MapDatasetOnOff,
    SpectrumDataset,
    SpectrumDatasetOnOff,
)
from bayesmap.datasets.registry import Registry
from bayesmap.errors import FormatError, ModelFileError
from bayesmap.estimators import FluxPoints
from tests.golden import golden, shared_path

SPECTRA = ("data", "hess-dl3-dr1-reduced", "crab-spectrum-onoff")


@pytest.fixture(scope="module")
def pair():
    folder = shared_path("data", "yaml_pair")
    return Datasets.read(folder / "datasets.yaml", filename_models=folder / "models.yaml", checksum=True)


def test_golden_pair(pair):
    want = golden("io")["yaml_pair"]
    assert pair.names == want["names"]
    assert [type(dataset).__name__ for dataset in pair] == want["types"]
    assert len(pair.parameters) == want["n_unique_parameters"]
    parameters = list(pair.models.parameters)
    assert len(parameters) == len(want["parameters"])
    by_name = {(entry["model"], entry["name"]): entry for entry in want["parameters"]}
    for model in pair.models:
        for parameter in model.parameters:
            entry = by_name[model.name, parameter.name]
            np.testing.assert_allclose(parameter.quantity.to_value(entry["unit"]), entry["value"])
            assert parameter.frozen == entry["frozen"]
            assert (parameter.prior is None) == (entry["prior"] is None)
    # the Crab lies between pixel centres, where Gammapy's prediction for the map is an average of four
    for name, rtol in (("magic", 1e-4), ("hess-fp", 1e-9), ("crab-map", 3e-3)):
        np.testing.assert_allclose(pair[name].stat_sum(), want["stat_sum_each"][name], rtol=rtol)


def test_pair_comes_back(pair, tmp_path):
    pair.write(tmp_path / "datasets.yaml", filename_models=tmp_path / "models.yaml", checksum=True)
    names = {"crab-map.fits", "pha_obsmagic.fits", "hess-fp.fits", "datasets.yaml", "models.yaml"}
    assert (
        {path.name for path in tmp_path.iterdir()}
        == names
        == set(golden("io")["yaml_pair"]["files"]) - {"models_covariance.dat"}
    )
    for lazy in (False, True):
        got = Datasets.read(tmp_path / "datasets.yaml", tmp_path / "models.yaml", lazy=lazy, checksum=True)
        assert got.names == pair.names
        assert [type(dataset) for dataset in got] == [type(dataset) for dataset in pair]
        assert got.models.names == pair.models.names
        for one, two in zip(got, pair, strict=True):
            np.testing.assert_allclose(one.stat_sum(), two.stat_sum(), rtol=1e-12)


def test_fermi():
    folder = shared_path("data", "fermi-3fhl-crab")
    stem = "Fermi-LAT-3FHL"
    datasets = Datasets.read(folder / f"{stem}_datasets.yaml", filename_models=folder / f"{stem}_models.yaml")
    assert datasets.names == ["Fermi-LAT"]
    assert datasets.models.names == ["Crab Nebula", "Fermi-LAT-bkg"]
    assert "counts" in datasets[0].__dict__
    assert datasets[0].loaded("counts") is None
    assert datasets[0].counts.data.sum() == 3004


def test_every_type_comes_back(tmp_path):
    """A file of each type of dataset."""
    onoff = shared_path("data", "hess-dl3-dr1-reduced", "crab-23523-onoff-ring.fits.gz")
    datasets = Datasets(
        [
            MapDataset.read(shared_path("data", "hess-dl3-dr1-reduced", "crab-23526.fits.gz"), name="a map"),
            MapDatasetOnOff.read(onoff, name="ring"),
            SpectrumDataset.read(shared_path(*SPECTRA, "crab-spec-cash-gadf.fits.gz"), name="cash"),
            SpectrumDatasetOnOff.read(shared_path(*SPECTRA, "pha_obs23523.fits"), name="wstat"),
            FluxPointsDataset(data=FluxPoints.read(shared_path("data", "flux_points", "flux_points.fits")), name="fp"),
        ]
    )
    datasets.write(tmp_path / "list.yaml")
    assert (tmp_path / "a_map.fits").exists()
    got = Datasets.read(tmp_path / "list.yaml")
    assert got.names == datasets.names
    for one, two in zip(got, datasets, strict=True):
        assert type(one) is type(two)
        for name in two.components:
            assert_same(getattr(one, name), getattr(two, name))
        assert one.gti is None or abs(one.gti.time_sum - two.gti.time_sum).to_value("s") < 1e-6
    np.testing.assert_allclose(got["fp"].data.dnde.data, datasets["fp"].data.dnde.data, rtol=1e-13)


def assert_same(one, two):
    assert (one is None) == (two is None)
    if two is None:
        return
    one, two = (getattr(value, "_irf_map", value) for value in (one, two))
    np.testing.assert_array_equal(one.data, two.data)
    assert one.unit == two.unit
    assert one.geom == two.geom
    if "livetime" in two.meta:
        assert abs((one.meta["livetime"] - two.meta["livetime"]).to_value("s")) < 1e-6


def test_to_dict(tmp_path):
    dataset = SpectrumDatasetOnOff.read(shared_path(*SPECTRA, "pha_obs23523.fits"), name="run 1")
    data = {"name": "run 1", "type": "SpectrumDatasetOnOff", "filename": "pha_obsrun_1.fits"}
    assert dataset.to_dict() == data
    assert dataset.to_dict(filename="other.fits")["filename"] == "other.fits"
    dataset.write(tmp_path / "x.fits")
    again = SpectrumDatasetOnOff.from_dict(dataset.to_dict(filename=tmp_path / "x.fits"))
    assert again.name == "run 1"


def test_registry():
    assert {cls.__name__ for cls in DATASET_REGISTRY} >= {
        "MapDataset",
        "MapDatasetOnOff",
        "SpectrumDataset",
        "SpectrumDatasetOnOff",
        "FluxPointsDataset",
    }
    assert DATASET_REGISTRY.get_cls("MapDataset") is MapDataset
    with pytest.raises(KeyError, match="unknown dataset type 'MapDataSet'.*did you mean 'MapDataset'"):
        DATASET_REGISTRY.get_cls("MapDataSet")
    registry = Registry()
    registry.register(MapDataset)
    with pytest.raises(TypeError, match="the tag 'MapDataset' of .* is taken by MapDataset"):
        registry.register(type("Other", (), {"tag": "MapDataset"}))


ENTRY = "- {name: a, type: FluxPointsDataset, filename: a.fits}\n"
REFUSED = {
    "no YAML": ("datasets: [", "bad.yaml, line 1: not valid YAML"),
    "a text": ("just text", "expected a mapping"),
    "no list": ("datasets: 7", "datasets: expected a list, found int"),
    "no datasets": ("metadata: {}", "'datasets' is missing"),
    "unknown key": ("datasets: []\ndatsets: []", "bad.yaml, line 2: unknown key 'datsets' .did you mean 'datasets'"),
    "unknown type": (
        "datasets:\n- {name: a, type: CubeDataset, filename: a.fits}",
        r"datasets\[0\].type: unknown.*'Cube",
    ),
    "no type": ("datasets:\n- {name: a, filename: a.fits}", r"bad.yaml, line 2: datasets\[0\]: key 'type' is missing"),
    "unknown key of a dataset": (
        "datasets:\n- {name: a, type: FluxPointsDataset, filename: a.fits, likelihood: cash}",
        r"datasets\[0\]: unknown key 'likelihood'",
    ),
    "a number as name": (
        "datasets:\n- {name: 7, type: FluxPointsDataset, filename: a.fits}",
        r"\[0\].name: expected a",
    ),
    "missing file": (
        f"datasets:\n{ENTRY}- {{name: b, type: FluxPointsDataset, filename: b.fits}}",
        r"bad.yaml, line 3: datasets\[1\].filename: the data file 'b.fits' of dataset 'b' is neither",
    ),
    "a name twice": (f"datasets:\n{ENTRY}{ENTRY}", r"datasets\[1\].name: there is already a dataset 'a'"),
    "wrong checksum": (f"datasets:\n{ENTRY}checksum: 123", "checksum: the text has .* stored is 123"),
    "code": ("datasets: !!python/object/apply:os.getcwd []", "bad.yaml, line 1: not valid YAML"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what, tmp_path):
    text, message = REFUSED[what]
    data = FluxPoints.read(shared_path("data", "flux_points", "flux_points.fits"))
    FluxPointsDataset(data=data, name="a").write(tmp_path / "a.fits")
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(FormatError, match=message) as caught:
        Datasets.read(tmp_path / "bad.yaml", checksum=True)
    assert "bad.yaml" in str(caught.value)


def test_missing_files(pair, tmp_path):
    with pytest.raises(FileNotFoundError):
        Datasets.read(tmp_path / "nothing.yaml")
    folder = shared_path("data", "yaml_pair")
    with pytest.raises(FileNotFoundError):
        Datasets.read(folder / "datasets.yaml", filename_models=tmp_path / "nothing.yaml")
    (tmp_path / "models.yaml").write_text("components: 7")
    with pytest.raises(ModelFileError, match="components"):
        Datasets.read(folder / "datasets.yaml", filename_models=tmp_path / "models.yaml")


def test_a_wrong_data_file_is_named(tmp_path):
    """A file of another type of dataset."""
    spectrum = SpectrumDatasetOnOff.read(shared_path(*SPECTRA, "pha_obs23523.fits"), name="a")
    spectrum.write(tmp_path / "a.fits")
    for kind in ("MapDataset", "SpectrumDataset", "FluxPointsDataset"):
        (tmp_path / "bad.yaml").write_text(f"datasets:\n- {{name: a, type: {kind}, filename: a.fits}}")
        with pytest.raises(FormatError, match=r"a\.fits"):
            Datasets.read(tmp_path / "bad.yaml", lazy=False)


def test_write_is_all_or_nothing(tmp_path):
    data = FluxPoints.read(shared_path("data", "flux_points", "flux_points.fits"))
    one, two = (FluxPointsDataset(data=data, name=name) for name in ("a b", "a_b"))
    with pytest.raises(ValueError, match="would share the file 'a_b.fits'"):
        Datasets([one, two]).write(tmp_path / "list.yaml")
    (tmp_path / "list.yaml").write_text("precious")
    with pytest.raises(FileExistsError, match="list.yaml"):
        Datasets([one]).write(tmp_path / "list.yaml")
    assert [path.name for path in tmp_path.iterdir()] == ["list.yaml"]
    Datasets([one]).write(tmp_path / "list.yaml", overwrite=True)
    assert Datasets.read(tmp_path / "list.yaml").names == ["a b"]
