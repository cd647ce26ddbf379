"""Images in files: a file of the image with settings in it, alone and in lists of datasets."""

import json

import numpy as np
import pytest
from astropy.io import fits

from bayesmap.cli.main import main
from bayesmap.datasets import Datasets, FluxPointsDataset, ImageDataset, open_datasets
from bayesmap.errors import FormatError
from bayesmap.estimators import FluxPoints
from bayesmap.images import Box, CellCoadd, MaskedImage
from bayesmap.likelihoods import GaussianLikelihood, StudentTLikelihood
from bayesmap.modeling import Parameter, PointSpatialModel, Prior
from tests.golden import shared_path
from tests.images.test_read import assert_equal
from tests.scenes import at, empty, gaussian_kernel, source, stored_coadd, true_models


def part_of_coadd():
    return stored_coadd()[Box.from_shape((30, 30), (13095, 9800))]


def coadd_dataset():
    dataset = ImageDataset(part_of_coadd(), true_models([0]), name="coadd")
    dataset.mask_fit = np.indices(dataset.data.shape).sum(axis=0) % 3 > 0
    return dataset


def image_dataset():
    """An image in microjansky with a kernel of its own, and pixels that the user does not trust."""
    part = part_of_coadd()
    values, variance = part.image.array / 1000, part.variance.array / 1e6
    image = type(part.image)(values, bbox=part.bbox, unit="uJy", projection=part.projection)
    image = MaskedImage(image, mask=part.mask, variance=type(image)(variance, bbox=part.bbox, unit="uJy2"))
    dataset = ImageDataset(image, true_models([0]), psf=gaussian_kernel(1.4, 9)[:, 2:-2], name="image")
    dataset.mask_safe[:4] = False
    return dataset


LIKELIHOODS = {
    "default": lambda dataset: None,
    "free scale": lambda dataset: GaussianLikelihood(dataset.sigma, scale="free"),
    "one number": lambda dataset: GaussianLikelihood(12.5, scale=1.25),
    "an array": lambda dataset: StudentTLikelihood(20 + np.arange(30.0), nu=3.5),
}


@pytest.mark.parametrize("make", [coadd_dataset, image_dataset])
@pytest.mark.parametrize("kind", LIKELIHOODS)
def test_comes_back(make, kind, tmp_path):
    dataset = make()
    dataset.likelihood = LIKELIHOODS[kind](dataset)
    dataset.write(tmp_path / "a.fits")
    again = ImageDataset.read(tmp_path / "a.fits")
    assert (again.name, again.models, again.mask_planes) == (dataset.name, None, dataset.mask_planes)
    assert type(again.image) is type(dataset.image)
    assert again.image.unit == dataset.image.unit
    assert again.image.mask == dataset.image.mask
    for key in ("data", "variance", "mask_safe", "mask"):
        np.testing.assert_array_equal(getattr(again, key), getattr(dataset, key))
    assert (again.mask_fit is None) == (dataset.mask_fit is None)
    assert repr(again.likelihood) == repr(dataset.likelihood)
    np.testing.assert_array_equal(again.likelihood.sigma, dataset.likelihood.sigma)
    again.models = dataset.models
    assert again.stat_sum() == dataset.stat_sum()
    np.testing.assert_array_equal(again.npred().array, dataset.npred().array)


def test_in_a_list(tmp_path):
    """With other data, and models that two images share."""
    points = FluxPointsDataset(data=FluxPoints.read(shared_path("data", "flux_points", "flux_points.fits")), name="fp")
    datasets = Datasets([coadd_dataset(), points, image_dataset()])
    datasets.models = true_models([0])
    datasets["fp"].models = None
    datasets.write(tmp_path / "list.yaml", filename_models=tmp_path / "models.yaml", checksum=True)
    again = Datasets.read(tmp_path / "list.yaml")
    assert again.names == datasets.names
    assert [type(dataset) for dataset in again] == [type(dataset) for dataset in datasets]
    for dataset in (again["coadd"], again["image"]):
        dataset.models = true_models([0])
        assert dataset.stat_sum() == datasets[dataset.name].stat_sum()
    datasets.write(tmp_path / "list.yaml", filename_models=tmp_path / "models.yaml", overwrite=True)
    assert {path.name for path in tmp_path.iterdir()} == {
        "list.yaml",
        "models.yaml",
        "coadd.fits",
        "fp.fits",
        "image.fits",
    }
    coadd_dataset().image.write_fits(tmp_path / "other.fits")
    (tmp_path / "other.fits").replace(tmp_path / "coadd.fits")
    with pytest.raises(FormatError, match=r"list.yaml, line \d+: .*coadd.fits has the checksum"):
        Datasets.read(tmp_path / "list.yaml")


def test_file_of_an_image(tmp_path):
    """A file of a dataset is one of its image, and that of a coadd alone makes a dataset."""
    dataset = coadd_dataset()
    dataset.write(tmp_path / "dataset.fits")
    assert_equal(CellCoadd.read_fits(tmp_path / "dataset.fits"), dataset.image)
    path = shared_path("data", "cellcoadd", "coadd.fits")
    (opened,) = open_datasets(path, name="c")
    np.testing.assert_array_equal(opened.mask, ImageDataset(stored_coadd()).mask)
    assert opened.name == "c"
    (tmp_path / "list.yaml").write_text(f"datasets:\n- {{name: r, type: ImageDataset, filename: {path}}}\n")
    assert Datasets.read(tmp_path / "list.yaml")["r"].mask.sum() == opened.mask.sum()


class OwnLikelihood(GaussianLikelihood):
    pass


def test_what_is_not_written(tmp_path):
    dataset = coadd_dataset()
    dataset.likelihood = OwnLikelihood(dataset.sigma)
    with pytest.raises(ValueError, match="'coadd'.*GaussianLikelihood or StudentTLikelihood, not a OwnLikelihood"):
        Datasets([image_dataset(), dataset]).write(tmp_path / "list.yaml")
    scale = Parameter("errors", 1.2, prior=Prior("LogNormal", mu=0.0, sigma=0.3))
    dataset.likelihood = GaussianLikelihood(dataset.sigma, scale=scale)
    with pytest.raises(ValueError, match="'coadd': the scale of its GaussianLikelihood is a parameter"):
        dataset.write(tmp_path / "a.fits")
    dataset.likelihood = None
    dataset.data[3, 4] += 1
    with pytest.raises(ValueError, match="'coadd': its data differ from those of its image"):
        dataset.write(tmp_path / "a.fits")
    with pytest.raises(ValueError, match="a.fits.gz"):
        image_dataset().write(tmp_path / "a.fits.gz")
    assert not list(tmp_path.iterdir())
    image_dataset().write(tmp_path / "a.fits")
    before = (tmp_path / "a.fits").read_bytes()
    with pytest.raises(FileExistsError, match="a.fits exists"):
        image_dataset().write(tmp_path / "a.fits")
    with pytest.raises(ValueError, match="its data differ"):
        dataset.write(tmp_path / "a.fits", overwrite=True)
    assert (tmp_path / "a.fits").read_bytes() == before


def changed(path, change):
    """Change the settings in a file."""
    with fits.open(path, mode="update") as hdulist:
        tree = json.loads(hdulist["DATASET"].data["JSON"][0].tobytes())
        change(tree)
        content = np.empty(1, dtype=object)
        content[0] = np.frombuffer(json.dumps(tree).encode(), dtype="uint8")
        column = fits.Column("JSON", f"PB({len(content[0])})", array=content)
        hdulist["DATASET"] = fits.BinTableHDU.from_columns([column], name="DATASET")


WRONG = {
    "a newer version": (lambda t: t.update(version=2), "version: 2 should be 1 or less"),
    "no version": (lambda t: t.pop("version"), "version is missing"),
    "an unknown plane": (lambda t: t.update(mask_planes=["BADD"]), "no plane 'BADD'.*did you mean 'BAD'"),
    "an unknown likelihood": (lambda t: t["likelihood"].update(type="Cash"), "likelihood.type: 'Cash' should be Gauss"),
    "no nu": (lambda t: t["likelihood"].pop("nu"), "likelihood.nu is missing"),
    "nu below zero": (lambda t: t["likelihood"].update(nu=-1), "nu must be positive and finite, got -1"),
    "an infinite scale": (lambda t: t["likelihood"].update(scale=np.inf), "scale: inf should be a finite number"),
    "a missing array": (lambda t: t["mask_fit"].update(source="fits:MASKS"), "HDU 'MASKS' is missing"),
    "another array": (lambda t: t["mask_fit"].update(t["likelihood"]["sigma"]), "mask_fit must hold 0 and 1"),
    "a mask of nothing": (lambda t: t.update(mask_safe=t["mask_fit"]), "mask_safe has [0-9]+ pixels without a finite"),
    "sigma of another shape": (
        lambda t: t["likelihood"]["sigma"].update(source="fits:PSF", shape=[3, 4, 25, 25]),
        r"sigma of its StudentTLikelihood has shape \(3, 4, 25, 25\)",
    ),
    "two kernels": (lambda t: t.update(psf=t["mask_fit"]), "a coadd has a PSF of its own"),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_settings(what, tmp_path):
    dataset = ImageDataset(stored_coadd(), name="coadd", mask_fit=np.ones((180, 240), dtype=bool))
    dataset.mask_fit[::2] = False
    dataset.mask_fit[dataset.image.bbox.shape.y // 2] = True
    dataset.likelihood = StudentTLikelihood(np.full((180, 240), 30.0), nu=4)
    dataset.write(tmp_path / "a.fits")
    change, message = WRONG[what]
    changed(tmp_path / "a.fits", change)
    with pytest.raises(FormatError, match=rf"a\.fits: .*{message}"):
        ImageDataset.read(tmp_path / "a.fits")


def test_no_psf(tmp_path):
    image_dataset().image.write_fits(tmp_path / "a.fits")
    with pytest.raises(FormatError, match=r"a\.fits: .*a MaskedImage has no PSF"):
        ImageDataset.read(tmp_path / "a.fits", name="c")


def test_commands(tmp_path, capsys):
    """Information on the list, the dataset and a coadd."""
    coadd_dataset().write(tmp_path / "coadd.fits")
    Datasets([coadd_dataset()]).write(tmp_path / "list.yaml", overwrite=True)
    for name, text in (("list.yaml", "ImageDataset"), ("coadd.fits", "n fit bins")):
        assert main(["info", str(tmp_path / name)]) == 0
        assert text in capsys.readouterr().out


@pytest.mark.slow
def test_fit_command(tmp_path, capsys):
    """A star on a small image, from a list of datasets to a report."""
    dataset = empty(gaussian_kernel(1.3, 6), shape=(20, 20))
    star = source(at(dataset, PointSpatialModel, 9870.3, 13090.4), 300.0, "star")
    drawn = ImageDataset(
        ImageDataset(dataset.image, star, psf=gaussian_kernel(1.3, 6)).fake(1),
        star,
        name="r",
        psf=gaussian_kernel(1.3, 6),
    )
    Datasets([drawn]).write(tmp_path / "list.yaml", filename_models=tmp_path / "models.yaml")
    quick = ["--draws", "100", "--tune", "200", "--chains", "2", "--quiet"]
    arguments = ["fit", tmp_path / "list.yaml", tmp_path / "models.yaml", "-o", tmp_path / "out", *quick]
    assert main([str(argument) for argument in arguments]) == 0
    assert "star.flux" in capsys.readouterr().out
    assert (tmp_path / "out" / "report.html").exists()


def test_pixels_that_cannot_be_read_back_are_not_written(tmp_path):
    dataset = image_dataset()
    dataset.mask_safe = np.ones_like(dataset.mask_safe)
    dataset.variance[0, 0] = np.nan
    dataset.image.variance.array[0, 0] = np.nan
    with pytest.raises(ValueError, match="mask_safe has 1 pixels without a finite value"):
        dataset.write(tmp_path / "image.fits")
    assert not list(tmp_path.iterdir())
