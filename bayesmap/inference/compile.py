"""From datasets to a `pymc.Model`."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
from pytensor.gradient import disconnected_type
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.scalar.basic import Cast
from pytensor.tensor.elemwise import Elemwise

from bayesmap.graph import Fold, FoldArrays, Selection, build_terms, fold_arrays
from bayesmap.graph.fold import data
from bayesmap.inference.default_priors import assign_default_priors
from bayesmap.inference.listing import as_datasets, at_prior_centre, dataset_models, parameter_names, prior_median
from bayesmap.inference.predictor import Predictor
from bayesmap.likelihoods import PoissonLikelihood

__all__ = ["ObservedCounts", "check_counts", "check_explained", "compile_datasets", "to_pymc"]


class PredictedCounts(Op):
    """Dense predicted counts of one dataset as a function of its free parameters, for draws of data.

    A call back into a compiled function, without gradient: the likelihood does not use it.
    """

    __props__ = ("observed",)

    def __init__(self, observed: "ObservedCounts") -> None:
        self.observed = observed

    def make_node(self, *parameters: Any) -> Apply:
        shape = self.observed.arrays.mask.shape
        return Apply(self, [pt.as_tensor_variable(p) for p in parameters], [pt.tensor(dtype="float64", shape=shape)])

    def perform(self, node: Apply, inputs: Any, outputs: Any) -> None:
        outputs[0][0] = self.observed.npred(*inputs)

    def infer_shape(self, node: Apply, shapes: Any) -> Any:
        return [tuple(pt.constant(n, dtype="int64") for n in self.observed.arrays.mask.shape)]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[False] for _ in node.inputs]

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        return [disconnected_type() for _ in inputs]


class ObservedCounts:
    """The observed variable of one dataset: its data, its log-likelihood and its draws.

    Parameters
    ----------
    arrays : FoldArrays
        The dataset.
    models : sequence of models
        Those that apply to it.
    parameters : list of Parameter
        Free parameters, in the order in which they enter.
    nonnegative : bool
        No term can become negative: the likelihood then needs the prediction only in bins with counts, and in total.
    likelihood : PoissonLikelihood
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
        likelihood: PoissonLikelihood,
        **options: Any,
    ) -> None:
        self.arrays, self.likelihood = arrays, likelihood
        self.fold = Fold(build_terms(arrays, models, **options))
        self.npred = Predictor(self.fold.terms, models, parameters)
        self.nonnegative = nonnegative
        self.bins: dict[str, Any] = {}
        assert arrays.counts is not None
        self.value = pytensor.shared(arrays.counts.astype("float64"), name=f"{arrays.name}.counts_data")
        self.set_counts(arrays.counts)

    def set_counts(self, counts: np.ndarray) -> None:
        """Replace the counts and everything that depends on them.

        Parameters
        ----------
        counts : numpy.ndarray
            Cube of the shape of the dataset; whole, non-negative numbers.

        Raises
        ------
        ValueError
            If shape or values are wrong.
        """
        counts = np.asarray(counts, dtype="float64")
        shape, mask = self.arrays.mask.shape, self.arrays.mask
        check_counts(self.arrays.name, counts, mask)
        inside = counts[mask]
        chosen = self.likelihood.support(counts, mask) if self.nonnegative else mask
        selection = Selection.from_mask(chosen)
        self.fold.select(selection)
        values = counts.ravel()[selection.index]
        n_energy = shape[0]
        arrays = {
            "counts": values,
            "per_energy": np.bincount(selection.energy, values, n_energy),
            "constant": np.array(self.likelihood.constant(inside)),
            "static": np.array(0.0),
        }
        if self.fold.collapses:
            arrays["static"] = np.array((values * self.fold.bins["log_background0"].get_value()).sum())
        for key, value in arrays.items():
            if key in self.bins:
                self.bins[key].set_value(value)
            else:
                self.bins[key] = data(value)
        self.value.set_value(counts)

    def logp(self, value: Any, *parameters: Any) -> Any:
        """Log-likelihood of the counts, natural logarithm, a scalar."""
        values = self.npred.values(parameters)
        if not _is_cast_of(value, self.value):
            return self._dense(value, parameters)
        if not self.nonnegative:
            npred = self.fold.at(values)
            impossible = pt.any(npred < 0)
            logp = pt.switch(
                pt.neq(self.bins["counts"], 0), self.bins["counts"] * pt.log(pt.maximum(npred, 0)), 0.0
            ).sum()
            return pt.switch(impossible, -np.inf, logp - npred.sum() + self.bins["constant"])
        log_sum, total = self.fold.log_sum(values, self.bins["counts"], self.bins["per_energy"], self.bins["static"])
        return log_sum - total + self.bins["constant"]

    def _dense(self, value: Any, parameters: Sequence[Any]) -> Any:
        """The same for counts that this object does not hold (a model changed by hand)."""
        fold = Fold(self.fold.terms)
        selection = Selection.from_mask(self.arrays.mask)
        fold.select(selection)
        npred, counts = fold.at(self.npred.values(parameters)), value.ravel()[selection.index]
        logp = pm.logp(pm.Poisson.dist(npred), counts)
        return logp.sum()

    def register(self, variables: Sequence[Any]) -> Any:
        """Create the observed variable in the model of the context."""
        predicted = PredictedCounts(self)

        def dist(*arguments: Any) -> Any:
            *parameters, _size = arguments
            return pm.Poisson.dist(predicted(*parameters))

        return pm.CustomDist(
            f"{self.arrays.name}.counts",
            *variables,
            dist=dist,
            logp=self.logp,
            signature=",".join("()" for _ in variables) + "->(e,y,x)",
            class_name="PoissonCounts",
            observed=self.value,
        )


def to_pymc(datasets: Any, **options: Any) -> pm.Model:
    """Build the PyMC model of one or more datasets.

    Parameters
    ----------
    datasets : MapDataset, Datasets or list of MapDataset
        With models set. Free parameters without a prior get a default one, see
        :func:`~bayesmap.inference.default_priors`.
    psf_route : {"mixture", "stamp", "fft"} or mapping of model name to one, optional
        Force the treatment of the PSF; chosen by accuracy and speed by default.
    psf_tolerance : float, optional
        Largest accepted error of a Gaussian-mixture PSF, half an L1 distance. Default is 1e-3.
    irf_position : {"prior", "source"}, optional
        Where PSF and energy dispersion are taken: at the centre of the prior (default) or at the moving source.

    Returns
    -------
    pymc.Model
        One random variable ``"<model>.<parameter>"`` per free parameter, in its declared unit, and one observed
        variable ``"<dataset>.counts"`` per dataset. Works with `pymc.sample`, `pymc.find_MAP`,
        `pymc.sample_prior_predictive`, `pymc.do` and ``model.to_graphviz()``.

    Raises
    ------
    ValueError
        If there is nothing to infer, or counts cannot be explained by any term.
    """
    return compile_datasets(datasets, **options)[0]


def compile_datasets(
    datasets: Any,
    *,
    psf_route: str | Mapping[str, str] | None = None,
    psf_tolerance: float = 1e-3,
    irf_position: str = "prior",
) -> tuple[pm.Model, dict[str, ObservedCounts]]:
    """Build the PyMC model and return it with the observed variable of each dataset."""
    datasets = as_datasets(datasets)
    arrays = {dataset.name: fold_arrays(dataset) for dataset in datasets}
    for dataset in datasets:
        _check_data(arrays[dataset.name])
    assign_default_priors(datasets)
    models = dataset_models(datasets)
    names = parameter_names(models)
    free = [p for p in names if not p.frozen]
    if not free:
        raise ValueError("nothing to infer: all parameters of all models are frozen, or no models are set")
    observed = {}
    with pm.Model() as model:
        variables = {p: p.prior.to_rv(names[p], p) for p in free if p.prior is not None}
        for dataset in datasets:
            own = list(dataset.models or [])
            parameters = [p for p in free if any(p in set(m.parameters) for m in own)]
            with at_prior_centre(own):
                observed[dataset.name] = ObservedCounts(
                    arrays[dataset.name],
                    own,
                    parameters,
                    nonnegative=_nonnegative(own, arrays[dataset.name]),
                    likelihood=dataset.likelihood,
                    route=psf_route,
                    tolerance=psf_tolerance,
                    reach=_reach(own),
                    irf_position=irf_position,
                )
            observed[dataset.name].register([variables[p] for p in parameters])
            check_explained(observed[dataset.name], observed[dataset.name].value.get_value())
    return model, observed


def _is_cast_of(value: Any, variable: Any) -> bool:
    """Whether a tensor is a variable itself, or that variable in another integer or float type."""
    while (
        value.owner is not None and isinstance(value.owner.op, Elemwise) and isinstance(value.owner.op.scalar_op, Cast)
    ):
        value = value.owner.inputs[0]
    return value is variable


def _reach(models: Sequence[Any]) -> dict[str, float]:
    """How far in deg each model may move and grow from the prior centre (99.9 % of each prior)."""
    reach = {}
    for model in models:
        spatial = getattr(model, "spatial_model", None)
        if spatial is None:
            continue
        reach[model.name] = 0.0
        for p in spatial.parameters:
            if p.frozen or not p.unit.is_equivalent("deg") or p.name == "phi" or p.prior.distribution.scipy is None:
                continue
            lower, upper = p.bounds
            high = p.prior.quantile(0.999, p.unit, lower=lower, upper=upper)
            scale = p.scale_to_internal
            if p.name == "lon_0":
                scale *= float(np.cos(spatial.position.data.lat.rad))
            grow = 1.0 if p.name in ("lon_0", "lat_0") else _growth(spatial, p, high)
            reach[model.name] += abs(high - prior_median(p)) * scale if grow == 1.0 else grow
    return reach


def _growth(spatial: Any, parameter: Any, high: float) -> float:
    """How much the evaluation radius (deg) grows when an extension goes to the upper end of its prior."""
    start, before = spatial.evaluation_radius.to_value("deg"), parameter.value
    try:
        parameter.value = high
        return max(float(spatial.evaluation_radius.to_value("deg") - start), 0.0)
    finally:
        parameter.value = before


def _nonnegative(models: Sequence[Any], arrays: FoldArrays) -> bool:
    """Whether no term can become negative anywhere in the support of the priors."""
    if arrays.background is not None and arrays.background[arrays.mask].min() < 0:
        return False
    for model in models:
        template = getattr(model, "map", None) or getattr(getattr(model, "spatial_model", None), "map", None)
        if template is not None and np.nanmin(template.data) < 0:
            return False
        for p in model.parameters:
            if p.name in ("amplitude", "const", "value") or p.name.startswith("norm"):
                lowest = p.value if p.frozen else max(p.bounds[0], p.prior.support(p.unit)[0])
                if lowest < 0:
                    return False
    return True


def check_counts(name: str, counts: np.ndarray, mask: np.ndarray) -> None:
    """Raise a ValueError unless a cube has the right shape and whole, non-negative numbers inside the mask."""
    if counts.shape != mask.shape:
        raise ValueError(f"dataset {name!r}: counts must have shape {mask.shape}, got {counts.shape}")
    inside = counts[mask]
    bad = ~np.isfinite(inside) | (inside < 0) | (inside != np.floor(inside))
    if bad.any():
        raise ValueError(
            f"dataset {name!r}: counts must be whole, non-negative numbers; {int(bad.sum())} bins inside the mask "
            f"are not, for example {inside[bad][0]}"
        )


def _check_data(arrays: FoldArrays) -> None:
    name = arrays.name
    if arrays.counts is None:
        raise ValueError(f"dataset {name!r} has no counts: set them, or draw some with dataset.fake()")
    if not arrays.mask.any():
        raise ValueError(f"dataset {name!r}: the masks leave no bin; look at mask_safe and mask_fit")
    check_counts(name, arrays.counts, arrays.mask)
    for what, values in (("background", arrays.background), ("exposure", arrays.exposure)):
        if values is None:
            continue
        inside = values[arrays.mask] if what == "background" else values
        if not np.isfinite(inside).all() or (what == "exposure" and inside.min() < 0):
            raise ValueError(f"dataset {name!r}: {what} has NaN, infinite or negative values inside the mask")


def check_explained(observed: ObservedCounts, counts: np.ndarray) -> None:
    """Counts in a bin where no term ever predicts any make every parameter value impossible."""
    arrays, terms = observed.arrays, observed.fold.terms
    suspicious = arrays.mask & (counts > 0)
    for background in terms.backgrounds:
        suspicious &= background.cube <= 0
    if not suspicious.any():
        return
    with at_prior_centre(observed.npred.models):
        npred = observed.npred(*(prior_median(p) for p in observed.npred.parameters))
    bad = np.argwhere(suspicious & (npred <= 0))
    if len(bad):
        shown = ", ".join(str(tuple(int(i) for i in index)) for index in bad[:5])
        raise ValueError(
            f"dataset {arrays.name!r}: {len(bad)} bins hold counts but no model predicts any there, first (energy, "
            f"lat, lon) = {shown}; mask these bins, or add a background or a source that reaches them"
        )
