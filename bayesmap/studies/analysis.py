"""What a study repeats: parameters from the prior, data, a posterior."""

import abc
import hashlib
from collections.abc import Mapping
from typing import Any

import astropy.units as u
import numpy as np
import xarray as xr

from bayesmap._util import suggest
from bayesmap.datasets.digest import arrays_of
from bayesmap.inference import compile_fit, sample_prior
from bayesmap.inference.listing import dataset_models, parameter_names
from bayesmap.inference.sampler_arguments import check_sampler_arguments
from bayesmap.modeling.posterior import Posterior
from bayesmap.studies.types import Record, SomeDatasets, Values

__all__ = ["Analysis", "DatasetAnalysis", "as_analysis"]

#: of a fit in a study; an analysis for a paper takes more
DRAWS, TUNE, CHAINS = 250, 250, 2
#: how many more draws than needed are taken until enough agree with upper limits
MOST_TRIES = 1000


class Analysis(abc.ABC):
    """Something that can be repeated on simulated data; subclass it for an analysis of one's own.

    An object of it travels to the workers of a study, so it has to be picklable, and data and posterior must depend
    on their arguments alone.
    """

    @property
    @abc.abstractmethod
    def identity(self) -> Mapping[str, str]:
        """What is repeated, as a few short texts; a study is only continued where all are the same."""

    @abc.abstractmethod
    def draw_prior(self, size: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Draw parameters from their priors, by name, shape ``(size, ...)`` each."""

    @abc.abstractmethod
    def draw_data(self, values: Values, rng: np.random.Generator) -> Any:
        """Draw data at values of the parameters."""

    @abc.abstractmethod
    def posterior(self, data: Any, seed: int) -> xr.DataTree:
        """Sample the posterior of such data: a tree with the group ``posterior``, as `bayesmap.sample` returns it."""

    @property
    def units(self) -> Mapping[str, str]:
        """Units of parameters that have one, by name."""
        return {}

    def current_values(self) -> Record:
        """Values of the parameters where a study is given none."""
        return {}

    def values_of(self, given: Values) -> Record:
        """Values of all parameters as numbers: those given, by name, and the current ones of the others.

        Raises
        ------
        KeyError
            If a name is that of no free parameter.
        """
        values = self.current_values()
        for name, value in given.items():
            if name not in values:
                raise KeyError(f"no free parameter {name!r}{suggest(name, values)}")
            number = value.to_value(self.units.get(name, "")) if isinstance(value, u.Quantity) else value
            values[name] = np.asarray(number, dtype="float64") if np.ndim(number) else float(number)
        return values


class DatasetAnalysis(Analysis):
    """Datasets and their models, compiled once and fitted to simulated counts again and again.

    Parameters
    ----------
    datasets : Dataset, Datasets or list of Dataset
        With counts and models; parameters without a prior get their default one, which stays the same for all
        simulations. Counts are simulated from these.
    fitted : Dataset, Datasets or list of Dataset, optional
        Datasets of the same names that the simulated counts are fitted with, where these are to differ in models,
        responses or background; by default those that they are drawn from.
    compile_options : mapping, optional
        For :func:`~bayesmap.inference.compile_fit`.
    **sampling
        For :meth:`CompiledFit.sample <bayesmap.inference.CompiledFit.sample>`: ``draws``, ``tune``, ``chains``,
        ``sampler``, ``searches``, ... By default 2 chains of 250 draws after 250 of tuning.

    Raises
    ------
    ValueError
        If data of this kind cannot be replaced, or the two have other dataset names or shapes.
    """

    def __init__(
        self,
        datasets: SomeDatasets,
        fitted: SomeDatasets | None = None,
        *,
        compile_options: Values | None = None,
        **sampling: Any,
    ) -> None:
        self.sampling = {"draws": DRAWS, "tune": TUNE, "chains": CHAINS, "sampler": "whitened", **sampling}
        _check_sampling(self.sampling)
        self.compile_options = dict(compile_options or {})
        self.fit = compile_fit(datasets, **self.compile_options)
        self.fitter = self.fit if fitted is None else compile_fit(fitted, **self.compile_options)
        names = [[d.name for d in fit.datasets] for fit in (self.fit, self.fitter)]
        if sorted(names[0]) != sorted(names[1]):
            raise ValueError(f"counts of the datasets {names[0]} are simulated, but {names[1]} are fitted to them")
        units = [
            {name: p.unit for name, p in fit.parameters.items() if not p.frozen} for fit in (self.fit, self.fitter)
        ]
        shared = units[0].keys() & units[1].keys()
        if not shared:
            raise ValueError(f"no free parameter is simulated and fitted: {sorted(units[0])}, {sorted(units[1])}")
        for name in sorted(shared):
            if units[0][name] != units[1][name]:
                raise ValueError(
                    f"{name!r} is simulated in '{units[0][name]}' and fitted in '{units[1][name]}': give both one unit"
                )
        # data that cannot be replaced say so here, and not in each simulation
        for one in self.fit._observed.values():
            one.check(one.value.get_value())
        self.fitter.set_counts({name: one.value.get_value() for name, one in self.fit._observed.items()})

    @property
    def identity(self) -> Mapping[str, str]:
        """See `Analysis.identity`."""
        settings = sorted({**self.compile_options, **self.sampling}.items())
        texts = {"options": ", ".join(f"{key}={value!r}" for key, value in settings)}
        for prefix, fit in (("", self.fit), ("fitted ", self.fitter)):
            if fit is not self.fit or not prefix:
                texts[f"{prefix}models"] = digest_of(_models_text(fit))
                texts[f"{prefix}data"] = digest_of(*_contents(fit))
        return texts

    def draw_prior(self, size: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Draw parameters from their priors.

        Parameters
        ----------
        size : int
            Number of draws.
        rng : numpy.random.Generator
            Source of randomness.

        Returns
        -------
        dict of numpy.ndarray
            By name, shape ``(size, ...)``. Upper limits among flux points stay in all simulations: the draws are those
            of the prior times the likelihood of these.

        Raises
        ------
        ValueError
            If a prior is improper, or allows negative fluxes where there are upper limits.
        RuntimeError
            If the upper limits exclude nearly all of the prior.
        """
        kept: dict[str, np.ndarray] = {}
        for _ in range(MOST_TRIES):
            more = self._agreeing(self._free_prior(size, rng), rng)
            kept = {name: np.concatenate([kept[name], more[name]]) for name in more} if kept else more
            if len(next(iter(kept.values()))) >= size:
                return {name: values[:size] for name, values in kept.items()}
        raise RuntimeError(
            f"of {MOST_TRIES * size} draws of the priors hardly one agrees with the upper limits of the data, which "
            "stay in simulations: take narrower priors, or leave the limits out with mask_fit"
        )

    def _free_prior(self, size: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Draws of the priors alone: parameters, and unknowns of likelihoods that do not go with the bins."""
        group = Posterior(sample_prior(self.fit.datasets, size, rng), "prior")
        return {name: group.column(name) for name in group.names} | self.fit.draw_latents(size, rng)

    def _agreeing(self, drawn: Values, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Draws that are accepted with the probability of the data that stay."""
        rows = range(len(next(iter(drawn.values()))))
        log_kept = np.array([self.fit.log_kept({name: v[i] for name, v in drawn.items()}) for i in rows])
        if not log_kept.any():
            return dict(drawn)
        if log_kept.max() > 0:
            raise ValueError(
                "the priors allow negative fluxes where data are upper limits: bound the amplitudes at zero"
            )
        accepted = np.log(rng.uniform(size=len(log_kept))) < log_kept
        return {name: values[accepted] for name, values in drawn.items()}

    def draw_data(self, values: Values, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Draw data, by dataset of its shape; see `CompiledFit.draw_counts`."""
        return self.fit.draw_counts(values, rng)

    def posterior(self, data: Mapping[str, np.ndarray], seed: int) -> xr.DataTree:
        """Sample the posterior of data.

        Parameters
        ----------
        data : mapping of str to numpy.ndarray
            By dataset, of its shape.
        seed : int
            Of the sampler.

        Returns
        -------
        xarray.DataTree
            As of :func:`bayesmap.sample`.

        Raises
        ------
        KeyboardInterrupt
            If the sampler was interrupted: its draws do not depend on the seed alone.
        """
        self.fitter.set_counts(data)
        tree = self.fitter.sample(random_state=seed, cores=1, progress_bar=False, **self.sampling)
        if tree.attrs.get("interrupted", 0):
            raise KeyboardInterrupt
        return tree

    @property
    def units(self) -> Mapping[str, str]:
        """See `Analysis.units`."""
        return {name: str(p.unit) for name, p in {**self.fit.parameters, **self.fit.hyperparameters}.items()}

    def current_values(self) -> Record:
        """Values of the free parameters of the models, in their declared units."""
        return {name: p.value for name, p in self.fit.parameters.items() if not p.frozen}


def as_analysis(what: Any, fitted: SomeDatasets | None = None, **options: Any) -> Analysis:
    """Return an analysis, made of datasets if they are given.

    Raises
    ------
    TypeError
        If options or other datasets are given for an analysis that has its own.
    """
    if not isinstance(what, Analysis):
        return DatasetAnalysis(what, fitted, **options)
    if fitted is not None or options:
        raise TypeError(f"options {sorted(options) or 'fitted'} are for datasets; {what!r} has its own")
    return what


def digest_of(*parts: Any) -> str:
    """Digest of texts and arrays, in 16 hexadecimal digits."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            total.update(part.encode())
        else:
            array = np.ascontiguousarray(part)
            total.update(f"{array.dtype.str}{array.shape}".encode() + array.tobytes())
    return total.hexdigest()[:16]


def _check_sampling(options: Values) -> None:
    taken = {"random_state", "cores", "progress_bar"} & set(options)
    if taken:
        raise TypeError(f"a study sets {sorted(taken)} itself: give seed, n_workers or progress")
    own = ("draws", "tune", "chains", "searches")
    counts = {key: options[key] for key in own if key in options}
    others = {key: value for key, value in options.items() if key not in (*own, "sampler")}
    check_sampler_arguments(options["sampler"], **counts, options=others)


def _models_text(fit: Any) -> str:
    """Models with all parameters and priors as text, also where a template has no file."""
    names = parameter_names(dataset_models(fit.datasets))
    rows = [f"{m.name} {m.datasets_names} " + " ".join(type(part).__name__ for part in _parts(m)) for m in fit.models]
    return "\n".join([*rows, *(f"{name} {p.value!r} {p.unit} {p.frozen} {p.prior!r}" for p, name in names.items())])


def _parts(model: Any) -> list[Any]:
    parts = (getattr(model, f"{kind}_model", None) for kind in ("spectral", "spatial", "temporal"))
    return [model, *(part for part in parts if part is not None)]


def _contents(fit: Any) -> list[Any]:
    """Names, kinds and all arrays of datasets and of templates of models."""
    found: list[Any] = [array for model in fit.models for part in _parts(model) for array in arrays_of(vars(part))]
    for dataset in fit.datasets:
        likelihood = getattr(dataset, "likelihood", None)
        found.append(f"{type(dataset).__name__} {dataset.name} {likelihood!r}")
        found += arrays_of({name: getattr(dataset, name) for name in type(dataset).components})
        found += fit._observed[dataset.name].conditions()
    return found
