"""Open whatever file somebody brings."""

from pathlib import Path
from typing import Any

from bayesmap._types import FileName
from bayesmap._util import make_path
from bayesmap.datasets.base import Dataset, Datasets
from bayesmap.datasets.flux_points import FluxPointsDataset
from bayesmap.datasets.image import ImageDataset
from bayesmap.datasets.map import MapDataset
from bayesmap.datasets.onoff import MapDatasetOnOff
from bayesmap.datasets.spectrum import SpectrumDataset, SpectrumDatasetOnOff
from bayesmap.maps.files import open_fits, open_regular

__all__ = ["open_datasets"]

LISTS = (".yaml", ".yml")
TEXTS = (".ecsv", ".txt", ".dat")
#: HDUs of which a dataset with counts has one
COUNTED = {"COUNTS", "BACKGROUND", "EXPOSURE", "MASK_SAFE", "MASK_FIT"}
#: HDUs of an image with mask and variance
IMAGED = {"IMAGE", "MASK", "VARIANCE", "JSON"}
OFF = {"COUNTS_OFF", "ACCEPTANCE", "ACCEPTANCE_OFF"}


def open_datasets(filename: FileName, name: str | None = None) -> Datasets:
    """Read one dataset of any type, or a list of several.

    Parameters
    ----------
    filename : str or path
        A FITS file in the GADF layout, an OGIP PHA file, flux points in FITS or text, a coadd or another image that
        `ImageDataset.write` wrote, or the YAML file of a list.
    name : str, optional
        Name of a single dataset; by default that in the file, else a random one.

    Returns
    -------
    Datasets
        One dataset, or those of the list.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    bayesmap.errors.FormatError
        If it is damaged or holds no dataset.
    ValueError
        If a name is given for a list.
    """
    path = make_path(filename)
    open_regular(path).close()
    if path.suffix in LISTS:
        if name is not None:
            raise ValueError(f"{path} lists datasets with names of their own; the name {name!r} has no place")
        return Datasets.read(path)
    dataset: Dataset = _class_of(path).read(path, name=name)
    return Datasets([dataset])


def _class_of(path: Path) -> Any:
    """The class of dataset that a file holds, from the names of its HDUs."""
    if path.suffix in TEXTS:
        return FluxPointsDataset
    with open_fits(path) as hdulist:
        names = {hdu.name for hdu in hdulist}
        # maps of regions are stored as the column of a table
        tables = {hdu.name for hdu in hdulist if hasattr(hdu, "columns")}
    if "SPECTRUM" in names:
        return SpectrumDatasetOnOff
    if names >= IMAGED:
        return ImageDataset
    counted = names & (COUNTED | OFF)
    if not counted:
        return FluxPointsDataset if len(names) <= 3 and "EVENTS" not in names else MapDataset
    in_region = any(f"{key}_REGION" in names or f"{key}_BANDS" in names and key in tables for key in counted)
    if names & OFF:
        return SpectrumDatasetOnOff if in_region else MapDatasetOnOff
    return SpectrumDataset if in_region else MapDataset
