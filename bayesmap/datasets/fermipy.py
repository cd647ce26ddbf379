"""Datasets from the files of fermipy and the Fermi tools.

References
----------
https://fermipy.readthedocs.io (configuration files; files ``ccube_00.fits``, ``bexpmap_00.fits``, ``psf_00.fits``,
``drm_00.fits``, ``ft1_00.fits`` per component); the reading follows Gammapy's class of the same name.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bayesmap._util import make_path
from bayesmap._yaml.source import YamlSource
from bayesmap.datasets.base import Datasets
from bayesmap.datasets.map import MapDataset
from bayesmap.errors import FormatError
from bayesmap.irf import GTI, EDispKernelMap, PSFMap
from bayesmap.maps import Map, MapAxis
from bayesmap.maps.files import read_text
from bayesmap.maps.geom import Geom
from bayesmap.modeling import Models
from bayesmap.modeling.models import create_fermi_isotropic_diffuse_model

__all__ = ["FermipyDatasetsReader"]


class FermipyDatasetsReader:
    """Read the datasets of an analysis with fermipy.

    Parameters
    ----------
    filename : path
        Configuration file of fermipy.
    edisp_bins : int
        Number of energy bins at either end of the counts that are left out, so that the energy dispersion into the rest
        is known: two or more are recommended at 8 to 10 bins per decade.
    """

    tag = "fermipy"

    def __init__(self, filename: str | os.PathLike, edisp_bins: int = 0) -> None:
        self.filename = make_path(filename)
        self.edisp_bins = edisp_bins

    @staticmethod
    def create_dataset(
        counts_file: str | os.PathLike,
        exposure_file: str | os.PathLike,
        psf_file: str | os.PathLike,
        edisp_file: str | os.PathLike,
        isotropic_file: str | os.PathLike | None = None,
        edisp_bins: int = 0,
        name: str | None = None,
        gti_file: str | os.PathLike | None = None,
    ) -> MapDataset:
        """Return a dataset from files of the Fermi tools.

        Parameters
        ----------
        counts_file : path
            Counts cube (gtbin), with a table EBOUNDS.
        exposure_file : path
            Exposure at energies (gtexpcube2).
        psf_file : path
            Point spread function (gtpsf).
        edisp_file : path
            Redistribution matrix (gtdrm).
        isotropic_file : path, optional
            Isotropic diffuse model; then it is the model of the dataset.
        edisp_bins : int
            Number of energy bins at either end that are left out.
        name : str, optional
            Name; a random one by default.
        gti_file : path, optional
            File with a table GTI.

        Returns
        -------
        MapDataset
            Counts on the pixels and reconstructed energies of the matrix; exposure on the same pixels, interpolated in
            the logarithms of energy and value; one point spread function and energy dispersion for the field.

        Raises
        ------
        FormatError
            If a file is damaged, or the files do not belong together.
        """
        counts, exposure = Map.read(counts_file), Map.read(exposure_file)
        psf = PSFMap.read(psf_file, format="gtpsf")
        edisp = EDispKernelMap.read(edisp_file, format="gtdrm")
        axes = edisp.edisp_map.geom.axes
        energy, energy_true = axes["energy"], axes["energy_true"]
        _check(counts, exposure, psf, energy, energy_true, edisp_file)
        image = counts.geom.to_image()
        dataset = MapDataset(
            counts=Map.from_geom(image.to_cube([energy]), data=counts.data),
            exposure=_at_energies(exposure, image, energy_true),
            psf=_psf_at_energies(psf, energy_true),
            edisp=edisp,
            gti=None if gti_file is None else GTI.read(gti_file),
            name=name,
        )
        if edisp_bins > 0:
            inner = slice(edisp_bins, energy.nbin - edisp_bins)
            dataset = dataset.slice_by_idx({"energy": inner}, name=dataset.name)
        if isotropic_file is not None:
            dataset.models = Models(
                [create_fermi_isotropic_diffuse_model(isotropic_file, datasets_names=[dataset.name])]
            )
        return dataset

    def read(self) -> Datasets:
        """Return one dataset per component of the analysis.

        Raises
        ------
        FormatError
            If the configuration or a file is wrong; the message names it.
        """
        path = self.filename.resolve()
        source = YamlSource(read_text(path), str(path), FormatError)
        data = source.load()
        if not isinstance(data, Mapping):
            raise FormatError(f"{path} is no configuration of fermipy: it holds no keys")
        components = data.get("components")
        components = components if isinstance(components, list) and components else [data]
        datasets = []
        for number, component in enumerate(components):
            folder = path.parent / Path(_entry(component, data, "fileio", "outdir") or ".")
            isotropic = _isotropic(_entry(component, data, "model", "isodiff"), path)
            gti = folder / f"ft1_{number:02d}.fits"
            datasets.append(
                self.create_dataset(
                    **{
                        f"{key}_file": folder / f"{stem}_{number:02d}.fits"
                        for key, stem in (
                            ("counts", "ccube"),
                            ("exposure", "bexpmap"),
                            ("psf", "psf"),
                            ("edisp", "drm"),
                        )
                    },
                    isotropic_file=isotropic,
                    edisp_bins=self.edisp_bins,
                    name=None if isotropic is None else isotropic.stem[4:],
                    gti_file=gti,
                )
            )
        return Datasets(datasets)


def _entry(component: Mapping[str, Any], common: Mapping[str, Any], section: str, key: str) -> Any:
    """An entry of a component, or of the whole analysis."""
    for data in (component, common):
        part = data.get(section) if isinstance(data, Mapping) else None
        if isinstance(part, Mapping) and part.get(key) is not None:
            return part[key]
    return None


def _isotropic(value: Any, path: Path) -> Path | None:
    """File of the isotropic model."""
    if value is None:
        return None
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or len(names) != 1 or not isinstance(names[0], str):
        raise FormatError(f"{path}: model.isodiff must name one file per component, got {value!r}")
    file = make_path(names[0])
    return file if file.is_absolute() else path.parent / file


def _check(counts: Map, exposure: Map, psf: PSFMap, energy: MapAxis, energy_true: MapAxis, edisp_file: Any) -> None:
    """Complain if the files do not belong together."""
    n_counts = counts.geom.axes["energy"].nbin
    if n_counts != energy.nbin:
        raise FormatError(f"{edisp_file}: the matrix has {energy.nbin} reconstructed energies, the counts {n_counts}")
    centers = exposure.geom.axes["energy_true"].center
    if len(centers) < energy_true.nbin:
        raise FormatError(
            f"{edisp_file}: the matrix has {energy_true.nbin} true energies and the exposure only {len(centers)}: they "
            "must be made with one configuration"
        )
    radius = psf.containment_radius(0.68, energy_true.center)
    empty = np.count_nonzero(np.isclose(radius.value, 0))
    if empty:
        raise FormatError(
            f"the PSF is empty at {empty} of {energy_true.nbin} true energies of {edisp_file}: they must be made with "
            "one configuration"
        )


def _at_energies(exposure: Map, image: Geom, energy_true: MapAxis) -> Map:
    """The exposure at pixel centres and energies, linear in the logarithms of energy and exposure."""
    geom = image.to_cube([energy_true])
    values = exposure.interp_by_coord(geom.get_coord(), values_scale="log")
    return Map.from_geom(geom, data=values, unit=exposure.unit)


def _psf_at_energies(psf: PSFMap, energy_true: MapAxis) -> PSFMap:
    """The point spread functions at other energies, linear in the logarithm of the energy."""
    exposure_map: Any = psf.exposure_map
    geom = psf.psf_map.geom.replace_axis(energy_true)
    values = np.clip(psf.psf_map.interp_by_coord(geom.get_coord()), 0, None)
    exposure = exposure_map.geom.replace_axis(energy_true)
    weights = exposure_map.interp_by_coord(exposure.get_coord())
    return PSFMap(
        Map.from_geom(geom, data=values.reshape(geom.data_shape), unit=psf.psf_map.unit),
        Map.from_geom(exposure, data=weights.reshape(exposure.data_shape), unit=exposure_map.unit),
    )
