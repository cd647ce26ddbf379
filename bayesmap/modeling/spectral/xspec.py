"""XSPEC table models: spectra at values of one parameter, in a FITS file."""

from typing import Any

import astropy.units as u
import numpy as np
from astropy.io import fits

from bayesmap._types import FileName
from bayesmap._util import make_path
from bayesmap.errors import FormatError
from bayesmap.maps.files import named_errors, open_fits
from bayesmap.maps.tables import is_fits
from bayesmap.modeling.spectral.tables import check_energies
from bayesmap.units import parse_unit

__all__ = ["read_table_model"]

_HDUS = ("PARAMETERS", "ENERGIES", "SPECTRA")


def read_table_model(filename: FileName) -> tuple[np.ndarray, u.Quantity, np.ndarray]:
    """Read an XSPEC table model with one parameter.

    Parameters
    ----------
    filename : path
        FITS file with the HDUs PARAMETERS, ENERGIES and SPECTRA (OGIP memo 92-009); energies without a unit are in
        keV. Environment variables are expanded.

    Returns
    -------
    tuple
        Values of the parameter, ascending, shape ``(n,)``; geometric means of the energy bins, shape ``(m,)``; the
        spectra, shape ``(n, m)``, as they are in the file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If the file is no table model or is damaged; the message names file and HDU.
    """
    path = make_path(filename)
    if not path.exists():
        hint = "; an environment variable in it is not set" if "$" in str(path) else ""
        raise FileNotFoundError(f"table model {path} not found{hint}")
    if not is_fits(path):
        raise FormatError(f"{path}: not an XSPEC table model: it is no FITS file")
    with open_fits(path) as hdus:
        missing = [name for name in _HDUS if name not in hdus or not isinstance(hdus[name], fits.BinTableHDU)]
        if missing:
            raise FormatError(f"{path}: not an XSPEC table model, HDUs {missing} are missing")
        with named_errors(path, "PARAMETERS"):
            values, index = np.unique(_values(hdus["PARAMETERS"].data, path), return_index=True)
        with named_errors(path, "ENERGIES"):
            energies = hdus["ENERGIES"]
            low, high = (np.asarray(energies.data[key], dtype="float32") for key in ("ENERG_LO", "ENERG_HI"))
            energy = check_energies(
                "the table", np.sqrt(low * high) * parse_unit(energies.columns["ENERG_LO"].unit or "keV")
            )
        with named_errors(path, "SPECTRA"):
            spectra = np.asarray(hdus["SPECTRA"].data["INTPSPEC"])
            if spectra.ndim != 2 or spectra.shape[1] != len(low) or len(index) > len(spectra):
                raise FormatError(f"{spectra.shape} spectra for {len(values)} parameter values, {len(low)} energies")
            return values, energy, spectra[index]


def _values(parameters: Any, path: FileName) -> np.ndarray:
    """Values of the only parameter; a column of fixed length may be longer than their number (OGIP memo 92-009)."""
    if len(parameters) != 1:
        names = [str(name).strip() for name in parameters["NAME"]]
        raise FormatError(f"{path}: a table model of one parameter is needed, this one has {len(parameters)}: {names}")
    values = np.asarray(parameters["VALUE"][0]).ravel()
    number = int(parameters["NUMBVALS"][0]) if "NUMBVALS" in parameters.names else 0
    return values[:number] if 0 < number < len(values) else values
