"""Spectra in a region of the sky: `SpectrumDataset` and `SpectrumDatasetOnOff`."""

from typing import Any, Self, cast

from bayesmap._types import FileName
from bayesmap._util import check_option
from bayesmap.datasets.map import MapDataset
from bayesmap.datasets.onoff import MapDatasetOnOff
from bayesmap.datasets.serialize import default_filename
from bayesmap.datasets.spectrum_figures import SpectrumFigures
from bayesmap.io import grouped_axis, is_ogip, read_ogip, write_ogip

__all__ = ["SpectrumDataset", "SpectrumDatasetOnOff"]


class SpectrumDataset(SpectrumFigures, MapDataset):
    """Counts in a region of the sky against energy, with a predicted background.

    Its maps are `~bayesmap.maps.RegionNDMap`, of shape ``(n_energy, 1, 1)``; for the arguments see `MapDataset`.
    """

    tag = "SpectrumDataset"
    stat_type = "cash"


class SpectrumDatasetOnOff(SpectrumFigures, MapDatasetOnOff):
    """Counts in an ON and an OFF region against energy.

    Its maps are `~bayesmap.maps.RegionNDMap`, of shape ``(n_energy, 1, 1)``; for the arguments see `MapDatasetOnOff`.
    """

    tag = "SpectrumDatasetOnOff"
    stat_type = "wstat"
    predicted_type = SpectrumDataset

    @classmethod
    def from_spectrum_dataset(cls, dataset: MapDataset, **kwargs: Any) -> Self:
        """Make an ON/OFF spectrum; the arguments are those of `MapDatasetOnOff.from_map_dataset`."""
        return cls.from_map_dataset(dataset, **kwargs)

    def to_spectrum_dataset(self, name: str | None = None) -> SpectrumDataset:  # type: ignore[override]
        """Return the spectrum with ``alpha * counts_off`` as its background, see `MapDatasetOnOff.to_map_dataset`."""
        return cast("SpectrumDataset", self.to_map_dataset(name=name))

    @classmethod
    def read(  # type: ignore[override]
        cls,
        filename: FileName,
        format: str | None = None,
        checksum: bool = False,
        name: str | None = None,
        lazy: bool = False,
        cache: bool = True,
        *,
        apply_grouping: bool = False,
    ) -> Self:
        """Read a dataset from a GADF file, or from the OGIP files that a PHA file names.

        Parameters
        ----------
        filename : str or path
            FITS file; for OGIP the PHA file, with the files that it names beside it.
        format : {"ogip", "gadf"}, optional
            Format of the file; by default what its HDUs say.
        checksum : bool
            Whether to verify the checksums in the file.
        name : str, optional
            Name of the dataset; by default that in the file (OBS_ID of a PHA file).
        lazy, cache : bool
            As for `MapDataset.read`; OGIP files are always read at once.
        apply_grouping : bool
            Whether to join channels as the column GROUPING of a PHA file says, inside ``mask_safe``. By default they
            stay apart: a Poisson likelihood loses nothing by empty bins. The column is kept in
            ``counts.meta["grouping"]`` and written again.

        Returns
        -------
        SpectrumDatasetOnOff
            The dataset.

        Raises
        ------
        bayesmap.errors.FormatError
            If a file is missing, damaged or not of this format; the message names file and HDU.
        """
        if format is not None:
            check_option("format", format, ("ogip", "gadf"))
        if format == "ogip" or (format is None and is_ogip(filename)):
            dataset = cls._from_components(read_ogip(filename, checksum=checksum), name, filename)
            return (
                dataset.resample_energy_axis(grouped_axis(dataset.counts), name=dataset.name)
                if apply_grouping
                else dataset
            )
        return super().read(filename, name=name, lazy=lazy, cache=cache, checksum=checksum)

    def write(  # type: ignore[override]
        self, filename: FileName, overwrite: bool = False, format: str = "gadf", checksum: bool = False
    ) -> None:
        """Write the dataset, without its models, as one GADF file or as OGIP files.

        Parameters
        ----------
        filename : str or path
            FITS file; for OGIP the PHA file, beside which ``_arf``, ``_rmf`` and ``_bkg`` files are written.
        overwrite : bool
            Whether existing files are replaced.
        format : {"gadf", "ogip", "ogip-sherpa"}
            The last is OGIP in keV and cm2.
        checksum : bool
            Whether to store checksums.

        Raises
        ------
        OSError
            If a file exists and ``overwrite`` is False.
        ValueError
            If the dataset lacks what the format needs.
        """
        check_option("format", format, ("gadf", "ogip", "ogip-sherpa"))
        if format == "gadf":
            super().write(filename, overwrite=overwrite, checksum=checksum)
        else:
            write_ogip(self._parts(), filename, overwrite=overwrite, checksum=checksum, format=format)

    def to_dict(self, filename: FileName | None = None) -> dict[str, str]:
        """Name, type and data file, as an entry of a file that lists datasets.

        Parameters
        ----------
        filename : str or path, optional
            Data file; by default ``pha_obs<name>.fits``.
        """
        return super().to_dict(default_filename(self.name, "pha_obs") if filename is None else filename)
