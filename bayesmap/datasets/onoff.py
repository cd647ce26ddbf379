"""Counts cubes whose background is measured in an OFF region: `MapDatasetOnOff`."""

from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np

from bayesmap._types import RandomState, Tree
from bayesmap.datasets import predict, simulate
from bayesmap.datasets.components import Component
from bayesmap.datasets.conversion import OnOffConversion
from bayesmap.datasets.map import MapDataset
from bayesmap.datasets.roles import ACCEPTANCE, ACCEPTANCE_OFF, COUNTS_OFF
from bayesmap.graph import off_arrays
from bayesmap.io.checks import unmeasured
from bayesmap.irf import GTI
from bayesmap.likelihoods import OnOffLikelihood
from bayesmap.maps import Map
from bayesmap.modeling.collection import ModelsLike
from bayesmap.stats import get_wstat_mu_bkg

if TYPE_CHECKING:
    from astropy.table import Table

    from bayesmap.irf import EDispKernel, EDispKernelMap, EDispMap, PSFKernel, PSFMap, RecoPSFMap

__all__ = ["MapDatasetOnOff"]


class MapDatasetOnOff(OnOffConversion):
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

    Notes
    -----
    ``likelihood`` says what is done about the unknown background when parameters are inferred, see
    `~bayesmap.likelihoods.OnOffLikelihood`; assign another one to change it. ``stat_array`` and ``stat_sum`` are the
    W statistic in any case.
    """

    tag = "MapDatasetOnOff"
    stat_type = "wstat"
    likelihood: OnOffLikelihood = OnOffLikelihood()

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
        models: ModelsLike | None = None,
        counts: Map | None = None,
        counts_off: Map | None = None,
        acceptance: Map | float | None = None,
        acceptance_off: Map | None = None,
        exposure: Map | None = None,
        mask_fit: Map | None = None,
        psf: "PSFMap | RecoPSFMap | PSFKernel | None" = None,
        edisp: "EDispKernelMap | EDispMap | EDispKernel | None" = None,
        name: str | None = None,
        mask_safe: Map | None = None,
        gti: GTI | None = None,
        meta_table: "Table | None" = None,
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
        """Ratio of the acceptances, zero where there is no OFF acceptance.

        Raises
        ------
        ValueError
            If an acceptance is missing.
        """
        acceptance, off = self.acceptance, self.acceptance_off
        if acceptance is None or off is None:
            raise ValueError(
                f"dataset {self.name!r}: alpha needs acceptance and acceptance_off, one of them is missing"
            )
        with np.errstate(invalid="ignore", divide="ignore"):
            data = np.nan_to_num(acceptance.data / off.data, nan=0.0, posinf=0.0, neginf=0.0)
        return Map.from_geom(acceptance.geom, data=data, unit="")

    @property
    def background(self) -> Map | None:
        """Estimate of the background in the ON measurement, ``alpha * counts_off``; None without OFF counts.

        Raises
        ------
        ValueError
            If it is assigned: it follows from the OFF counts and the acceptances.
        """
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

    # --- predictions

    def npred_background(self) -> Map | None:
        """Background in the ON measurement that maximises the likelihood for the present signal.

        Returns
        -------
        `~bayesmap.maps.Map` or None
            Expected counts per bin, None without OFF counts.

        References
        ----------
        `bayesmap.stats.get_wstat_mu_bkg`, as `gammapy.datasets.MapDatasetOnOff.npred_background`.
        """
        if self.counts_off is None or self.counts is None:
            return None
        return self.profiled_background(self.npred_signal().data)

    def profiled_background(self, signal: np.ndarray) -> Map:
        """Background in ON that maximises the likelihood for a given signal.

        Parameters
        ----------
        signal : numpy.ndarray
            Expected signal counts per bin, shape ``(n_energy, n_lat, n_lon)``.

        Returns
        -------
        `~bayesmap.maps.Map`
            Expected counts per bin.
        """
        off = off_arrays(self)
        best = get_wstat_mu_bkg(self.counts.data, off["counts_off"], off["alpha"], signal)
        return Map.from_geom(self._geom, data=off["alpha"] * best, unit="")

    def npred_off(self) -> Map | None:
        """Predicted OFF counts: `npred_background` divided by ``alpha``, zero without acceptance."""
        background = self.npred_background()
        if background is None:
            return None
        alpha = self.alpha.data
        data = np.divide(background.data, alpha, out=np.zeros_like(background.data), where=alpha > 0)
        return Map.from_geom(self._geom, data=data, unit="")

    def stat_array(self) -> np.ndarray:
        """W statistic per bin, also outside the mask, at the current parameter values.

        Returns
        -------
        numpy.ndarray
            Twice the log-likelihood ratio to the best possible prediction, shape ``(n_energy, n_lat, n_lon)``.

        Raises
        ------
        ValueError
            If there are no ON or OFF counts.
        """
        predict.require_counts(self, "the fit statistic")
        if self.counts_off is None:
            raise ValueError(f"dataset {self.name!r} has no counts_off; the W statistic needs them")
        counts = np.asarray(self.counts.data, dtype="float64")
        return self.likelihood.stat_array(counts, self.npred_signal().data, **off_arrays(self))

    def _stat_sum(self) -> float:
        if self.counts_off is not None and self.acceptance is not None and self.acceptance_off is not None:
            blind = unmeasured(self.counts_off.data, self.acceptance.data, self.acceptance_off.data)
            blind = blind if self.mask is None else blind & self.mask.data
            if blind.any():
                raise ValueError(
                    f"dataset {self.name!r}: acceptance_off is zero in {int(blind.sum())} bins inside the mask that "
                    "have OFF counts: their background is unknown; give other values, or exclude them with mask_safe"
                )
        return super()._stat_sum()

    def fake(  # type: ignore[override]
        self,
        npred_background: Map | None = None,
        random_state: RandomState = "random-seed",
        *,
        posterior: Tree | None = None,
        prior: bool = False,
    ) -> dict[str, u.Quantity] | None:
        """Overwrite ON and OFF counts with one draw from the likelihood.

        Parameters
        ----------
        npred_background : `~bayesmap.maps.Map`, optional
            Expected background counts in ON. By default the background of each bin is itself drawn, from what the
            present OFF counts say about it (see `~bayesmap.likelihoods.OnOffLikelihood`).
        random_state, posterior, prior
            As for `MapDataset.fake`.

        Returns
        -------
        dict of str to `~astropy.units.Quantity` or None
            The parameters of the draw, as from `MapDataset.fake`.

        Raises
        ------
        ValueError
            If there is neither ``npred_background`` nor OFF counts, or both ``posterior`` and ``prior`` are asked for.
        """
        self.counts, self.counts_off, values = simulate.fake_on_off(
            self, npred_background, random_state, posterior=posterior, prior=prior
        )
        return values
