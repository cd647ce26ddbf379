"""Counts cubes whose background is measured in an OFF region: `MapDatasetOnOff`."""

from typing import Any

import numpy as np

from bayesmap.datasets.components import Component
from bayesmap.datasets.map import MapDataset
from bayesmap.datasets.roles import ACCEPTANCE, ACCEPTANCE_OFF, COUNTS_OFF
from bayesmap.irf import GTI
from bayesmap.maps import Map

__all__ = ["MapDatasetOnOff"]


class MapDatasetOnOff(MapDataset):
    """Counts in an ON and an OFF measurement per bin, with the relative acceptances of the two.

    The expected background in the ON measurement is ``alpha`` times that in the OFF measurement, with
    ``alpha = acceptance / acceptance_off``. There is no ``background`` component: it is measured.

    Parameters
    ----------
    models : `~bayesmap.modeling.Models`, list or model, optional
        Source models.
    counts, counts_off : `~bayesmap.maps.Map`, optional
        ON and OFF counts in reconstructed energy.
    acceptance, acceptance_off : `~bayesmap.maps.Map`, optional
        Relative acceptances of the ON and the OFF measurement, in one unit.
    exposure, mask_fit, psf, edisp, name, mask_safe, gti, meta_table, meta
        As for `MapDataset`.

    Raises
    ------
    TypeError, ValueError
        As for `MapDataset`.
    """

    tag = "MapDatasetOnOff"
    stat_type = "wstat"

    counts_off = Component(COUNTS_OFF, "OFF counts, binned like the counts.")
    acceptance = Component(ACCEPTANCE, "Relative acceptance of the ON measurement.")
    acceptance_off = Component(ACCEPTANCE_OFF, "Relative acceptance of the OFF measurement.")
    components = {key: value for key, value in MapDataset.components.items() if key != "background"} | {
        "counts_off": counts_off,
        "acceptance": acceptance,
        "acceptance_off": acceptance_off,
    }

    def __init__(
        self,
        models: Any = None,
        counts: Any = None,
        counts_off: Any = None,
        acceptance: Any = None,
        acceptance_off: Any = None,
        exposure: Any = None,
        mask_fit: Any = None,
        psf: Any = None,
        edisp: Any = None,
        name: str | None = None,
        mask_safe: Any = None,
        gti: GTI | None = None,
        meta_table: Any = None,
        meta: Any = None,
    ):
        super().__init__(
            counts=counts,
            exposure=exposure,
            psf=psf,
            edisp=edisp,
            mask_safe=mask_safe,
            mask_fit=mask_fit,
            gti=gti,
            meta_table=meta_table,
            name=name,
            meta=meta,
        )
        self.counts_off = counts_off
        self.acceptance = acceptance
        self.acceptance_off = acceptance_off
        self.models = models

    @property
    def alpha(self) -> Map:
        """Ratio of the acceptances, zero where there is no OFF acceptance."""
        acceptance, off = self.acceptance, self.acceptance_off
        with np.errstate(invalid="ignore", divide="ignore"):
            data = np.nan_to_num(acceptance.data / off.data, nan=0.0, posinf=0.0, neginf=0.0)
        return Map.from_geom(acceptance.geom, data=data, unit="")

    @property
    def background(self) -> Map | None:  # type: ignore[override]
        """Estimate of the background in the ON measurement, ``alpha * counts_off``; None without OFF counts."""
        if self.counts_off is None:
            return None
        return self.alpha * self.counts_off

    @background.setter
    def background(self, value: Any) -> None:
        if value is not None:
            raise ValueError(
                f"dataset {self.name!r}: the background of an ON/OFF dataset is alpha * counts_off; "
                "set counts_off, acceptance and acceptance_off"
            )
