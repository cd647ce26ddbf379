"""Files: read and write the components of datasets."""

from bayesmap._downloads import download
from bayesmap.io.checks import check_values
from bayesmap.io.flux_points import read_flux_table, write_flux_table
from bayesmap.io.gadf import read_components, write_components
from bayesmap.io.location import HDULocation
from bayesmap.io.ogip import grouped_axis, is_ogip, read_ogip
from bayesmap.io.ogip_write import write_ogip
from bayesmap.io.results import load, save

__all__ = [
    "HDULocation",
    "check_values",
    "download",
    "grouped_axis",
    "is_ogip",
    "load",
    "read_components",
    "read_flux_table",
    "read_ogip",
    "save",
    "write_components",
    "write_flux_table",
    "write_ogip",
]
