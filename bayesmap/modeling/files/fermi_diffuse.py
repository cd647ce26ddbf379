"""The isotropic diffuse model of the Fermi-LAT collaboration from its text file."""

import os
from typing import Any

import astropy.units as u
import numpy as np

from bayesmap._util import make_path
from bayesmap.errors import FormatError
from bayesmap.maps.files import read_text
from bayesmap.modeling.sky import SkyModel
from bayesmap.modeling.spatial import ConstantSpatialModel
from bayesmap.modeling.spectral import PowerLawNormSpectralModel, TemplateSpectralModel

__all__ = ["create_fermi_isotropic_diffuse_model"]


def create_fermi_isotropic_diffuse_model(
    filename: str | os.PathLike[str], datasets_names: Any = None, **kwargs: Any
) -> SkyModel:
    """Return the isotropic diffuse model in a text file of the Fermi-LAT collaboration.

    Parameters
    ----------
    filename : path
        File with the columns energy in MeV and flux per solid angle in MeV-1 s-1 cm-2 (sr-1), such as
        ``iso_P8R3_SOURCE_V3_v1.txt``.
    datasets_names : str, list of str or None
        Datasets that the model applies to; None for all.
    **kwargs : dict
        For `TemplateSpectralModel`.

    Returns
    -------
    SkyModel
        The spectrum times a power law with norm, constant on the sky, without point spread function and energy
        dispersion, as in Gammapy.

    Raises
    ------
    FormatError
        If the file is no such table.
    """
    path = make_path(filename)
    try:
        table = np.array([line.split() for line in read_text(path).splitlines() if line.strip()], dtype="float64")
        energy, flux = table[:, 0], table[:, 1]
    except (ValueError, IndexError) as error:
        raise FormatError(f"{path} is no table of energies (MeV) and fluxes: {error}") from error
    spectrum = TemplateSpectralModel(energy * u.MeV, u.Quantity(flux, "MeV-1 s-1 cm-2"), **kwargs)
    names = [datasets_names] if isinstance(datasets_names, str) else datasets_names
    return SkyModel(
        spectrum * PowerLawNormSpectralModel(),
        ConstantSpatialModel(),
        name=f"isotropic_{names[0]}" if names and len(names) == 1 else "fermi-diffuse-iso",
        datasets_names=names,
        apply_irf={"psf": False, "exposure": True, "edisp": False},
    )
