"""What is no file, says too much about its size, or grows when it is read."""

import gzip
import os
import re
import stat
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

import bayesmap
from bayesmap.data import EventList
from bayesmap.datasets import Datasets, FluxPointsDataset, ImageDataset, MapDataset, SpectrumDatasetOnOff
from bayesmap.datasets.opening import open_datasets
from bayesmap.errors import FormatError, ModelFileError
from bayesmap.io import is_ogip, read_flux_table
from bayesmap.irf import GTI, PSFMap
from bayesmap.maps import Map, RegionNDMap, files, fits_layout
from bayesmap.maps.files import named_errors, open_fits, read_text
from bayesmap.modeling import Models
from bayesmap.modeling.models import (
    EBLAbsorptionNormSpectralModel,
    LightCurveTemplateTemporalModel,
    TemplateNDSpatialModel,
    TemplateNDSpectralModel,
    TemplateNPredModel,
    TemplatePhaseCurveTemporalModel,
    TemplateSpatialModel,
    TemplateSpectralModel,
)
from tests.fuzz.run import bounded
from tests.fuzz.samples import write_map_dataset, write_models, write_ogip_set

READERS = {
    "map": Map.read,
    "region map": RegionNDMap.read,
    "map dataset": MapDataset.read,
    "psf": PSFMap.read,
    "events": EventList.read,
    "gti": GTI.read,
    "ogip": SpectrumDatasetOnOff.read,
    "is ogip": is_ogip,
    "flux points": FluxPointsDataset.read,
    "flux table": read_flux_table,
    "light curve": LightCurveTemplateTemporalModel.read,
    "light curve map": lambda path: LightCurveTemplateTemporalModel.read(path, format="map"),
    "phase curve": TemplatePhaseCurveTemporalModel.read,
    "absorption": EBLAbsorptionNormSpectralModel.read,
    "xspec": lambda path: TemplateSpectralModel.read_xspec_model(path, 0.1),
    "template": TemplateSpatialModel.read,
    "spatial templates": TemplateNDSpatialModel.read,
    "spectral templates": TemplateNDSpectralModel.read,
    "npred template": TemplateNPredModel.read,
    "models": Models.read,
    "image dataset": ImageDataset.read,
    "datasets": Datasets.read,
    "any": open_datasets,
}


@pytest.mark.parametrize("kind", ["a pipe", "a device", "a folder"])
@pytest.mark.parametrize("reader", READERS)
def test_only_regular_files_are_opened(tmp_path, reader, kind):
    """A pipe without a writer blocks for ever, /dev/zero never ends."""
    path = tmp_path / "thing.fits"
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    with bounded(), pytest.raises((FormatError, ModelFileError), match=rf"thing\.fits is {kind}, not a file"):
        READERS[reader](path)
    with pytest.raises(FileNotFoundError, match=r"absent\.fits"):
        READERS[reader](tmp_path / "absent.fits")


def test_data_files_of_models_and_datasets_are_regular(tmp_path):
    os.mkfifo(tmp_path / "pipe.fits")
    text = (
        "components:\n-   type: SkyModel\n    spectral: {type: PowerLawSpectralModel}\n"
        "    spatial: {type: TemplateSpatialModel, filename: pipe.fits}\n"
    )
    (tmp_path / "models.yaml").write_text(text)
    with bounded(), pytest.raises(ModelFileError, match=r"models\.yaml, line 4: .*spatial: .*pipe\.fits is a pipe"):
        Models.read(tmp_path / "models.yaml")
    (tmp_path / "all.yaml").write_text("datasets:\n- {name: a, type: MapDataset, filename: pipe.fits}\n")
    with bounded(), pytest.raises(FormatError, match=r"all\.yaml, line 2: .*pipe\.fits"):
        Datasets.read(tmp_path / "all.yaml")
    write_ogip_set(tmp_path)
    (tmp_path / "run_rmf.fits").unlink()
    os.mkfifo(tmp_path / "run_rmf.fits")
    with bounded(), pytest.raises(FormatError, match=r"run\.fits.*RESPFILE names the RMF file 'run_rmf\.fits'"):
        SpectrumDatasetOnOff.read(tmp_path / "run.fits")


#: calls that open or parse a file, and the places in the package that may make them
OPENING = re.compile(r"\bopen\(|\.read_text\(|\.read_bytes\(|fromfile\(|np\.load|yaml\.(safe_)?load\(")
PLACES = {
    "maps/files.py": "the door",
    "maps/fits.py": "writes compressed files",
    "_downloads.py": "takes checksums of files that are regular, and reads the list of the package",
    "_files.py": "writes files, and takes checksums of files that are regular",
    "_cache.py": "the cache of compiled code",
    "_backend/kernels.py": "the cache of compiled code",
    "report/page.py": "a template of the package",
    "_together.py": "the list that it writes itself",
    "_zoo_entries.py": "model files of the package",
    "cli/models.py": "model files of the package",
    "workspace/workspace.py": "has a method of this name",
    "images/io/write.py": "addresses in the file that it writes itself",
    "images/io/legacy_file.py": "compressed bytes of a file that the door has checked",
}


def test_files_are_opened_in_one_place():
    package = Path(bayesmap.__file__).parent
    places = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if OPENING.search(line.partition("#")[0]) and '"""' not in line
    }
    assert places <= set(PLACES)


# --- headers that lie about sizes


def lying(path, number, keyword, value):
    """Overwrite the value of a keyword in a header, or add the keyword."""
    content = bytearray(path.read_bytes())
    starts = [i for i in range(0, len(content), 2880) if content[i : i + 8] in (b"XTENSION", b"SIMPLE  ")]
    card = f"{keyword:<8}= {value:>20}".ljust(80).encode()
    position = starts[number]
    while content[position : position + 8].rstrip() not in (keyword.encode(), b"END"):
        position += 80
    is_end = content[position : position + 8].rstrip() == b"END"
    content[position : position + 80] = card
    if is_end:
        content[position + 80 : position + 160] = b"END".ljust(80)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("keyword", "value", "message"),
    [
        ("NAXIS", "999999999", "NAXIS is 999999999; it goes up to 999"),
        ("NAXIS1", "999999999999", "should have .* bytes of data by its header"),
        ("NAXIS1", "-4", "NAXIS1 is -4; right is a number from 0 on"),
        ("NAXIS2", "'many'", "NAXIS2 is 'many'"),
        ("PCOUNT", "99999999999999999999", "the file is truncated, or the header is wrong"),
        ("GCOUNT", "9999999999", "the file is truncated, or the header is wrong"),
        ("WCSAXES", "999999999", "WCSAXES is 999999999; it goes up to 99"),
        ("A_ORDER", "100000", "A_ORDER is 100000; it goes up to 9"),
    ],
)
def test_images_of_impossible_size(tmp_path, keyword, value, message):
    """Seen before: a loop without end (NAXIS), gigabytes of coefficients (A_ORDER)."""
    write_map_dataset(tmp_path)
    path = tmp_path / "maps.fits"
    lying(path, 1, keyword, value)
    with bounded(), pytest.raises(FormatError, match=rf"maps\.fits is not a valid FITS file: HDU 1.*{message}"):
        MapDataset.read(path)


@pytest.mark.parametrize(
    ("keyword", "value", "message"),
    [
        ("TFIELDS", "999999999", "TFIELDS is 999999999; it goes up to 999"),
        ("NAXIS2", "999999999", "should have .* bytes of data"),
        ("TFORM1", "'999999999D'", "the columns up to TFORM1 have 7999999992 bytes, a row has"),
    ],
)
def test_tables_of_impossible_size(tmp_path, keyword, value, message):
    write_map_dataset(tmp_path)
    path = tmp_path / "maps.fits"
    lying(path, 2, keyword, value)
    with bounded(), pytest.raises(FormatError, match=rf"maps\.fits is not a valid FITS file: HDU 2.*{message}"):
        MapDataset.read(path)


@pytest.mark.parametrize("number", [2**30, -5])
def test_arrays_of_variable_length_stay_inside(tmp_path, number):
    write_ogip_set(tmp_path)
    path = tmp_path / "run_rmf.fits"
    with fits.open(path) as hdulist:
        offset = hdulist["MATRIX"]._data_offset + hdulist["MATRIX"].columns.dtype.fields["F_CHAN"][1]
    content = bytearray(path.read_bytes())
    content[offset : offset + 4] = np.array(number, dtype=">i4").tobytes()
    path.write_bytes(content)
    with bounded(), pytest.raises(FormatError, match=r"run_rmf\.fits .* column 4 points outside of the data"):
        SpectrumDatasetOnOff.read(tmp_path / "run.fits")


def test_arrays_of_variable_length_that_overlap(tmp_path, monkeypatch):
    """Many rows may name one long array."""
    column = fits.Column("X", "PD()", array=np.array([np.arange(1000.0)] + [np.zeros(0)] * 99, dtype=object))
    hdu = fits.BinTableHDU.from_columns([column])
    path = tmp_path / "table.fits"
    hdu.writeto(path)
    with fits.open(path) as hdulist:
        offset = hdulist[1]._data_offset
    content = bytearray(path.read_bytes())
    content[offset : offset + 800] = content[offset : offset + 8] * 100
    path.write_bytes(content)
    with open_fits(path) as hdulist:
        assert hdulist[1].data["X"][99][-1] == 999
    monkeypatch.setattr(fits_layout, "MEMORY_LIMIT", 2**16)
    with pytest.raises(FormatError, match="column 1 overlap to more than 65536 bytes"), open_fits(path):
        pass


def test_compressed_images(tmp_path, monkeypatch):
    """Tiled compression is read, within the same bound."""
    path = tmp_path / "image.fits"
    fits.CompImageHDU(np.zeros((300, 400), dtype="int32")).writeto(path)
    with open_fits(path) as hdulist:
        assert hdulist[1].data.shape == (300, 400)
    monkeypatch.setattr(fits_layout, "MEMORY_LIMIT", 2**16)
    with pytest.raises(FormatError, match="HDU 1 unpacks to 480000 bytes"), open_fits(path):
        pass


def test_matrices_of_impossible_size(tmp_path, monkeypatch):
    """Few bytes per row and column become a full matrix."""
    write_ogip_set(tmp_path)
    monkeypatch.setattr("bayesmap.io.ogip_tables.MEMORY_LIMIT", 31)
    with pytest.raises(FormatError, match=r"run_rmf\.fits: HDU 'MATRIX': a matrix of 2 true energies and 2 channels"):
        SpectrumDatasetOnOff.read(tmp_path / "run.fits")


def test_gzip_bombs(tmp_path, monkeypatch):
    write_map_dataset(tmp_path)
    packed = tmp_path / "maps.fits.gz"
    packed.write_bytes(gzip.compress((tmp_path / "maps.fits").read_bytes() + bytes(2**22)))
    monkeypatch.setattr(files, "MEMORY_LIMIT", 2**20)
    with pytest.raises(FormatError, match=r"maps\.fits\.gz is not a valid .* unpacks to more than 1 MiB"):
        MapDataset.read(packed)


def test_text_files_are_bounded(tmp_path, monkeypatch):
    write_models(tmp_path)
    monkeypatch.setattr(files, "TEXT_LIMIT", 100)
    for reader, error in ((Models.read, ModelFileError), (Datasets.read, FormatError)):
        with pytest.raises(error, match=r"models\.yaml: the file is longer than"):
            reader(tmp_path / "models.yaml")


def test_operating_system_errors_pass(tmp_path):
    path = tmp_path / "models.yaml"
    path.write_text("")
    path.chmod(0)
    if not os.access(path, os.R_OK):  # never so for the superuser
        with pytest.raises(PermissionError):
            read_text(path)
    path.chmod(stat.S_IRUSR)
    assert read_text(path) == ""


def test_warnings_are_repeated(tmp_path):
    """What astropy mends is said, with the file, and is no error; spellings of units are no news."""
    write_map_dataset(tmp_path)
    path = tmp_path / "maps.fits"
    lying(path, 1, "BLANK", "5")  # of no meaning for floating-point numbers
    lying(path, 1, "BUNIT", "'ph'")
    with pytest.warns(UserWarning, match=r"maps\.fits: Invalid 'BLANK' keyword") as caught:
        dataset = MapDataset.read(path)
    assert len(caught) == 1
    assert dataset.counts.unit == ""


# --- whose fault it is


def test_named_errors():
    """What lies below and what wrong data cause become a FormatError with its cause; mistakes here pass."""
    with pytest.raises(FormatError, match=r"^a\.fits: HDU 'B': 'C' is missing$") as caught, named_errors("a.fits", "B"):
        raise KeyError("C")
    assert isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(FormatError, match=r"^a\.fits: HDU 'B': HDU 'C': bad$"), named_errors("a.fits", "B"):
        raise FormatError("HDU 'C': bad")
    twice = named_errors("a.fits", "B"), named_errors("a.fits", "B")
    with pytest.raises(FormatError, match=r"^a\.fits: HDU 'B': bad$"), twice[0], twice[1]:
        raise ValueError("bad")
    with pytest.raises(ModelFileError, match=r"^a\.yaml: bad$"), named_errors("a.yaml", error=ModelFileError):
        raise OSError("bad")
    with pytest.raises(FormatError, match="it cannot be read: AssertionError: Column name"), named_errors("a.fits"):
        fits.Column(3, "D")  # raised there
    for error in (MemoryError(), FileNotFoundError(2, "gone"), PermissionError(13, "denied"), KeyboardInterrupt()):
        with pytest.raises(type(error)), named_errors("a.fits"):
            raise error


def test_mistakes_of_this_package_pass(tmp_path, monkeypatch):
    """An AttributeError in a line of a reader here is no damage of the file."""
    write_map_dataset(tmp_path)
    monkeypatch.setattr("bayesmap.maps.fits._read_meta", lambda image: image.no_such_attribute)
    with pytest.raises(FormatError):  # the line is in this file, outside of the package
        Map.read(tmp_path / "maps.fits", hdu="COUNTS")
    monkeypatch.setattr("bayesmap.maps.fits._read_meta", Map.is_mask.fget)
    with pytest.raises(AttributeError):
        Map.read(tmp_path / "maps.fits", hdu="COUNTS")
