"""The observed variable of one dataset: its data, its log-likelihood and its draws."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt

from bayesmap._backend.expressions import is_cast_of
from bayesmap.graph import Fold, FoldArrays, Selection, build_terms
from bayesmap.graph.data import data
from bayesmap.graph.signs import prior_support
from bayesmap.inference.explained import unexplained
from bayesmap.inference.observed_ops import BinData, DrawnData, defined, defined_gradient
from bayesmap.inference.predictor import Predictor
from bayesmap.io.checks import impossible
from bayesmap.likelihoods import Likelihood
from bayesmap.likelihoods.checks import check_cube
from bayesmap.likelihoods.counted import counted_logp

__all__ = ["ObservedCounts", "check_off_counts"]

log = logging.getLogger(__name__)

#: predictions below zero by less than this fraction of the largest are the rounding of a Fourier transform
ROUNDING = 1e-6
#: added to predicted counts before a logarithm: bins that nothing reaches count as a constant
TINY = 1e-300


class ObservedCounts:
    """The observed counts of one dataset.

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

    def __init__(
        self,
        arrays: FoldArrays,
        models: Sequence[Any],
        parameters: list[Any],
        likelihood: Likelihood,
        **options: Any,
    ) -> None:
        self.arrays, self.likelihood = arrays, likelihood
        if set(likelihood.needs) != set(arrays.off):
            raise ValueError(
                f"dataset {arrays.name!r}: its likelihood {likelihood!r} needs {_listed(likelihood.needs)} beside the "
                f"counts, the dataset has {_listed(arrays.off)}; assign a likelihood for this kind of dataset"
            )
        self.weights = np.asarray(likelihood.weights(arrays.mask), dtype="float64")
        self.fold = Fold(build_terms(arrays, models, **options), weights=self.weights)
        self.npred = Predictor(self.fold.terms, models, parameters)
        self.reach = dict(options.get("reach") or {})
        negative = [] if likelihood.allows_negative else self.fold.terms.may_be_negative(prior_support)
        if negative:
            reasons = "; ".join(negative)
            log.warning(
                "dataset %r: every bin is predicted at each step, which is slow, because %s", arrays.name, reasons
            )
        self.nonnegative = not negative
        self.bins: dict[str, Any] = {}
        assert arrays.counts is not None
        self.value = pytensor.shared(arrays.counts.astype("float64"), name=f"{arrays.name}.counts_data")
        self.off = {key: data(cube) for key, cube in arrays.off.items()}
        self.set_counts(arrays.counts)

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
        counts = np.asarray(counts, dtype="float64")
        if counts_off is not None:
            self.off["counts_off"].set_value(np.maximum(np.asarray(counts_off, dtype="float64"), 0))
        selection = Selection.from_mask(self._chosen(counts))
        self.fold.select(selection)
        arrays = self.bin_data(counts)
        if self._is_counted_poisson:
            arrays |= self.fold.count_sums(arrays["counts"])
        for key, value in arrays.items():
            if key in self.bins:
                self.bins[key].set_value(np.asarray(value))
            else:
                self.bins[key] = data(np.asarray(value))
        self.value.set_value(counts)

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
            if "counts_off" not in self.off:
                raise ValueError(f"dataset {name!r} is not an ON/OFF dataset and takes no OFF counts")
            check_off_counts(name, np.asarray(counts_off, dtype="float64"), mask)
        self._check_explained(np.asarray(counts))

    @property
    def _is_counted_poisson(self) -> bool:
        """Whether only bins with counts are looked at, and their sum of logarithms is all that is needed."""
        return self.nonnegative and self.likelihood.is_poisson

    def _split(self, arguments: Sequence[Any]) -> tuple[Sequence[Any], dict[str, Any]]:
        """Parameters and latent variables, from all that the observed variable depends on."""
        number = len(self.npred.parameters)
        return arguments[:number], dict(zip(self.likelihood.latent_names, arguments[number:], strict=True))

    def logp(self, value: Any, *arguments: Any) -> Any:
        """Log-likelihood of the data, natural logarithm, a scalar; -inf where it is no number."""
        parameters, latents = self._split([defined_gradient(x) for x in arguments])
        values = self.npred.values(parameters)
        if is_cast_of(value, self.value):
            return defined(self._logp(self.fold, values, self.bins, latents))
        fold = Fold(self.fold.terms, self.weights)  # data that this object does not hold (a model changed by hand)
        fold.select(Selection.from_mask(self.arrays.mask))
        read = BinData(self)
        bins = dict(zip(read.keys, read(value, return_list=True), strict=True))
        return defined(self._dense(fold.at(values), bins, latents))

    def _logp(self, fold: Fold, values: Any, bins: Mapping[str, Any], latents: Mapping[str, Any]) -> Any:
        if self._is_counted_poisson:
            return counted_logp(*fold.layers(values), bins)
        if not self.nonnegative:
            return self._dense(fold.at(values), bins, latents)
        npred, total = fold.at_and_total(values) if self.weights.any() else (fold.at(values), pt.constant(0.0))
        return self.likelihood.logp(npred, total, bins, latents)

    def _dense(self, npred: Any, bins: Mapping[str, Any], latents: Mapping[str, Any]) -> Any:
        """Log-likelihood from the prediction in all bins of the mask; negative ones beyond rounding are impossible."""
        total = (npred * data(self.weights[self.arrays.mask])).sum()
        if self.likelihood.allows_negative:
            return self.likelihood.logp(npred, total, bins, latents)
        logp = self.likelihood.logp(pt.maximum(npred, 0), total, bins, latents)
        return pt.switch(npred.min() < -ROUNDING * npred.max(), -np.inf, logp)

    def margin(self) -> Any:
        """Sum of the logarithms of the predicted counts, symbolic: minus infinity where one is zero, NaN below."""
        return pt.log(self.fold.at(self.npred.values(self.variables)) + TINY).sum()

    def _check_explained(self, counts: np.ndarray) -> None:
        """Counts in a bin where no term ever predicts any make every parameter value impossible."""
        if self.likelihood.allows_negative:
            return
        suspicious = self.arrays.mask & (counts > 0)
        suspicious &= ~self.fold.terms.can_reach()
        if "alpha" in self.arrays.off:
            suspicious &= self.arrays.off["alpha"] <= 0
        if not suspicious.any():
            return
        bad = np.argwhere(unexplained(suspicious, self.npred, self.arrays, self.reach))
        if len(bad):
            shown = ", ".join(str(tuple(int(i) for i in index)) for index in bad[:5])
            raise ValueError(
                f"dataset {self.arrays.name!r}: {len(bad)} bins hold counts but no model predicts any there, first "
                f"(energy, lat, lon) = {shown}; mask these bins, or add a background or a source that reaches them"
            )

    def random(self, rng: np.random.Generator, *arguments: Any) -> np.ndarray:
        """Draw data at the prediction of the parameters and latent variables, a cube of float64."""
        parameters, latents = self._split(arguments)
        further: dict[str, Any] = {"latents": latents, "mask": self.arrays.mask} if latents else {}
        return self.likelihood.random(self.npred(*parameters), rng, **further | self._off())

    def register(self, variables: Sequence[Any]) -> Any:
        """Create the observed variable, and the latent ones of the likelihood, in the model of the context."""
        self.variables = list(variables)
        latents = self.likelihood.latents(self.arrays.name, self.arrays.mask, **self._off())
        arguments = [*variables, *(latents[key] for key in self.likelihood.latent_names)]
        signature = [f"({','.join(f'd{i}_{axis}' for axis in range(a.ndim))})" for i, a in enumerate(arguments)]
        drawn = DrawnData(self)

        def dist(*arguments: Any) -> Any:
            _, seed = pt.random.integers(0, 2**62, rng=pt.random.shared_rng(seed=None), return_next_rng=True)
            return drawn(seed, *arguments[:-1])  # the last one is the size

        return pm.CustomDist(
            f"{self.arrays.name}.counts",
            *arguments,
            dist=dist,
            logp=self.logp,
            signature=",".join(signature) + "->(e,y,x)",
            class_name=f"{type(self.likelihood).__name__.removesuffix('Likelihood')}Counts",
            observed=self.value,
        )

    def summary(self) -> dict[str, Any]:
        """Counts per energy inside the mask, for the result: cubes never enter it."""
        dim = f"{self.arrays.name}_energy"
        cubes = {"counts": self.value.get_value()}
        if "counts_off" in self.off:
            cubes["counts_off"] = self.off["counts_off"].get_value()
        summary: dict[str, Any] = {dim: ((dim,), self.arrays.energy, {"units": "TeV"})}
        for key, cube in cubes.items():
            attributes = {"units": "", "long_name": f"{key} inside the mask"}
            summary[f"{self.arrays.name}.{key}"] = ((dim,), (cube * self.arrays.mask).sum(axis=(1, 2)), attributes)
        return summary


def check_off_counts(name: str, counts: np.ndarray, mask: np.ndarray) -> None:
    """The same for OFF counts, which need not be whole: those of a ring are a convolution, with its round-off."""
    check_cube(name, "counts_off", counts, mask, "non-negative numbers", lambda n: ~impossible("counts_off", n))


def _listed(names: Any) -> str:
    return " and ".join(sorted(names)) or "nothing"
