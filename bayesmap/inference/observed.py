"""The observed variable of one dataset: its data, its log-likelihood and its draws."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
from pytensor.gradient import disconnected_type
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import generate_fallback_impl, numba_funcify
from pytensor.scalar.basic import Cast
from pytensor.tensor.elemwise import Elemwise

from bayesmap.graph import Fold, FoldArrays, Selection, build_terms
from bayesmap.graph.fold import data, per_energy
from bayesmap.inference.listing import prior_median
from bayesmap.inference.predictor import Predictor
from bayesmap.io.checks import impossible
from bayesmap.likelihoods import Likelihood, OnOffLikelihood, PoissonLikelihood

__all__ = ["ObservedCounts", "check_counts", "check_off_counts", "is_cast_of"]


# Added to predicted counts before a logarithm: bins that nothing reaches count as a constant.
TINY = 1e-300


class Predicted(Op):
    """Dense predicted counts of one dataset as a function of its free parameters, and its OFF data, for draws of data.

    A call back into a compiled function, without gradient: the likelihood does not use it. OFF data are outputs because
    the graph of a distribution must not depend on shared variables.
    """

    __props__ = ("observed",)

    def __init__(self, observed: "ObservedCounts") -> None:
        self.observed = observed

    def make_node(self, *parameters: Any) -> Apply:
        shape = self.observed.arrays.mask.shape
        cubes = [pt.tensor(dtype="float64", shape=shape) for _ in range(1 + len(self.observed.off))]
        return Apply(self, [pt.as_tensor_variable(p) for p in parameters], cubes)

    def perform(self, node: Apply, inputs: Any, outputs: Any) -> None:
        outputs[0][0] = self.observed.npred(*inputs)
        for output, cube in zip(outputs[1:], self.observed.off.values(), strict=True):
            output[0] = cube.get_value()

    def infer_shape(self, node: Apply, shapes: Any) -> Any:
        shape = tuple(pt.constant(n, dtype="int64") for n in self.observed.arrays.mask.shape)
        return [shape] * len(node.outputs)

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[False] * len(node.outputs) for _ in node.inputs]

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        return [disconnected_type() for _ in inputs]


@numba_funcify.register(Predicted)
def _numba_predicted(op: Predicted, node: Apply, **kwargs: Any) -> Any:
    """Calls Python from compiled code, on purpose and without a warning."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Numba will use object mode", UserWarning)
        return generate_fallback_impl(op, node, **kwargs)


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
    nonnegative : bool
        No term can become negative: the likelihood then needs the prediction only in some bins, and in total.
    likelihood : Likelihood
        The statistics of the counts.
    **options
        For :func:`~bayesmap.graph.build_terms`.
    """

    def __init__(
        self,
        arrays: FoldArrays,
        models: Sequence[Any],
        parameters: list[Any],
        nonnegative: bool,
        likelihood: Likelihood,
        **options: Any,
    ) -> None:
        self.arrays, self.likelihood = arrays, likelihood
        self.fold = Fold(build_terms(arrays, models, **options), weights=likelihood.weights(arrays.mask))
        self.npred = Predictor(self.fold.terms, models, parameters)
        self.nonnegative = nonnegative
        self.bins: dict[str, Any] = {}
        assert arrays.counts is not None
        self.value = pytensor.shared(arrays.counts.astype("float64"), name=f"{arrays.name}.counts_data")
        self.off = {key: data(cube) for key, cube in arrays.off.items()}
        self.set_counts(arrays.counts)

    @property
    def latent(self) -> bool:
        """Whether the OFF background is sampled."""
        return isinstance(self.likelihood, OnOffLikelihood) and self.likelihood.background == "latent"

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
        mask, counts = self.arrays.mask, np.asarray(counts, dtype="float64")
        if counts_off is not None:
            self.off["counts_off"].set_value(np.maximum(np.asarray(counts_off, dtype="float64"), 0))
        off = {key: cube.get_value() for key, cube in self.off.items()}
        chosen = self.likelihood.support(counts, mask, **off) if self.nonnegative else mask
        selection = Selection.from_mask(chosen)
        self.fold.select(selection)
        arrays = self.likelihood.bin_data(chosen, mask, counts, **off)
        if self._collapses:
            values = arrays["counts"]
            arrays["per_energy"] = np.bincount(selection.energy, values, mask.shape[0])
            arrays["static"] = (values * self.fold.bins["log_background0"].get_value()).sum()
        for key, value in arrays.items():
            if key in self.bins:
                self.bins[key].set_value(np.asarray(value))
            else:
                self.bins[key] = per_energy(value) if key == "per_energy" else data(np.asarray(value))
        self.value.set_value(counts)

    def check(self, counts: np.ndarray, counts_off: np.ndarray | None = None) -> None:
        """Raise a ValueError if these counts are no data of this dataset, or nothing explains them."""
        name, mask = self.arrays.name, self.arrays.mask
        check_counts(name, np.asarray(counts, dtype="float64"), mask)
        if counts_off is not None:
            if "counts_off" not in self.off:
                raise ValueError(f"dataset {name!r} is not an ON/OFF dataset and takes no OFF counts")
            check_off_counts(name, np.asarray(counts_off, dtype="float64"), mask)
        self._check_explained(np.asarray(counts))

    @property
    def _collapses(self) -> bool:
        """Whether the logarithm of the prediction is needed only where sources reach, and per energy elsewhere."""
        return self.nonnegative and isinstance(self.likelihood, PoissonLikelihood) and self.fold.collapses

    def logp(self, value: Any, *arguments: Any) -> Any:
        """Log-likelihood of the counts, natural logarithm, a scalar."""
        *parameters, background = arguments if self.latent else (*arguments, None)
        values = self.npred.values(parameters)
        if not is_cast_of(value, self.value):
            return self._other(value, values, background)
        if self._collapses:
            log_sum, total = self.fold.log_sum(
                values, self.bins["counts"], self.bins["per_energy"], self.bins["static"]
            )
            return log_sum - total + self.bins["constant"]
        if self.nonnegative:
            npred, total = self.fold.at_and_total(values)
            return self.likelihood.logp(npred, self.bins, background) - total
        return self._dense(self.fold.at(values), self.bins, background)

    def _dense(self, npred: Any, bins: dict[str, Any], background: Any) -> Any:
        """Log-likelihood from the prediction in all bins of the mask; a negative one is impossible."""
        logp = self.likelihood.logp(pt.maximum(npred, 0), bins, background) - npred.sum()
        return pt.switch(pt.any(npred < 0), -np.inf, logp)

    def _other(self, value: Any, values: Any, background: Any) -> Any:
        """The same for counts that this object does not hold (a model changed by hand)."""
        fold = Fold(self.fold.terms)
        fold.select(Selection.from_mask(self.arrays.mask))
        npred = fold.at(values)
        if isinstance(self.likelihood, PoissonLikelihood):
            return pm.logp(pm.Poisson.dist(npred), value.ravel()[np.flatnonzero(self.arrays.mask)]).sum()
        counts = getattr(value, "data", None)
        if counts is None:
            raise ValueError(
                f"dataset {self.arrays.name!r}: the likelihood of ON/OFF counts needs numbers for the counts, got the "
                f"symbolic variable {value}"
            )
        cubes = {key: cube.get_value() for key, cube in self.off.items()}
        bins = self.likelihood.bin_data(self.arrays.mask, self.arrays.mask, np.asarray(counts, dtype=float), **cubes)
        return self._dense(npred, {key: data(np.asarray(v)) for key, v in bins.items()}, background)

    def margin(self) -> Any:
        """Sum of the logarithms of the predicted counts, symbolic: minus infinity where one is zero, NaN below."""
        return pt.log(self.fold.at(self.npred.values(self.variables)) + TINY).sum()

    def _check_explained(self, counts: np.ndarray) -> None:
        """Counts in a bin where no term ever predicts any make every parameter value impossible."""
        suspicious = self.arrays.mask & (counts > 0)
        for background in self.fold.terms.backgrounds:
            suspicious &= background.cube <= 0
        if "alpha" in self.arrays.off:
            suspicious &= self.arrays.off["alpha"] <= 0
        if not suspicious.any():
            return
        npred = self.npred(*(prior_median(p) for p in self.npred.parameters))
        bad = np.argwhere(suspicious & (npred <= 0))
        if len(bad):
            shown = ", ".join(str(tuple(int(i) for i in index)) for index in bad[:5])
            raise ValueError(
                f"dataset {self.arrays.name!r}: {len(bad)} bins hold counts but no model predicts any there, first "
                f"(energy, lat, lon) = {shown}; mask these bins, or add a background or a source that reaches them"
            )

    def register(self, variables: Sequence[Any]) -> Any:
        """Create the observed variable in the model of the context."""
        name = f"{self.arrays.name}.counts"
        predicted = Predicted(self)
        self.variables = list(variables)
        variables, signature = list(variables), ["()"] * len(variables)
        if self.latent:
            assert isinstance(self.likelihood, OnOffLikelihood)
            shape = self.off["counts_off"].ravel()[np.flatnonzero(self.arrays.mask)] + self.likelihood.a0
            variables.append(pm.Gamma(f"{self.arrays.name}.background_off", alpha=shape, beta=1.0))
            signature.append("(b)")

        def dist(*arguments: Any) -> Any:
            *parameters, _size = arguments
            return pm.Poisson.dist(self._mean(predicted, parameters))

        return pm.CustomDist(
            name,
            *variables,
            dist=dist,
            logp=self.logp,
            signature=",".join(signature) + "->(e,y,x)",
            class_name="PoissonCounts",
            observed=self.value,
        )

    def _mean(self, predicted: Predicted, arguments: Sequence[Any]) -> Any:
        """Expected counts in all bins: the prediction, plus what the OFF counts say about the background."""
        if not isinstance(self.likelihood, OnOffLikelihood):
            return predicted(*arguments)
        *parameters, background = arguments if self.latent else (*arguments, None)
        outputs = dict(zip(("signal", *self.off), predicted(*parameters), strict=True))
        if background is None:
            off = pm.Gamma.dist(outputs["counts_off"] + self.likelihood.a0, 1.0)
        else:
            inside = np.flatnonzero(self.arrays.mask)
            off = pt.set_subtensor(outputs["counts_off"].ravel()[inside], background)
        return outputs["signal"] + outputs["alpha"] * off.reshape(self.arrays.mask.shape)

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


def is_cast_of(value: Any, variable: Any) -> bool:
    """Whether a tensor is a variable itself, or that variable in another integer or float type."""
    while (
        value.owner is not None and isinstance(value.owner.op, Elemwise) and isinstance(value.owner.op.scalar_op, Cast)
    ):
        value = value.owner.inputs[0]
    return value is variable


def check_counts(name: str, counts: np.ndarray, mask: np.ndarray) -> None:
    """Raise a ValueError unless a cube has the right shape and whole, non-negative numbers inside the mask."""
    _check_cube(name, "counts", counts, mask, "whole, non-negative numbers", lambda n: (n >= 0) & (n == np.floor(n)))


def check_off_counts(name: str, counts: np.ndarray, mask: np.ndarray) -> None:
    """The same for OFF counts, which need not be whole: those of a ring are a convolution, with its round-off."""
    _check_cube(name, "counts_off", counts, mask, "non-negative numbers", lambda n: ~impossible("counts_off", n))


def _check_cube(name: str, what: str, cube: np.ndarray, mask: np.ndarray, wanted: str, valid: Any) -> None:
    if cube.shape != mask.shape:
        raise ValueError(f"dataset {name!r}: {what} must have shape {mask.shape}, got {cube.shape}")
    inside = cube[mask]
    bad = ~np.isfinite(inside) | ~valid(inside)
    if bad.any():
        raise ValueError(
            f"dataset {name!r}: {what} must be {wanted}; {int(bad.sum())} bins inside the mask are not, for example "
            f"{inside[bad][0]}"
        )
