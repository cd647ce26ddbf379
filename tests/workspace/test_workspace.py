"""Workspaces: what is kept, what is refused, and that no kill costs what was reported as saved."""

import json
import os
import random
import shutil
import signal
import time
import warnings

import numpy as np
import pytest
import xarray as xr
from astropy.table import QTable, Table

from bayesmap import SkyModel, Workspace
from bayesmap.datasets import Datasets
from bayesmap.errors import FormatError
from bayesmap.likelihoods import NegativeBinomialLikelihood
from bayesmap.maps import Map, WcsGeom
from bayesmap.modeling import EBLAbsorptionNormSpectralModel, PowerLawSpectralModel
from bayesmap.workspace.folder import _sha256
from tests.files import at_every_step, names
from tests.fuzz.samples import write_xspec
from tests.plot.conftest import make_dataset
from tests.results import made_up_result


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A dataset and its models in files."""
    folder = tmp_path_factory.mktemp("files")
    dataset = make_dataset()
    dataset.write(folder / "tiny.fits")
    dataset.models.write(folder / "models.yaml")
    return folder


@pytest.fixture(scope="module")
def trees():
    """Two results of it."""
    made = [made_up_result(make_dataset(), seed=seed) for seed in (1, 2)]
    for seed, tree in enumerate(made):
        tree.attrs["seed"] = seed
    return made


@pytest.fixture
def workspace(files, tmp_path):
    return Workspace.create(tmp_path / "crab", files / "tiny.fits", files / "models.yaml")


def test_create_and_open(workspace, files):
    again = Workspace.open(workspace.path)
    assert names(workspace.path) == {"workspace.json", "models.yaml"}
    assert again.models.names == ["source", "tiny-bkg"]
    assert again.datasets.names == ["tiny"]
    assert again.datasets.models.names == again.models.names
    np.testing.assert_array_equal(again.datasets[0].counts.data, make_dataset().counts.data)
    assert not again.has_posterior
    assert again.changed_files == []
    assert repr(again) == f"<Workspace '{workspace.path}': tiny; no posterior; 0 products>"
    assert "source, tiny-bkg; 5 free parameters" in str(again)
    assert "bayesmap 0.1.0" in str(again)
    with pytest.raises(ValueError, match=r"no posterior yet: call sample\(\)"):
        again.posterior  # noqa: B018
    with pytest.raises(FileExistsError, match="is not empty"):
        Workspace.create(workspace.path, files / "tiny.fits", files / "models.yaml")
    with pytest.raises(FileNotFoundError, match="holds no workspace"):
        Workspace.open(files)


def test_a_dataset_gets_a_name(files, tmp_path):
    model = SkyModel.create("pl", name="only")
    model.datasets_names = ["mine"]
    workspace = Workspace.create(tmp_path / "w", files / "tiny.fits", model, name="mine")
    assert Workspace.open(workspace.path).datasets.models.names == ["only"]
    with pytest.raises(ValueError, match="the name 'mine' is for a dataset in a file"):
        Workspace.create(tmp_path / "v", make_dataset(), model, name="mine")


def test_data_given_as_objects_are_kept(tmp_path):
    dataset = make_dataset()
    workspace = Workspace.create(tmp_path / "new" / "w", dataset, dataset.models)
    moved = shutil.move(workspace.path, tmp_path / "elsewhere")
    again = Workspace.open(moved)
    np.testing.assert_array_equal(again.datasets[0].counts.data, dataset.counts.data)
    dataset.likelihood = NegativeBinomialLikelihood(0.1)
    with (
        pytest.warns(UserWarning, match="files do not hold its likelihood"),
        pytest.raises(
            ValueError, match=r"files do not hold the data as they are: dataset 'tiny' differs in likelihood"
        ),
    ):
        Workspace.create(tmp_path / "other", dataset, dataset.models)
    assert names(tmp_path) == {"new", "elsewhere"}


def test_templates_are_found_from_anywhere(files, tmp_path, monkeypatch):
    geom = WcsGeom.create(npix=4, binsz=0.1)
    Map.from_geom(geom, data=np.ones(geom.data_shape), unit="sr-1").write(tmp_path / "template.fits")
    (tmp_path / "models.yaml").write_text(
        "components:\n- name: cloud\n  type: SkyModel\n  spectral: {type: pl}\n"
        "  spatial: {type: template, filename: template.fits}\n"
    )
    monkeypatch.chdir(tmp_path)
    workspace = Workspace.create("w", files / "tiny.fits", "models.yaml")
    monkeypatch.chdir(files)
    cloud = Workspace(tmp_path / "w").models["cloud"]
    assert cloud.spatial_model.filename == str(tmp_path / "template.fits")
    assert workspace.path.name == "w"


def test_changed_files_of_models_are_named(files, tmp_path, monkeypatch):
    """At any depth: here the table of an absorption, which is a factor of the spectrum."""
    monkeypatch.chdir(tmp_path)
    write_xspec(tmp_path)
    absorption = EBLAbsorptionNormSpectralModel.read("table.fits", redshift=0.1)
    model = SkyModel(PowerLawSpectralModel() * absorption, name="source")
    workspace = Workspace.create(tmp_path / "w", files / "tiny.fits", [model])
    monkeypatch.chdir(files)
    assert workspace.changed_files == []
    assert workspace.models["source"].spectral_model.model2.filename == str(tmp_path / "table.fits")
    workspace = Workspace.open(tmp_path / "w")
    (tmp_path / "table.fits").write_bytes(b"other")
    assert workspace.changed_files == [tmp_path / "table.fits"]
    with pytest.warns(UserWarning, match=r"have changed or are missing: .*table\.fits"):
        Workspace.open(tmp_path / "w")
    with pytest.raises(ValueError, match=r"files of the models are missing, or have changed .*table\.fits"):
        workspace.datasets  # noqa: B018 (reading it is what fails)


def test_models_of_other_datasets_are_refused(files, tmp_path):
    model = SkyModel.create("pl", name="far")
    model.datasets_names = ["elsewhere"]
    with pytest.raises(ValueError, match=r"model 'far' is for the dataset\(s\) \['elsewhere'\], there is \['tiny'\]"):
        Workspace.create(tmp_path / "w", files / "tiny.fits", model)
    assert names(tmp_path) == set()


def test_posterior(workspace, trees):
    workspace.set_posterior(trees[0])
    again = Workspace.open(workspace.path)
    xr.testing.assert_equal(again.posterior["posterior"].to_dataset(), trees[0]["posterior"].to_dataset())
    assert "posterior of 2 chains of 60 draws" in repr(again)
    with pytest.raises(FileExistsError, match=r"add_draws\(\) adds to it, overwrite=True"):
        again.set_posterior(trees[1])
    again.set_posterior(trees[1], overwrite=True)
    assert workspace.posterior.attrs["seed"] == 1
    assert len(list(workspace.path.glob("posterior.*"))) == 1
    workspace.merge(trees[0])
    assert dict(Workspace.open(workspace.path).posterior["posterior"].sizes) == {"chain": 4, "draw": 60}
    with pytest.raises(ValueError, match="same seed"):
        workspace.merge(trees[0])
    assert workspace.posterior["posterior"].sizes["chain"] == 4


def test_sample_and_add_draws(workspace, trees, monkeypatch):
    """Arguments, seeds, and draws that cannot be merged: the sampler itself is tested elsewhere."""
    asked = []

    def sampled(datasets, **options):
        asked.append(options)
        tree = made_up_result(datasets, chains=options["chains"], draws=options["draws"], seed=len(asked))
        tree.attrs["seed"] = int(options["random_state"])
        return tree

    monkeypatch.setattr("bayesmap.workspace.workspace.sample", sampled)
    with pytest.raises(ValueError, match="no posterior yet"):
        workspace.add_draws()
    workspace.sample(draws=50, chains=2, random_state=7)
    with pytest.raises(FileExistsError, match="add_draws"):
        workspace.sample(draws=50, chains=2, random_state=7)
    merged = workspace.add_draws(chains=3, sampler="nutpie")
    assert asked[1] == {"draws": 50, "chains": 3, "random_state": asked[1]["random_state"], "sampler": "nutpie"}
    assert asked[1]["random_state"] != 7
    assert merged["posterior"].sizes["chain"] == 5
    assert Workspace.open(workspace.path).posterior["posterior"].sizes["chain"] == 5
    assert workspace.add_draws(chains=1)["posterior"].sizes["chain"] == 6
    assert len({options["random_state"] for options in asked}) == 3
    with pytest.raises(TypeError, match="as long as those that are there"):
        workspace.add_draws(draws=10)
    with pytest.raises(ValueError, match=r"same seed, 7, .* kept as the product 'new draws'"):
        workspace.add_draws(chains=2, random_state=7)
    assert workspace.products["new draws"]["posterior"].sizes["chain"] == 2


def test_results_of_other_data_or_models_are_refused(workspace):
    dataset = make_dataset()
    dataset.counts.data[0, 0, 0] += 1
    with pytest.raises(ValueError, match="not the data of the result: dataset 'tiny' differs in counts"):
        workspace.set_posterior(made_up_result(dataset))
    dataset = make_dataset()
    dataset.models["source"].spectral_model.index.frozen = True
    with pytest.raises(ValueError, match=r"of other models: \['source.index'\]"):
        workspace.set_posterior(made_up_result(dataset))
    dataset.models = [dataset.models["source"].copy(name="third"), *make_dataset().models]
    with pytest.raises(ValueError, match=r"of other models: \['third'\]"):
        workspace.set_posterior(made_up_result(dataset))
    assert not workspace.has_posterior


def test_products(workspace, trees):
    products = workspace.products
    table = QTable({"energy": [1.0, 2.0]}, meta={"a": 1})
    products["flux points"] = table
    products["draws / all"] = trees[0]
    geom = WcsGeom.create(npix=4, binsz=0.1)
    products["map"] = Map.from_geom(geom, data=np.arange(16.0).reshape(4, 4), unit="s")
    again = Workspace.open(workspace.path).products
    assert list(again) == ["flux points", "draws / all", "map"]
    assert len(again) == 3
    assert list(again["flux points"]["energy"]) == [1.0, 2.0]
    assert again["flux points"].meta["a"] == 1
    assert again["draws / all"].attrs["seed"] == 0
    assert again["map"].unit == "s"
    products["flux points"] = table[:1]
    assert len(again["flux points"]) == 1
    del products["map"]
    assert sorted(path.suffix for path in (workspace.path / "products").iterdir()) == [".ecsv", ".nc"]
    with pytest.raises(KeyError, match=r"no product 'flux pints' \(did you mean 'flux points'\?\)"):
        again["flux pints"]
    with pytest.raises(TypeError, match="keeps tables .*, trees .* and maps .*, got dict"):
        products["x"] = {}
    with pytest.raises(TypeError, match="must be a text"):
        products[""] = table
    assert "products  flux points (table, 1 rows), draws / all (tree, observed_data, posterior" in str(workspace)


def test_units_and_masks_of_tables_are_kept(workspace):
    table = Table({"flux": [1.0, 2.0], "n": [3, 4]}, masked=True)
    table["flux"].unit, table["flux"].mask[1] = "cm-2 s-1", True
    workspace.products["t"] = table
    back = workspace.products["t"]
    assert back["flux"].unit == "cm-2 s-1"
    assert list(back["flux"].mask) == [False, True]


def test_check_and_report(workspace, trees):
    workspace.set_posterior(trees[0])
    checks = workspace.check()
    kept = workspace.products["checks"]
    assert list(kept["p"]) == list(checks.table()["p"])
    assert kept.meta["sentences"] == checks.sentences
    page = workspace.report()
    assert page == workspace.path / "report" / "report.html"
    assert "crab: source, tiny-bkg" in page.read_text(encoding="utf-8")
    assert "earlier posterior" not in str(Workspace.open(workspace.path))
    workspace.merge(trees[1])
    assert "report/report.html, of an earlier posterior" in str(workspace)
    assert "checks (table" in str(workspace)


def test_changed_data_are_named(files, tmp_path, trees):
    pair = Datasets([make_dataset(), make_dataset().copy(name="two")])
    pair.write(tmp_path / "list.yaml")
    workspace = Workspace.create(tmp_path / "w", tmp_path / "list.yaml", files / "models.yaml")
    changed = make_dataset().copy(name="two")
    changed.background.data *= 1.1
    changed.write(tmp_path / "two.fits", overwrite=True)
    with pytest.warns(UserWarning, match=r"have changed or are missing: .*/two\.fits\. Its posterior"):
        workspace = Workspace.open(workspace.path)
    assert [path.name for path in workspace.changed_files] == ["two.fits"]
    assert "changed or missing: two.fits" in str(workspace)
    with pytest.raises(FormatError, match="checksum"):  # of the list
        workspace.datasets  # noqa: B018
    pair[1] = changed
    pair.write(tmp_path / "list.yaml", overwrite=True)
    with pytest.raises(ValueError, match="have changed since .*: dataset 'two' differs in background. Put"):
        workspace.sample()
    (tmp_path / "list.yaml").unlink()
    assert [path.name for path in workspace.changed_files] == ["list.yaml"]
    with pytest.raises(FileNotFoundError, match="the data of the workspace .* are not there"):
        workspace.datasets  # noqa: B018


@pytest.mark.parametrize("what", ["workspace.json", "models.yaml", "posterior", "t"])
@pytest.mark.parametrize("damage", ["truncated", "missing", "changed"])
def test_damaged_workspaces(workspace, trees, what, damage):
    workspace.set_posterior(trees[0])
    workspace.products["t"] = Table({"x": [1, 2]})
    files = [path for path in workspace.path.rglob("*") if path.is_file()]
    [path] = [path for path in files if path.name == what or path.name.startswith(f"{what}.ws-")]
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(content[: len(content) // 2] if damage == "truncated" else content.replace(b"1", b"2"))
    error = FileNotFoundError if (what, damage) == ("workspace.json", "missing") else FormatError
    with pytest.raises(error, match=what if what.endswith(("json", "yaml")) else rf"{what}.*\.ws-"):
        Workspace.open(workspace.path)
    if what == "t":
        left = Workspace.open(workspace.path, check=False)
        assert left.posterior.attrs["seed"] == 0
        with pytest.raises(FormatError, match="the product 't'"):
            left.products["t"]


def test_manifests_lead_nowhere_else_and_say_their_version(workspace, files):
    path = workspace.path / "workspace.json"
    text = path.read_text()
    for changes, message in (
        ({"version": 9}, "a newer bayesmap wrote it"),
        ({"format": "study"}, "does not describe a workspace"),
        ({"models": {"file": "../models.yaml", "checksum": "0", "shown": ""}}, "which is not in this folder"),
        ({"models": {"file": str(files / "models.yaml"), "checksum": "0", "shown": ""}}, "which is not in this folder"),
        ({"products": {"t": {}}}, "is damaged: KeyError"),
        ({"products": []}, "is damaged"),
        ({"data": None}, "is damaged"),
        ({"posterior": {"file": "posterior.nc"}}, "lacks its file or checksum"),
        ({"version": float("inf")}, "is damaged or truncated"),
        ({"models": {"file": 300 * "m", "checksum": "0", "shown": ""}}, "a path is no text or too long"),
        ({"head": {"versions": {}}}, "when and with which versions"),
    ):
        content = {**json.loads(text), **changes}
        content.pop("sha256")
        path.write_text(json.dumps({**content, "sha256": _sha256(content)}))
        with pytest.raises(FormatError, match=message):
            Workspace.open(workspace.path)


# -- kills ----------------------------------------------------------------------------------------------------------


def test_creation_is_killed_at_every_step(files, tmp_path):
    """No workspace, or a whole one; then a new attempt leaves nothing else."""

    def check():
        if (tmp_path / "w").exists():
            assert Workspace.open(tmp_path / "w").models.names == ["source", "tiny-bkg"]
            shutil.rmtree(tmp_path / "w")

    data = Datasets([make_dataset()])
    at_every_step(lambda: Workspace.create(tmp_path / "w", data, files / "models.yaml"), check)
    Workspace.create(tmp_path / "w", files / "tiny.fits", files / "models.yaml")
    assert names(tmp_path) == {"w"}


def test_changes_are_killed_at_every_step(workspace, trees):
    """Old or new posterior and product, each whole; the next change leaves the files that are named and no other."""
    small = [tree["posterior"].to_dataset()[["source.index"]] for tree in trees]
    small = [xr.DataTree.from_dict({"posterior": data}) for data in small]
    workspace.set_posterior(trees[0])
    workspace.products["tree"], workspace.products["stays"] = small[0], Table({"x": [5]})
    seen = set()

    def change():
        workspace.set_posterior(trees[1], overwrite=True)
        workspace.products["tree"] = small[1]

    def check():
        found = Workspace.open(workspace.path)
        draws = found.products["tree"]["posterior"]["source.index"].values
        [number] = [i for i, tree in enumerate(small) if np.array_equal(tree["posterior"]["source.index"], draws)]
        seen.add((int(found.posterior.attrs["seed"]), number))
        assert found.products["stays"]["x"][0] == 5

    assert at_every_step(change, check) > 10
    assert seen == {(0, 0), (1, 0), (1, 1)}
    workspace.products["tree"] = small[0]
    shown = [path for path in workspace.path.rglob("*") if path.is_file()]
    assert len(shown) == 6, "manifest, lock, models, posterior, two products"


@pytest.mark.slow
def test_killed_at_200_random_moments(workspace, trees):
    """A process that saves without end is killed 200 times: what it said it had saved is there, whole."""
    workspace.set_posterior(trees[0])
    chance, saved, posterior = random.Random(1), {}, 0
    kills = 0
    while kills < 200:
        read, write = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # there may be threads; the child only writes files
            child = os.fork()
        if not child:
            try:
                number = chance.randrange(10**9) + kills
                while True:
                    number += 1
                    name = f"p{number % 5}"
                    workspace.products[name] = Table({"x": np.full(1000, number)})
                    os.write(write, f"{name} {number}\n".encode())
                    workspace.set_posterior(trees[number % 2], overwrite=True)
                    os.write(write, f"posterior {number % 2}\n".encode())
            finally:
                os._exit(1)
        os.close(write)
        time.sleep(chance.uniform(0.02, 0.5))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        with open(read, encoding="utf-8") as stream:
            lines = [line.split() for line in stream.read().splitlines()]
        for name, number in lines:
            if name == "posterior":
                posterior = int(number)
            else:
                saved[name] = int(number)
        last = lines[-1][0] if lines else None
        found = Workspace.open(workspace.path)
        values = {name: np.unique(found.products[name]["x"]) for name in saved}
        assert all(len(value) == 1 for value in values.values())
        # one change may have been complete and not yet reported
        later = [name for name, number in saved.items() if values[name][0] != number]
        assert len(later) <= 1
        seed = int(found.posterior.attrs["seed"])
        assert seed == posterior or last != "posterior"
        saved |= {name: int(value[0]) for name, value in values.items()}
        posterior = seed
        kills += 1
    assert len(saved) == 5
