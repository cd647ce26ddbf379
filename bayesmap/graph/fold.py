"""From terms to predictions and to the log-likelihood, symbolically and as numbers."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt

from bayesmap._backend.functions import QUICK
from bayesmap.graph.arrays import FoldArrays, Selection, Values, fold_arrays
from bayesmap.graph.ops.banded import banded
from bayesmap.graph.ops.counted import CountedLogSum
from bayesmap.graph.ops.merge import merge_bins
from bayesmap.graph.ops.project import project
from bayesmap.graph.pixel import bilinear
from bayesmap.graph.sources import data
from bayesmap.graph.terms import Terms, build_terms, selection_data
from bayesmap.modeling import FoVBackgroundModel

__all__ = ["Fold", "background_counts", "signal_counts"]


class Fold:
    """The prediction of one dataset: terms, plus the data of the bins that are looked at.

    Parameters
    ----------
    terms : Terms
        What predicts counts.
    weights : numpy.ndarray, optional
        Weights of the total, shape ``(n_energy, n_lat, n_lon)``; the mask by default.

    Notes
    -----
    Arrays that depend on the selected bins are shared variables: :meth:`select` replaces all of them together.
    """

    def __init__(self, terms: Terms, weights: np.ndarray | None = None) -> None:
        self.terms = terms
        self.arrays = terms.arrays
        self.weights = np.asarray(terms.arrays.mask if weights is None else weights, dtype="float64")
        self.unexposed = None if terms.unexposed is None else Fold(terms.unexposed, self.weights)
        self.bins: dict[str, Any] = {}
        self._constants: dict[str, Any] = {}

    def select(self, selection: Selection) -> None:
        """Look at these bins from now on; compiled functions follow."""
        if self.unexposed is not None:
            self.unexposed.select(selection)
        for key, value in selection_data(self.terms, selection).items():
            if key in self.bins:
                self.bins[key].set_value(value)
            else:
                self.bins[key] = data(value)

    def _constant(self, key: str, build: Any) -> Any:
        if key not in self._constants:
            self._constants[key] = build()
        return self._constants[key]

    def flux(self, model: Any, values: Values) -> Any:
        """Photon flux per true-energy bin, mean over the good time intervals: ``(n_true,)``, in 1e-12 cm-2 s-1."""
        edges = np.asarray(self.arrays.energy_edges_true)
        flux = model.spectral_model.integral_graph(edges[:-1], edges[1:], values)
        flux = flux * pt.ones(len(self.arrays.energy_true))
        temporal = getattr(model, "temporal_model", None)
        if temporal is None or temporal.is_constant:
            return flux
        intervals = self._constant(f"intervals {model.name}", lambda: [data(t) for t in self.arrays.intervals(model)])
        return flux * temporal.mean_graph(*intervals, values)

    def project(self, values: Values, with_total: bool = True) -> tuple[Any, Any, Any] | None:
        """Moving sources: the selected bins that they reach, their counts there, and their weighted total.

        Without ``with_total`` the last one is of no use: the tables that it needs are not made.
        """
        parts, total = [], pt.as_tensor_variable(0.0)
        if self.terms.groups:
            touched, counts, total, _ = self._project_groups(values)
            parts.append((touched, counts))
        for i, source in enumerate(self.terms.points):
            flux = self._stamp_flux(source, values)[0]
            exposure = self._constant("exposure_last", lambda: data(self._kernel_exposure().transpose(1, 2, 0).copy()))
            parts.append(source.counts(values, flux, exposure, self.bins["columns"], self.bins["rows"]))
            if with_total:
                make = partial(source.totals, self.weights, self._kernel_exposure())
                total = total + pt.dot(self._constant(f"totals{i}", make)(values), flux)
        return (*merge_bins(parts), total) if parts else None

    def _project_groups(self, values: Values) -> list[Any]:
        groups = self.terms.groups
        stamps, windows, halves = zip(*(group.stamps(values) for group in groups), strict=True)
        flux = [self._stamp_flux(group, values) for group in groups]
        classes, class_weights = self._constant("classes", lambda: self._classes())
        exposure = self._constant("exposure", lambda: data(self._kernel_exposure()))
        projected: list[Any] = project(
            _join(stamps),
            _join(windows),
            _join(halves),
            _join(flux),
            _join([group.kernel_edisp(values) for group in groups]),
            exposure,
            classes,
            class_weights,
            self.bins["columns"],
            self.bins["rows"],
        )
        return projected

    def _classes(self) -> tuple[Any, Any]:
        classes, class_weights = self.arrays.weight_classes(self.weights)
        return data(classes), data(class_weights)

    def _kernel_exposure(self) -> np.ndarray:
        assert self.arrays.exposure is not None
        return np.ones(self.arrays.mask.shape) if self.arrays.reco_psf else self.arrays.exposure

    def _stamp_flux(self, group: Any, values: Values) -> Any:
        """Flux per stamp: photons per true energy, or counts per reconstructed energy for PSFs of that kind."""
        flux = pt.stack([self.flux(model, values) for model in group.models])
        if not self.arrays.reco_psf:
            return flux
        x, y = group.pixels(values)
        exposed = flux * bilinear(self._constant("true_exposure", lambda: data(self.arrays.exposure)), x, y)
        return (group.true_edisp * exposed[:, None, :]).sum(axis=-1)

    def at(self, values: Values) -> Any:
        """Predicted counts in the selected bins, shape ``(n_bin,)``."""
        counts = self._at(values, self.project(values, with_total=False))
        return counts if self.unexposed is None else counts + self.unexposed.at(values)

    def _at(self, values: Values, projected: Any) -> Any:
        counts = pt.zeros(self.bins["columns"].shape)
        for i, background in enumerate(self.terms.backgrounds):
            part = self.bins[f"background{i}"] * background.factor(values)[self.bins["energy"]]
            counts = counts + (part if background.separable else part * background.image(values)[self.bins["pixel"]])
        for i, source in enumerate(self.terms.fixed):
            flux = self.flux(source.model, values) * source.seen(values)
            counts = counts + banded(flux, self.bins[f"response{i}"], self.bins[f"first{i}"])
        if projected is not None:
            counts = pt.inc_subtensor(counts[projected[0]], projected[1])
        return counts

    def at_and_total(self, values: Values) -> tuple[Any, Any]:
        """Predicted counts in the selected bins, and the weighted sum over all bins."""
        projected = self.project(values)  # once: two nodes would have two adjoints
        total = 0.0 if projected is None else projected[2]
        counts, total = self._at(values, projected), total + self._static_total(values)
        if self.unexposed is None:
            return counts, total
        more, more_total = self.unexposed.at_and_total(values)
        return counts + more, total + more_total

    def _static_total(self, values: Values) -> Any:
        total: Any = 0.0
        for i, background in enumerate(self.terms.backgrounds):
            weighted = background.cube * self.weights
            if background.separable:
                sums = self._constant(f"sum{i}", lambda w=weighted: per_energy(w.sum(axis=(1, 2))))
                total = total + (sums * background.factor(values)).sum()
            else:
                cube = self._constant(f"sum{i}", lambda w=weighted: data(w.reshape(len(w), -1)))
                total = total + (background.factor(values) * (cube @ background.image(values))).sum()
        n_true = len(self.arrays.energy_true)
        for i, source in enumerate(self.terms.fixed):
            sums = self._constant(f"fixed{i}", lambda s=source: data(s.total(self.weights, n_true)))
            total = total + (sums * self.flux(source.model, values) * source.seen(values)).sum()
        return total

    def count_sums(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        """What `log_sum` needs to know of the counts.

        Parameters
        ----------
        counts : numpy.ndarray
            Counts of the selected bins, shape ``(n_bin,)``.

        Returns
        -------
        dict of numpy.ndarray
            If the terms collapse "static", the sum of counts times log(background), and "per_energy", their sum per
            reconstructed energy; else nothing.
        """
        if not self.terms.collapse:
            return {}
        energy, log_background = (self.bins[key].get_value() for key in ("energy", "log_background0"))
        n_energy = len(self.arrays.energy)
        return {
            "static": np.asarray((counts * log_background).sum()),
            "per_energy": np.bincount(energy, counts, n_energy),
        }

    def log_sum(self, values: Values, counts: Any, sums: Mapping[str, Any]) -> tuple[Any, Any]:
        """``sum(counts * log(npred))`` over the selected bins, and the weighted total.

        Parameters
        ----------
        values : Mapping
            Parameter values.
        counts : TensorVariable
            Counts of the selected bins, above zero.
        sums : mapping of TensorVariable
            What `count_sums` gave.

        Notes
        -----
        If the terms collapse, sources are looked at in the bins that they reach; elsewhere the logarithm of the
        background factor needs one number per energy: the same number at the cost of the windows.
        """
        if not self.terms.collapse:
            npred, total = self.at_and_total(values)
            return (counts * pt.log(npred)).sum(), total
        bins, projected = self.bins, self.project(values)
        touched, source, total = (pt.zeros(0, dtype="int64"), pt.zeros(0), 0.0) if projected is None else projected
        factor = self.terms.backgrounds[0].factor(values)
        background = bins["background0"], bins["log_background0"], sums["per_energy"], bins["per_energy"]
        log_sum = CountedLogSum()(touched, source, factor, counts, bins["energy"], *background)[0]
        return sums["static"] + log_sum, total + self._static_total(values)


def per_energy(array: np.ndarray) -> Any:
    """Data of known length as a shared variable: where the length is not known, code that checks it is compiled."""
    return pytensor.shared(array, shape=array.shape)


def _join(parts: Sequence[Any]) -> Any:
    return parts[0] if len(parts) == 1 else pt.concatenate(list(parts), axis=0)


def current_values(models: Sequence[Any]) -> dict[Any, float]:
    """Values of all parameters, in internal units."""
    return {p: p.internal for model in models for p in model.parameters}


def all_bins(arrays: FoldArrays) -> Selection:
    """Every bin of the cube."""
    return Selection.from_mask(np.ones(arrays.mask.shape, dtype=bool))


def evaluate_cube(terms: Terms, values: Mapping[Any, float]) -> np.ndarray:
    """Predicted counts of all bins as numbers, shape ``(n_reco, n_lat, n_lon)``."""
    fold = Fold(terms)
    fold.select(all_bins(terms.arrays))
    counts = pytensor.function([], fold.at(values), mode=QUICK)()
    return np.asarray(counts).reshape(terms.arrays.mask.shape)


def signal_counts(
    dataset: Any, models: Sequence[Any], values: Values | None = None, **options: Any
) -> dict[str, np.ndarray]:
    """Predicted counts of each model.

    Parameters
    ----------
    dataset : Dataset
        See :func:`~bayesmap.graph.arrays.fold_arrays`.
    models : sequence of SkyModel or TemplateNPredModel
        Sources; background models are ignored.
    values : Mapping of Parameter to float, optional
        In internal units; parameters that are missing have their present values.
    **options
        Passed to :func:`~bayesmap.graph.terms.build_terms`.

    Returns
    -------
    dict of numpy.ndarray
        One cube ``(n_reco, n_lat, n_lon)`` per model name; nothing is clipped.
    """
    arrays = fold_arrays(dataset)
    counts = {}
    for model in models:
        if isinstance(model, FoVBackgroundModel):
            continue
        terms = build_terms(arrays, [model], at=values, **options)
        terms.backgrounds = [b for b in terms.backgrounds if b.model is model]
        counts[model.name] = evaluate_cube(terms, {**current_values([model]), **(values or {})})
    return counts


def background_counts(dataset: Any, models: Sequence[Any], values: Values | None = None) -> np.ndarray:
    """Background counts of a dataset, scaled by its background model if there is one.

    Parameters
    ----------
    dataset : Dataset
        See :func:`~bayesmap.graph.arrays.fold_arrays`.
    models : sequence of models
        Those of the dataset.
    values : Mapping of Parameter to float, optional
        In internal units; parameters that are missing have their present values.

    Returns
    -------
    numpy.ndarray
        Cube ``(n_reco, n_lat, n_lon)``; zeros if the dataset has no background.
    """
    arrays = fold_arrays(dataset)
    scaling = [m for m in models if isinstance(m, FoVBackgroundModel)]
    terms = build_terms(arrays, scaling)
    return evaluate_cube(terms, {**current_values(scaling), **(values or {})})
