"""XSPEC table models: spectra at values of one parameter, in a FITS file."""

from typing import Any

import astropy.units as u
import numpy as np
from astropy.io import fits

from bayesmap._util import make_path

__all__ = ["read_table_model"]

_HDUS = ("PARAMETERS", "ENERGIES", "SPECTRA")


def read_table_model(filename: Any) -> tuple[np.ndarray, u.Quantity, np.ndarray]:
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
    ValueError
        If the file is no table model.
    """
    path = make_path(filename)
    if not path.exists():
        hint = "; an environment variable in it is not set" if "$" in str(path) else ""
        raise FileNotFoundError(f"table model {path} not found{hint}")
    try:
        with fits.open(path, memmap=False) as hdus:
            missing = [name for name in _HDUS if name not in hdus]
            if missing:
                raise ValueError(f"{path}: not an XSPEC table model, HDUs {missing} are missing")
            values = _values(hdus["PARAMETERS"].data, path)
            energies, spectra = hdus["ENERGIES"], np.asarray(hdus["SPECTRA"].data["INTPSPEC"])
            low, high = (np.asarray(energies.data[key], dtype="float32") for key in ("ENERG_LO", "ENERG_HI"))
            unit = energies.columns["ENERG_LO"].unit or "keV"
    except (OSError, KeyError) as error:
        raise ValueError(f"{path}: not an XSPEC table model: {error}") from None
    values, index = np.unique(values, return_index=True)
    if spectra.ndim != 2 or spectra.shape[1] != len(low) or len(index) > len(spectra):
        raise ValueError(f"{path}: {spectra.shape} spectra for {len(values)} parameter values, {len(low)} energies")
    return values, np.sqrt(low * high) * u.Unit(unit), spectra[index]


def _values(parameters: Any, path: Any) -> np.ndarray:
    """Values of the only parameter; a column of fixed length may be longer than their number (OGIP memo 92-009)."""
    if len(parameters) != 1:
        names = [str(name).strip() for name in parameters["NAME"]]
        raise ValueError(f"{path}: a table model of one parameter is needed, this one has {len(parameters)}: {names}")
    values = np.asarray(parameters["VALUE"][0]).ravel()
    number = int(parameters["NUMBVALS"][0]) if "NUMBVALS" in parameters.names else 0
    return values[:number] if 0 < number < len(values) else values
