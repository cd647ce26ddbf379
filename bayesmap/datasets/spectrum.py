"""Spectra in a region of the sky: `SpectrumDataset` and `SpectrumDatasetOnOff`."""

from bayesmap.datasets.map import MapDataset
from bayesmap.datasets.onoff import MapDatasetOnOff

__all__ = ["SpectrumDataset", "SpectrumDatasetOnOff"]


class SpectrumDataset(MapDataset):
    """Counts in a region of the sky against energy, with a predicted background.

    Its maps are `~bayesmap.maps.RegionNDMap`, of shape ``(n_energy, 1, 1)``; for the arguments see `MapDataset`.
    """

    tag = "SpectrumDataset"
    stat_type = "cash"


class SpectrumDatasetOnOff(MapDatasetOnOff):
    """Counts in an ON and an OFF region against energy.

    Its maps are `~bayesmap.maps.RegionNDMap`, of shape ``(n_energy, 1, 1)``; for the arguments see `MapDatasetOnOff`.
    """

    tag = "SpectrumDatasetOnOff"
    stat_type = "wstat"
