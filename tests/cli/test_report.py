"""`bayesmap report`: the report of a stored result, refused for other data."""

import pytest

from bayesmap import load, save
from bayesmap.datasets import MapDataset
from bayesmap.likelihoods import NegativeBinomialLikelihood
from tests.cli.test_cli import run
from tests.plot.conftest import make_dataset
from tests.results import made_up_result


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A dataset and a result of it."""
    folder = tmp_path_factory.mktemp("files")
    dataset = make_dataset()
    dataset.write(folder / "tiny.fits.gz")
    save(made_up_result(dataset), folder / "posterior.nc")
    return folder


def test_report_again(files, tmp_path, capsys):
    code, out, err = run(capsys, "report", files / "posterior.nc", files / "tiny.fits.gz", "-o", tmp_path / "new")
    assert (code, err) == (0, "")
    page = tmp_path / "new" / "report.html"
    assert out == f"Wrote {page}\n"
    text = page.read_text(encoding="utf-8")
    assert "tiny.fits.gz: source, tiny-bkg" in text
    assert text.count("data:image/png;base64,") == len(list(page.parent.glob("*.png"))) > 5
    assert "Is the model right?" in text
    assert page.stat().st_size < 5e6


def test_it_lies_beside_the_result(files, tmp_path, capsys):
    (tmp_path / "posterior.nc").write_bytes((files / "posterior.nc").read_bytes())
    assert run(capsys, "report", tmp_path / "posterior.nc", files / "tiny.fits.gz")[0] == 0
    assert (tmp_path / "report.html").is_file()
    assert load(tmp_path / "posterior.nc").attrs["datasets"] == "tiny"


def changed_counts(dataset):
    dataset.counts.data[0, 0, 0] += 1


def changed_responses(dataset):
    dataset.exposure.data *= 1.01
    dataset.psf = None


@pytest.mark.parametrize(("change", "parts"), [(changed_counts, "counts"), (changed_responses, "exposure, psf")])
def test_other_data_are_named(files, tmp_path, capsys, change, parts):
    dataset = MapDataset.read(files / "tiny.fits.gz", name="tiny")
    change(dataset)
    dataset.write(tmp_path / "other.fits")
    code, _, err = run(capsys, "report", files / "posterior.nc", tmp_path / "other.fits", "-o", tmp_path / "out")
    assert code == 2
    assert f"these are not the data of the result: dataset 'tiny' differs in {parts}. Give" in err
    assert not (tmp_path / "out").exists()


def test_a_likelihood_that_files_do_not_hold_is_named(files, tmp_path, capsys):
    dataset = make_dataset()
    dataset.likelihood = NegativeBinomialLikelihood(0.1)
    save(made_up_result(dataset), tmp_path / "posterior.nc")
    code, _, err = run(capsys, "report", tmp_path / "posterior.nc", files / "tiny.fits.gz", "-o", tmp_path / "out")
    assert code == 2
    assert "likelihood (NegativeBinomialLikelihood(dispersion=0.1) then, PoissonLikelihood() now)" in err


@pytest.mark.filterwarnings("default:the result does not say what data")
def test_results_that_say_too_little(files, tmp_path, capsys):
    tree = load(files / "posterior.nc")
    for key, message in (("data_digests", "whether these are the same is not known"), ("models", "does not describe")):
        tree.attrs = {k: v for k, v in tree.attrs.items() if k != key}
        save(tree, tmp_path / "posterior.nc")
        code, _, err = run(capsys, "report", tmp_path / "posterior.nc", files / "tiny.fits.gz", "-o", tmp_path / "out")
        assert message in err
        assert code == (2 if key == "models" else 0)
