"""Files: read and write the components of datasets."""

from bayesmap.io.checks import check_values
from bayesmap.io.gadf import read_components, write_components
from bayesmap.io.location import HDULocation

__all__ = ["HDULocation", "check_values", "read_components", "write_components"]
