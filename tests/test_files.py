"""Files are whole or absent: kills before each step, full disks, leftovers, mixed sets."""

import os
import subprocess
import sys

import numpy as np
import pytest
from astropy.io import fits

from bayesmap import Datasets, MapDataset, Models, SkyModel
from bayesmap._files import beside, checksum_of, whole, write_set, write_text
from bayesmap.datasets import ImageDataset, SpectrumDatasetOnOff
from bayesmap.errors import FormatError
from bayesmap.likelihoods import StudentTLikelihood
from bayesmap.maps import Map, MapAxis, RegionGeom, WcsGeom
from bayesmap.modeling import TemplateSpatialModel
from tests.files import at_every_step, names, with_full_disk
from tests.scenes import empty, gaussian_kernel

AXIS = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
TRUE = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=4, name="energy_true")


def dataset(name, value):
    """A map dataset with ``value`` counts in each bin."""
    geom = WcsGeom.create(npix=4, binsz=0.1, axes=[AXIS])
    return MapDataset(counts=Map.from_geom(geom, data=np.full(geom.data_shape, float(value)), unit=""), name=name)


def spectrum(value):
    """An ON/OFF spectrum with ``value`` ON counts, exposure and OFF counts."""
    geom = RegionGeom.create("icrs;circle(83.63, 22.01, 0.1)", axes=[AXIS])
    made = SpectrumDatasetOnOff.create(geom, energy_axis_true=TRUE, name="run")
    made.counts.data[:], made.counts_off.data[:], made.exposure.data[:] = value, value, value
    made.acceptance.data[:], made.acceptance_off.data[:] = 1, 2
    made.psf, made.exposure.meta["livetime"] = None, "1 s"
    return made


def write_pair(folder, value):
    pair = Datasets([dataset("a", value), dataset("b", value)])
    pair.models = [SkyModel.create("pl", "point", name=f"value-{value}")]
    pair.write(folder / "list.yaml", filename_models=folder / "models.yaml", overwrite=True)


def read_pair(folder):
    """The one value of a pair of datasets."""
    found = {float(value) for d in Datasets.read(folder / "list.yaml") for value in np.unique(d.counts.data)}
    assert len(found) == 1, f"old and new data are mixed: {found}"
    return found.pop()


def write_run(folder, value):
    spectrum(value).write(folder / "run.fits", overwrite=True, format="ogip")


def read_run(folder):
    """The one value of an OGIP set."""
    got = SpectrumDatasetOnOff.read(folder / "run.fits")
    found = {float(m.data.max()) for m in (got.counts, got.counts_off, got.exposure)}
    assert len(found) == 1, f"old and new data are mixed: {found}"
    return found.pop()


def template(value, folder):
    geom = WcsGeom.create(npix=4, binsz=0.1)
    made = Map.from_geom(geom, data=np.full(geom.data_shape, float(value)), unit="sr-1")
    return TemplateSpatialModel(made, normalize=False, filename=str(folder / "template.fits"))


def write_models(folder, value):
    model = SkyModel.create("pl", name="source")
    model = SkyModel(model.spectral_model, template(value, folder), name=f"value-{value}")
    Models([model]).write(folder / "models.yaml", overwrite=True, write_templates=True)


def read_models(folder):
    """The one value of a model file and its template."""
    (model,) = Models.read(folder / "models.yaml")
    found = {float(model.name.removeprefix("value-")), float(model.spatial_model.map.data.max())}
    assert len(found) == 1, f"old and new files are mixed: {found}"
    return found.pop()


def write_images(folder, value):
    image = empty(gaussian_kernel(1.3, 6), shape=(20, 25)).image
    image.image.array = float(value)
    datasets = [ImageDataset(image, psf=gaussian_kernel(value, 6), name=name) for name in ("r", "i")]
    for one in datasets:
        one.likelihood = StudentTLikelihood(one.sigma, nu=value)
    Datasets(datasets).write(folder / "list.yaml", overwrite=True)


def read_images(folder):
    """The one value of two images, their kernels and their likelihoods."""
    found = set()
    for one in Datasets.read(folder / "list.yaml"):
        width = next(v for v in (1, 2, 3) if np.allclose(one.scene_arrays().kernels, gaussian_kernel(v, 6)))
        found |= {float(one.data.max()), one.likelihood.nu, float(width)}
    assert len(found) == 1, f"old and new data are mixed: {found}"
    return found.pop()


SETS = {
    "datasets": (write_pair, read_pair, {"a.fits", "b.fits", "list.yaml", "models.yaml"}),
    "ogip": (write_run, read_run, {"run.fits", "run_arf.fits", "run_bkg.fits", "run_rmf.fits"}),
    "images": (write_images, read_images, {"r.fits", "i.fits", "list.yaml"}),
    "models": (write_models, read_models, {"template.fits", "models.yaml"}),
}


@pytest.mark.parametrize("kind", SETS)
def test_killed_at_every_step(kind, tmp_path):
    """Old or new, never a mixture; the next write leaves the set and nothing else."""
    write, read, files = SETS[kind]
    write(tmp_path, 1)
    seen = set()
    steps = at_every_step(lambda: write(tmp_path, 2), lambda: seen.add(read(tmp_path)))
    assert steps > 10
    assert seen == {1, 2}
    assert read(tmp_path) == 2
    write(tmp_path, 3)
    assert read(tmp_path) == 3
    assert names(tmp_path) == files


def test_first_write_killed(tmp_path):
    """No list, or one that leads to all files."""

    def check():
        assert not (tmp_path / "list.yaml").exists() or read_pair(tmp_path) == 1

    at_every_step(lambda: write_pair(tmp_path, 1), check)
    assert names(tmp_path) == SETS["datasets"][2]


BIG = WcsGeom.create(npix=100, binsz=0.1, axes=[AXIS])


def noise():
    """A map that does not compress."""
    data = np.random.default_rng(1).uniform(size=BIG.data_shape)
    return Map.from_geom(BIG, data=data, unit="")


@pytest.mark.parametrize("name", ["map.fits", "map.fits.gz"])
@pytest.mark.parametrize("old", [False, True])
def test_full_disk(tmp_path, name, old):
    if old:
        dataset("old", 1).counts.write(tmp_path / name)
    text = with_full_disk(lambda: noise().write(tmp_path / name, overwrite=True), 100_000)
    assert f"cannot write {tmp_path / name}: " in text
    assert names(tmp_path) == ({name} if old else set())
    if old:
        assert Map.read(tmp_path / name).data.max() == 1


def test_full_disk_in_a_set(tmp_path):
    """The second of two datasets does not fit: the first is not left either, or the old ones are."""
    big = MapDataset(background=noise(), name="b")
    pair = Datasets([dataset("a", 7), big])
    with_full_disk(lambda: pair.write(tmp_path / "list.yaml"), 100_000)
    assert names(tmp_path) == set()
    write_pair(tmp_path, 1)
    before = names(tmp_path)
    with_full_disk(lambda: pair.write(tmp_path / "list.yaml", overwrite=True), 100_000)
    assert read_pair(tmp_path) == 1
    assert names(tmp_path) == before


def test_mixed_sets_are_noticed(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    for folder, value in ((one, 1), (two, 2)):
        folder.mkdir()
        write_pair(folder, value)
        write_run(folder, value)
    (two / "b.fits").replace(one / "b.fits")
    with pytest.raises(
        FormatError, match=r"list.yaml, line \d+: .*b.fits has the checksum .* not the file that was wr"
    ):
        Datasets.read(one / "list.yaml")
    got = Datasets.read(one / "list.yaml", checksum=False)
    assert [d.counts.data.max() for d in got] == [1, 2]
    (two / "run_arf.fits").replace(one / "run_arf.fits")
    with pytest.raises(
        FormatError, match=r"run_arf.fits has the checksum .* not the ARF file that was written with this"
    ):
        SpectrumDatasetOnOff.read(one / "run.fits")
    fits.delval(one / "run.fits", "BMARFCRC", 1)
    assert SpectrumDatasetOnOff.read(one / "run.fits").exposure.data.max() == 2


def test_replaced_lazy_file(tmp_path):
    path = tmp_path / "a.fits"
    dataset("a", 1).write(path)
    lazy, kept = MapDataset.read(path, lazy=True), MapDataset.read(path, lazy=True, cache=False)
    again = MapDataset.read(path, lazy=True)
    assert again.counts.data.max() == 1
    dataset("a", 2).write(path, overwrite=True)
    os.utime(path, ns=(0, 10**18))
    for one in (lazy, kept):
        with pytest.raises(
            FormatError, match=r"a.fits: HDU 'COUNTS': the file has changed since .* read the dataset agai"
        ):
            one.counts  # noqa: B018
    assert again.counts.data.max() == 1
    path.unlink()
    with pytest.raises(FileNotFoundError):
        lazy.counts  # noqa: B018


@pytest.mark.parametrize("cache", [True, False])
def test_lazy_dataset_over_its_own_file(tmp_path, cache):
    path = tmp_path / "a.fits"
    dataset("a", 1).write(path)
    lazy = MapDataset.read(path, lazy=True, cache=cache)
    lazy.write(path, overwrite=True)
    os.utime(path, ns=(0, 10**18))
    lazy.write(path, overwrite=True) if cache else None
    listed = Datasets.read(*(_listed(tmp_path),), cache=cache)
    listed.write(tmp_path / "list.yaml", overwrite=True)
    for one in (*listed, lazy) if cache else listed:
        one.reset_data_cache()
        assert one.counts.data.max() == 1


def _listed(folder):
    Datasets([dataset("b", 1)]).write(folder / "list.yaml")
    return folder / "list.yaml"


def _fail_inside(path, error):
    with whole(path) as part:
        part.write_text("half")
        raise error


def test_whole_leaves_nothing_on_failure(tmp_path):
    path = tmp_path / "a.txt"
    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error):
            _fail_inside(path, error)
        assert names(tmp_path) == set()
    write_text("old", path)
    path.chmod(0o640)
    write_text("new", path)
    assert path.stat().st_mode & 0o777 == 0o640
    with pytest.raises(FileNotFoundError, match="there is no folder .*missing"):
        write_text("new", tmp_path / "missing" / "a.txt")


def test_whole_follows_links(tmp_path):
    (tmp_path / "far").mkdir()
    write_text("old", tmp_path / "far" / "a.txt")
    (tmp_path / "a.txt").symlink_to(tmp_path / "far" / "a.txt")
    write_text("new", tmp_path / "a.txt")
    assert (tmp_path / "a.txt").is_symlink()
    assert (tmp_path / "far" / "a.txt").read_text() == "new"


def test_leftovers(tmp_path):
    """Those of dead processes go, those of running ones and files of others stay."""
    path = tmp_path / "a.b.fits"
    code = "import sys, bayesmap._files as f; print(f.beside(f.Path(sys.argv[1])).name, f.owned('.a.b.fits') + '.part')"
    dead = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True).stdout
    new, part = dead.split()
    assert new.startswith("a.")
    assert new.endswith(".new.b.fits")
    (tmp_path / part).mkdir()
    (tmp_path / part / path.name).write_text("half")
    (tmp_path / new).write_text("complete")
    own = beside(path)
    stays = {own.name, "a.new.b.fits", ".a.b.fits.part"}
    for name in stays:
        (tmp_path / name).write_text("mine")
    write_text("x", path)
    assert names(tmp_path) == {*stays, new, path.name}  # a list may still name the complete one
    write_set({path: lambda p: p.write_text("y")}, tmp_path / "list", lambda p, places: p.write_text(str(len(places))))
    assert names(tmp_path) == {*stays, path.name, "list"}
    assert path.read_text() == "y"


def test_no_links(tmp_path, monkeypatch):
    """A file system without them: copies."""
    write_pair(tmp_path, 1)
    monkeypatch.setattr(os, "link", lambda *args: (_ for _ in ()).throw(OSError("no links here")))
    write_pair(tmp_path, 2)
    assert read_pair(tmp_path) == 2
    assert names(tmp_path) == SETS["datasets"][2]


def test_checksum_of(tmp_path):
    """CRC-32 of "123456789" is CBF43926, the check value of the algorithm."""
    (tmp_path / "a").write_bytes(b"123456789")
    assert checksum_of(tmp_path / "a") == "cbf43926"


def test_templates_of_one_name(tmp_path):
    models = Models([SkyModel.create("pl", name="one"), SkyModel.create("pl", name="two")])
    models = Models([SkyModel(m.spectral_model, template(i, tmp_path), name=m.name) for i, m in enumerate(models, 1)])
    with pytest.raises(ValueError, match=r"two templates with different maps would share the file .*template.fits"):
        models.write(tmp_path / "models.yaml", write_templates=True)
    assert names(tmp_path) == set()
    same = Models([SkyModel(m.spectral_model, template(1, tmp_path), name=m.name) for m in models])
    same.write(tmp_path / "models.yaml", write_templates=True)
    assert names(tmp_path) == {"template.fits", "models.yaml"}
    with pytest.raises(FileExistsError, match=r"template.fits, .*models.yaml exists"):
        same.write(tmp_path / "models.yaml", write_templates=True)
