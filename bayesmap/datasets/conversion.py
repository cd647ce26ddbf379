"""Between datasets with a measured and with a predicted background."""

import copy
from typing import Any, Self

import numpy as np

from bayesmap._util import make_name
from bayesmap.datasets.components import Component
from bayesmap.datasets.map import MapDataset
from bayesmap.datasets.predict import signal_models
from bayesmap.maps import Map

__all__ = ["OnOffConversion"]

#: components that both kinds of datasets have
SHARED = ("mask_safe", "mask_fit", "counts", "exposure", "psf", "edisp")


class OnOffConversion(MapDataset):
    """Conversions of ON/OFF datasets, for the class that has the components."""

    counts_off: Component
    acceptance: Component
    acceptance_off: Component

    #: class of the dataset with a predicted background
    predicted_type: type[MapDataset] = MapDataset

    @classmethod
    def from_map_dataset(
        cls,
        dataset: MapDataset,
        acceptance: Map | float,
        acceptance_off: Map | float,
        counts_off: Map | None = None,
        name: str | None = None,
    ) -> Self:
        """Make an ON/OFF dataset from one with a predicted background.

        Parameters
        ----------
        dataset : MapDataset
            Its components are copied, its sky models shared; its background model is left behind.
        acceptance, acceptance_off : `~bayesmap.maps.Map` or float
            Relative acceptance of the ON and the OFF measurement; a number holds in all bins.
        counts_off : `~bayesmap.maps.Map`, optional
            OFF counts; by default the predicted background divided by the ratio of the acceptances, if the dataset has
            a background. Such OFF counts are in general no integers, which gives a warning.
        name : str, optional
            Name of the new dataset; a random one by default.

        Returns
        -------
        MapDatasetOnOff
            The new dataset.
        """
        geom = dataset._geom
        acceptance, acceptance_off = (
            Map.from_geom(geom, data=np.full(geom.data_shape, value, dtype="float64"), unit="")
            if np.isscalar(value)
            else value
            for value in (acceptance, acceptance_off)
        )
        if counts_off is None and dataset.background is not None:
            counts_off = dataset.npred_background() * (acceptance_off / acceptance)
        parts: dict[str, Any] = {key: copy.deepcopy(getattr(dataset, key)) for key in SHARED}
        parts |= {"counts_off": counts_off, "acceptance": acceptance, "acceptance_off": acceptance_off}
        new = cls(
            **parts,
            models=signal_models(dataset) or None,
            name=make_name(name),
        )
        return _copy_side(dataset, new)

    def to_map_dataset(self, name: str | None = None) -> MapDataset:
        """Return the dataset with ``alpha * counts_off`` as its background, without models.

        Parameters
        ----------
        name : str, optional
            Name of the new dataset; a random one by default.

        Notes
        -----
        OFF counts that are negative by the round-off of a ring background give no background.
        """
        parts = {key: copy.deepcopy(getattr(self, key)) for key in SHARED}
        background = self.background
        if background is not None:
            background.data = np.where(self.counts_off.data < 0, background.data.dtype.type(0), background.data)
        return _copy_side(self, self.predicted_type(**parts, background=background, name=make_name(name)))


def _copy_side[D: MapDataset](dataset: MapDataset, new: D) -> D:
    """Give the new dataset copies of time intervals, tables and meta data."""
    for key in ("gti", "meta_table", "meta"):
        setattr(new, key, copy.deepcopy(getattr(dataset, key)))
    return new
