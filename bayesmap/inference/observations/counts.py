"""Counts, with a predicted background or one that is measured in OFF regions."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytensor
import pytensor.tensor as pt
from scipy import sparse

from bayesmap._backend.expressions import is_cast_of
from bayesmap.errors import UnexplainedCountsError
from bayesmap.graph import Fold, FoldArrays, Selection, build_terms
from bayesmap.graph.data import data as shared
from bayesmap.graph.psf.profile import psf_profile
from bayesmap.graph.signs import prior_support
from bayesmap.inference.defined import defined, defined_gradient
from bayesmap.inference.explained import unexplained
from bayesmap.inference.observations.base import Observation, SkyImage
from bayesmap.inference.observations.calls import BinData
from bayesmap.inference.observations.checks import (
    check_counts,
    check_off_counts,
)
from bayesmap.inference.observations.predictor import Predictor
from bayesmap.likelihoods import Likelihood
from bayesmap.likelihoods.counted import counted_logp
from bayesmap.likelihoods.draws import draw_poisson
from bayesmap.maps import Map

__all__ = ["ObservedCounts"]

log = logging.getLogger(__name__)

#: predictions below zero by less than this fraction of the largest are the rounding of a Fourier transform
ROUNDING = 1e-6
#: added to predicted counts before a logarithm: bins that nothing reaches count as a constant
TINY = 1e-300


class ObservedCounts(Observation):
    """The observed counts of one dataset; see `Observation`.

    Parameters
    ----------
    arrays : FoldArrays
        The dataset.
    models : sequence of models
        Those that apply to it.
    parameters : list of Parameter
        Free parameters, in the order in which they enter.
    likelihood : Likelihood
        The statistics of the counts.
    data : bool
        Whether the counts are used; without them there are predictions and draws only.
    every_bin : bool
        Look at all bins even if no term can become negative.
    unmeasured : numpy.ndarray, optional
        Bins that no mask may leave, as nothing is known of their background; a boolean cube.
    **options
        For :func:`~bayesmap.graph.build_terms`.

    Attributes
    ----------
    nonnegative : bool
        Whether no term can become negative (or it may): the likelihood then needs the prediction only in some bins, and
        in total. Otherwise all bins are looked at for negative ones.

    Raises
    ------
    ValueError
        If the likelihood is one for another kind of dataset, or the counts are no data for it.
    """

    quantity: ClassVar[str] = "counts"
    content: ClassVar[str] = "counts"

    def __init__(
        self,
        arrays: FoldArrays,
        models: Sequence[Any],
        parameters: Sequence[Any],
        likelihood: Likelihood,
        *,
        data: bool = True,
        every_bin: bool = False,
        unmeasured: np.ndarray | None = None,
        **options: Any,
    ) -> None:
        self.name, self.models, self.parameters = arrays.name, list(models), list(parameters)
        self.arrays, self.likelihood = arrays, likelihood
        if set(likelihood.needs) != set(arrays.off):
            raise ValueError(
                f"dataset {arrays.name!r}: its likelihood {likelihood!r} needs {_listed(likelihood.needs)} beside the "
                f"counts, the dataset has {_listed(arrays.off)}; assign a likelihood for this kind of dataset"
            )
        self.fold = Fold(build_terms(arrays, models, **options), weights=self.weights)
        self._inside = shared(self.weights[arrays.mask])
        self._dense_fold: Fold | None = None
        self.npred = Predictor(self.fold.terms, models, parameters)
        self.reach = dict(options.get("reach") or {})
        negative = self.fold.terms.may_be_negative(prior_support) if data and not likelihood.allows_negative else []
        if negative:
            why = "; ".join(negative)
            log.warning("dataset %r: every bin is predicted at each step, which is slow, because %s", self.name, why)
        self.nonnegative = not (negative or every_bin)
        self.unmeasured = unmeasured
        self.bins: dict[str, Any] = {}
        self.off = {key: shared(cube) for key, cube in arrays.off.items()}
        if data:
            assert arrays.counts is not None
            self.value = pytensor.shared(arrays.counts.astype("float64"), name=f"{arrays.name}.counts_data")
            self.set_counts(arrays.counts)

    @property
    def weights(self) -> np.ndarray:
        """Weights of the total prediction, a cube of float64."""
        return np.asarray(self.likelihood.weights(self.arrays.mask), dtype="float64")

    @property
    def mask(self) -> np.ndarray:
        """Bins that enter the likelihood, a boolean cube."""
        return self.arrays.mask

    @property
    def routes(self) -> dict[str, tuple[str, float]]:
        """How each source meets the PSF; see :class:`~bayesmap.graph.Terms`."""
        return self.fold.terms.routes

    def set_counts(self, counts: np.ndarray, counts_off: np.ndarray | None = None) -> None:
        """Replace the counts and everything that depends on them.

        Parameters
        ----------
        counts : numpy.ndarray
            Cube of the shape of the dataset; whole, non-negative numbers.
        counts_off : numpy.ndarray, optional
            The same for the OFF counts of an ON/OFF dataset; those at hand stay by default.

        Raises
        ------
        ValueError
            If shape or values are wrong, or there are no OFF counts to replace.
        """
        self.check(counts, counts_off)
        if counts_off is not None:
            self.off["counts_off"].set_value(np.maximum(np.asarray(counts_off, dtype="float64"), 0))
        self._hold(np.asarray(counts, dtype="float64"))

    def set_mask(self, mask: np.ndarray) -> None:
        """Look at other bins from now on, and replace everything that depends on them; see `check_mask`.

        Parameters
        ----------
        mask : numpy.ndarray
            Bins that enter the likelihood, a boolean cube.
        """
        self.check_mask(mask)
        self.arrays = replace(self.arrays, mask=np.array(mask, dtype=bool))
        self.fold.set_weights(self.weights)
        self._inside.set_value(self.weights[self.arrays.mask])
        if self._dense_fold is not None:
            self._dense_fold.select(Selection.from_mask(self.arrays.mask))
        self._hold(self.value.get_value())

    def check_mask(self, mask: np.ndarray) -> None:
        """Raise a ValueError if a mask cannot replace that at hand.

        Parameters
        ----------
        mask : numpy.ndarray
            A boolean cube of the shape of the dataset.
        """
        name, mask = self.name, np.asarray(mask)
        if mask.dtype != bool or mask.shape != self.arrays.mask.shape:
            raise ValueError(
                f"dataset {name!r}: a mask holds booleans in the shape {self.arrays.mask.shape}, got {mask.dtype} in "
                f"{mask.shape}"
            )
        if self.likelihood.latents_follow_mask and (mask != self.arrays.mask).any():
            raise ValueError(
                f"dataset {name!r}: {self.likelihood!r} has an unknown in each bin of the mask; compile it again with "
                "another mask"
            )
        arrays = replace(self.arrays, mask=mask, counts=self.value.get_value())
        check_counts(arrays, self.likelihood)
        for key in self.likelihood.measured:
            check_off_counts(name, self.off[key].get_value(), mask)
        if self.unmeasured is not None and (mask & self.unmeasured).any():
            number = int((mask & self.unmeasured).sum())
            raise ValueError(f"dataset {name!r}: {number} bins inside the mask have no OFF acceptance")
        if self.nonnegative and arrays.background is not None and arrays.background[mask].min() < 0:
            raise ValueError(
                f"dataset {name!r}: the background has negative bins inside the mask, which this compiled density does "
                "not look for; compile it again with this mask"
            )
        self._check_explained(self.value.get_value(), mask)

    def _hold(self, counts: np.ndarray) -> None:
        """Put in place what depends on counts and mask."""
        selection = Selection.from_mask(self._chosen(counts))
        self.fold.select(selection)
        arrays = self.bin_data(counts)
        if self._is_counted_poisson:
            arrays |= self.fold.count_sums(arrays["counts"])
        for key, value in arrays.items():
            if key in self.bins:
                self.bins[key].set_value(np.asarray(value))
            else:
                self.bins[key] = shared(np.asarray(value))
        self.value.set_value(counts)
        self.revision += 1

    def _chosen(self, counts: np.ndarray) -> np.ndarray:
        """Bins whose prediction is needed one by one, a boolean cube."""
        return (
            self.likelihood.support(counts, self.arrays.mask, **self._off()) if self.nonnegative else self.arrays.mask
        )

    def _off(self) -> dict[str, np.ndarray]:
        return {key: cube.get_value() for key, cube in self.off.items()}

    def bin_data(self, counts: np.ndarray, every: bool = False) -> dict[str, Any]:
        """What the likelihood reads of a cube of counts, in the bins whose prediction is needed, or in all."""
        chosen = self.arrays.mask if every else self._chosen(counts)
        return self.likelihood.bin_data(chosen, self.arrays.mask, counts, **self._off())

    def check(self, counts: np.ndarray, counts_off: np.ndarray | None = None) -> None:
        """Raise a ValueError if these counts are no data of this dataset, or nothing explains them."""
        name, mask = self.arrays.name, self.arrays.mask
        self.likelihood.check(name, np.asarray(counts, dtype="float64"), mask)
        if counts_off is not None:
            if "counts_off" not in self.likelihood.measured:
                raise ValueError(f"dataset {name!r} is not an ON/OFF dataset and takes no OFF counts")
            check_off_counts(name, np.asarray(counts_off, dtype="float64"), mask)
        self._check_explained(np.asarray(counts), mask)

    @property
    def _is_counted_poisson(self) -> bool:
        """Whether only bins with counts are looked at, and their sum of logarithms is all that is needed."""
        return self.nonnegative and self.likelihood.is_poisson

    def logp(self, value: Any, *arguments: Any) -> Any:
        """Log-likelihood of the data, natural logarithm, a scalar; -inf where it is no number."""
        parameters, latents = self._split([defined_gradient(x) for x in arguments])
        values = self.npred.values(parameters)
        if is_cast_of(value, self.value):
            return defined(self._logp(self.fold, values, self.bins, latents))
        read = BinData(self)  # data that this object does not hold (a model changed by hand)
        bins = dict(zip(read.keys, read(value, return_list=True), strict=True))
        return defined(self._dense(self._everywhere.at(values), bins, latents))

    @property
    def _everywhere(self) -> Fold:
        """The prediction in all bins of the mask."""
        if self._dense_fold is None:
            self._dense_fold = Fold(self.fold.terms)
            self._dense_fold.select(Selection.from_mask(self.arrays.mask))
        return self._dense_fold

    def _logp(self, fold: Fold, values: Any, bins: Mapping[str, Any], latents: Mapping[str, Any]) -> Any:
        if self._is_counted_poisson:
            return counted_logp(*fold.layers(values), bins)
        if not self.nonnegative:
            return self._dense(fold.at(values), bins, latents)
        npred, total = fold.at_and_total(values) if self.weights.any() else (fold.at(values), pt.constant(0.0))
        return self.likelihood.logp(npred, total, bins, latents)

    def _dense(self, npred: Any, bins: Mapping[str, Any], latents: Mapping[str, Any]) -> Any:
        """Log-likelihood from the prediction in all bins of the mask; negative ones beyond rounding are impossible."""
        total = (npred * self._inside).sum()
        if self.likelihood.allows_negative:
            return self.likelihood.logp(npred, total, bins, latents)
        logp = self.likelihood.logp(pt.maximum(npred, 0), total, bins, latents)
        return pt.switch(npred.min() < -ROUNDING * npred.max(), -np.inf, logp)

    def margin(self) -> Any:
        """Sum of the logarithms of the predicted counts, symbolic: minus infinity where one is zero, NaN below."""
        return pt.log(self.fold.at(self.npred.values(self.variables)) + TINY).sum()

    def _check_explained(self, counts: np.ndarray, mask: np.ndarray) -> None:
        """Counts in a bin where no term ever predicts any make every parameter value impossible."""
        if self.likelihood.allows_negative:
            return
        suspicious = mask & (counts > 0)
        suspicious &= ~self.fold.terms.can_reach()
        suspicious &= ~np.asarray(self.likelihood.explains(**self._off()))
        if not suspicious.any():
            return
        bad = np.argwhere(unexplained(suspicious, self.npred, self.arrays, self.reach))
        if len(bad):
            shown = ", ".join(str(tuple(int(i) for i in index)) for index in bad[:5])
            raise UnexplainedCountsError(
                f"dataset {self.arrays.name!r}: {len(bad)} bins hold counts but no model predicts any there, first "
                f"(energy, lat, lon) = {shown}; mask these bins, or add a background or a source that reaches them"
            )

    @property
    def latent_names(self) -> tuple[str, ...]:
        """Names of the unknowns of the likelihood."""
        return self.likelihood.latent_names

    @property
    def latents_follow_mask(self) -> bool:
        """Whether the likelihood has an unknown for each bin of the mask."""
        return self.likelihood.latents_follow_mask

    def latents(self) -> dict[str, Any]:
        """Create the unknowns of the likelihood; see `Observation.latents`."""
        return self.likelihood.latents(self.name, self.arrays.mask, **self.off)

    @property
    def distribution_name(self) -> str:
        """Name of the likelihood, and "Counts"."""
        return f"{type(self.likelihood).__name__.removesuffix('Likelihood')}Counts"

    def _given(self, arguments: Sequence[Any]) -> tuple[np.ndarray, dict[str, Any]]:
        """The prediction as a cube, and what a likelihood takes besides."""
        parameters, latents = self._split(arguments)
        further: dict[str, Any] = {"latents": latents, "mask": self.arrays.mask} if latents else {}
        return self.npred(*parameters), further | self._off()

    @property
    def counts(self) -> np.ndarray | None:
        """The counts that are looked at, a cube of float64."""
        return self.arrays.counts if self.value is None else self.value.get_value()

    def mean(self, *arguments: Any) -> np.ndarray:
        """Expected counts, a cube, nothing is clipped.

        Where the background is measured and its values are not given, it is the one that maximises the likelihood.
        """
        npred, further = self._given(arguments)
        return self.likelihood.expected(npred, self.counts, **further)

    def random(self, rng: np.random.Generator, *arguments: Any) -> np.ndarray:
        """Draw counts, a cube of float64; see `Observation.random`."""
        npred, further = self._given(arguments)
        return self.likelihood.random(self._without_rounding(npred), rng, **further)

    def _without_rounding(self, npred: np.ndarray) -> np.ndarray:
        """The prediction with zeros where a Fourier transform left tiny negative numbers, as `logp` takes them."""
        if self.likelihood.allows_negative:
            return npred
        if npred.min() >= 0:
            return npred
        return np.where((npred < 0) & (npred >= -ROUNDING * npred.max()), 0.0, npred)

    def pointwise(self, *arguments: Any) -> np.ndarray:
        """Log-probability of the counts of each bin in the mask, shape ``(n_bin,)``; see `Observation.pointwise`."""
        npred, further = self._given(arguments)
        assert self.counts is not None
        return self.likelihood.pointwise(self.counts, npred, **further)[self.arrays.mask]

    def summed(self, labels: np.ndarray, number: int) -> Callable[..., np.ndarray]:
        """Return the function that sums `pointwise` over groups; see `Observation.summed`.

        Of Poisson counts only bins that hold some need a logarithm; of the others the sum of the prediction is enough.
        """
        general = super().summed(labels, number)
        if not self.likelihood.is_poisson:
            return general
        assert self.counts is not None
        groups = np.full(self.mask.size, -1)
        groups[self.mask.ravel()] = labels
        inside, held = np.flatnonzero(groups >= 0), np.flatnonzero((groups >= 0) & (self.counts.ravel() > 0))
        counts, places = self.counts.ravel()[held], groups[held]
        sums = sparse.csr_array((np.ones(len(inside)), (groups[inside], inside)), shape=(number, groups.size))
        weights = sparse.csr_array((counts, (places, np.arange(len(held)))), shape=(number, len(held)))
        # what does not depend on the prediction: ln p of a prediction of one, and this one
        constant = np.bincount(places, self.likelihood.pointwise(counts, np.ones(len(held))) + 1, number)

        def function(*arguments: Any) -> np.ndarray:
            npred = self._given(arguments)[0].ravel()
            if not npred.min() >= 0:  # impossible bins are looked for one by one
                return general(*arguments)
            with np.errstate(divide="ignore"):
                return np.asarray(weights @ np.log(npred[held]) - sums @ npred + constant)

        return function

    def seen(self) -> list[np.ndarray]:
        """Counts in the mask, the mask, and what was measured of the background; see `Observation.seen`."""
        mask = self.arrays.mask
        off = [np.where(mask, self.off[key].get_value(), 0.0) for key in sorted(self.off)]
        return [np.where(mask, self.value.get_value(), 0.0), mask, *off]

    def wrap(self, values: np.ndarray) -> Map:
        """A cube as a map."""
        return Map.from_geom(self.arrays.geom, data=values, unit="")

    def image(self) -> SkyImage | None:
        """Counts and prediction, summed over energies; None of a region."""
        if self.arrays.is_region:
            return None
        arrays = self.arrays
        beside = np.broadcast_to(self.likelihood.beside(**self._off()), arrays.mask.shape)

        def expected(*arguments: Any) -> np.ndarray:
            npred = np.nan_to_num(np.maximum(self.npred(*arguments), 0))
            return np.where(arrays.mask, npred, 0).sum(axis=0) + np.where(arrays.mask, beside, 0).sum(axis=0)

        counts = np.where(arrays.mask, self.value.get_value(), 0).sum(axis=0)
        geom = arrays.geom.to_image()
        return SkyImage(geom, arrays.pixel_scale, self._blur(), arrays.mask.any(axis=0), counts, expected)

    def _blur(self) -> float:
        arrays = self.arrays
        if arrays.psf is None:
            return 0.0
        energy = arrays.energy if arrays.reco_psf else arrays.energy_true
        profile = psf_profile(arrays.psf, arrays.geom.center_skydir, energy)
        return float(np.median(profile.containment_radius(0.39)))

    def summary(self) -> dict[str, Any]:
        """Counts per energy inside the mask, for the result: cubes never enter it."""
        dim = f"{self.arrays.name}_energy"
        assert self.counts is not None
        cubes = {key: self.off[key].get_value() for key in self.likelihood.measured}
        sums = self.in_short(self.counts)
        sums |= {f"{self.arrays.name}.{key}": (cube * self.arrays.mask).sum(axis=(1, 2)) for key, cube in cubes.items()}
        summary: dict[str, Any] = {dim: ((dim,), self.arrays.energy, {"units": "TeV"})}
        for name, values in sums.items():
            quantity = name.removeprefix(f"{self.arrays.name}.")
            summary[name] = ((dim,), values, {"units": "", "long_name": f"{quantity} inside the mask"})
        return summary

    def in_short(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """Sums per energy inside the mask, shape ``(n_energy,)``: integers if they are whole."""
        sums = np.einsum("eij,eij->e", values, self.arrays.inside)
        whole = sums.astype("int64")
        return {f"{self.arrays.name}.counts": whole if (whole == sums).all() else sums}

    def random_in_short(self, rng: np.random.Generator, *arguments: Any) -> dict[str, np.ndarray]:
        """Draw sums per energy inside the mask, shape ``(n_energy,)``: sums of Poisson counts are Poisson counts."""
        if not self.likelihood.is_poisson:
            return super().random_in_short(rng, *arguments)
        means = self.in_short(self._without_rounding(self.mean(*arguments)))
        return {name: draw_poisson(sums, rng).astype("int64") for name, sums in means.items()}


def _listed(names: Any) -> str:
    return " and ".join(sorted(names)) or "nothing"
