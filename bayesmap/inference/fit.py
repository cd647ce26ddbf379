"""A compiled analysis: one graph, compiled once, sampled as often as wanted, also with other counts."""

import logging
import time
import warnings
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr

from bayesmap._backend.functions import QUICK
from bayesmap._util import get_random_state
from bayesmap.inference import samplers
from bayesmap.inference.compile import observe, unobserved_model
from bayesmap.inference.cube import UnitCube
from bayesmap.inference.density import LogDensity
from bayesmap.inference.fit_data import FitData
from bayesmap.inference.log_prior import PriorSplit
from bayesmap.inference.mode import Laplace, search_modes, why_none
from bayesmap.inference.modes import sample_modes
from bayesmap.inference.progress import Progress
from bayesmap.inference.result import ModeResult, build_tree, by_draw, describe
from bayesmap.inference.safety import Interrupts, attempt, tell
from bayesmap.inference.sampler_arguments import check_sampler_arguments
from bayesmap.inference.starts import starting_points
from bayesmap.inference.sums import Terms

__all__ = ["CompiledFit", "compile_fit", "find_mode", "sample"]

log = logging.getLogger(__name__)

#: the log-likelihood of several datasets together
ALL_DATASETS = "all_datasets"


class CompiledFit(FitData):
    """Datasets, their `pymc.Model` and its compiled log-density.

    Parameters
    ----------
    datasets : MapDataset, Datasets or list of MapDataset
        With counts and models.
    **options
        ``psf_route``, ``psf_tolerance``, ``irf_position``: see :func:`~bayesmap.inference.to_pymc`.

    Attributes
    ----------
    datasets, models, parameters, hyperparameters, routes
        What is fitted, and how each source meets the PSF; see `FitData`.

    Notes
    -----
    It can be pickled, for other processes and for later: with its datasets, models and counts, without compiled code,
    which is made again when it is first needed.
    """

    def __init__(self, datasets: Any, **options: Any) -> None:
        super().__init__(datasets, **options)
        self._log_posterior: Terms | None = self._sum()
        self._density: LogDensity | None = None
        self._quick: LogDensity | None = None
        self._unit_cube: UnitCube | None = None
        self._prior_split: PriorSplit | None = None

    def __getstate__(self) -> dict[str, Any]:
        # Neither compiled functions nor the classes that PyMC makes of distributions can be pickled.
        compiled = ("_log_posterior", "_density", "_quick", "_unit_cube", "_prior_split")
        return {**self.__dict__, **dict.fromkeys(compiled)}

    def _sum(self) -> Terms:
        """The log-posterior, of a model without observed variables."""
        return Terms(*unobserved_model(self.datasets, self._names, self._observed))

    @property
    def _terms(self) -> Terms:
        if self._log_posterior is None:
            self._log_posterior = self._sum()
        return self._log_posterior

    @property
    def model(self) -> pm.Model:
        """The model, a `pymc.Model`; the same as :func:`~bayesmap.inference.to_pymc` returns."""
        model = self._terms.model
        if not model.observed_RVs:
            observe(model, self._terms.likelihoods or ())
        return model

    @property
    def density(self) -> LogDensity:
        """The log-posterior and its gradient, compiled on first use."""
        if self._density is None:
            self._density = LogDensity(self._terms)
        return self._density

    @property
    def _any_density(self) -> LogDensity:
        """The compiled density, or one that is compiled in a second and slower to call."""
        if self._density is not None:
            return self._density
        if self._quick is None:
            self._quick = LogDensity(self._terms, mode=QUICK)
        return self._quick

    def log_likelihood_at_mode(self, random_state: Any = 0, searches: int = 4) -> float:
        """Log-likelihood, natural logarithm, at the mode that :meth:`find_mode` finds.

        Parameters
        ----------
        random_state : int, numpy.random.Generator or str
            Draws the dispersed starts.
        searches : int
            Number of searches.

        Raises
        ------
        RuntimeError
            If no search ends in a maximum.
        """
        density = self._any_density
        mode = self._best(density, get_random_state(random_state), searches, False)[0].mode
        return density(mode, False)[0] - float(density.log_prior(mode[None])[0])

    @property
    def cube_labels(self) -> list[str]:
        """What the axes of the unit cube of :meth:`loglike` stand for, one name per axis.

        They are the free parameters and hyperparameters, and standard variables (``"<name>_offset"``) behind
        hierarchical and joint priors.
        """
        return list(self.density.labels)

    @property
    def _cube(self) -> UnitCube:
        if self._unit_cube is None:
            self._unit_cube = UnitCube(self.density)
        return self._unit_cube

    def loglike(self, u: Any) -> Any:
        """Log-likelihood, natural logarithm, at points of the unit cube of the prior, for nested samplers.

        Parameters
        ----------
        u : array-like
            Probabilities below the parameters under their priors, shape ``(n,)`` or ``(n_point, n)``; axes are those of
            ``cube_labels``.

        Returns
        -------
        float or numpy.ndarray
            One number, or shape ``(n_point,)``; minus infinity where the data are impossible. Its integral over the
            cube is the evidence.

        Raises
        ------
        TypeError
            If parameters are given in place of a point of the cube.
        ValueError
            If the shape is wrong, a number is not between 0 and 1, or a prior has no quantiles.

        Examples
        --------
        With dynesty, and with nautilus::

            dynesty.NestedSampler(fit.loglike, lambda u: u, len(fit.cube_labels))
            nautilus.Sampler(lambda u: u, fit.loglike, len(fit.cube_labels))
        """
        values = self._cube.loglike(self._cube.checked(u))
        return float(values[0]) if np.ndim(u) == 1 else values

    def prior_transform(self, u: Any) -> dict[str, np.ndarray]:
        """Parameters at points of the unit cube: quantiles of their priors, within their bounds.

        Parameters
        ----------
        u : array-like
            As for :meth:`loglike`, shape ``(n,)`` or ``(n_point, n)``.

        Returns
        -------
        dict of numpy.ndarray
            By the names of the variables, in the declared units; shape ``()`` or ``(n_point,)``, and that of the
            parameter where it is an array.

        Raises
        ------
        TypeError
            If parameters are given in place of a point of the cube.
        ValueError
            As for :meth:`loglike`.
        """
        points = self._cube.points(self._cube.checked(u))
        columns = self.density.expand_draws(points[None])
        return {name: columns[name][0, 0] if np.ndim(u) == 1 else columns[name][0] for name in self.density.reported}

    def find_mode(self, random_state: Any = 0, *, searches: int = 4, jacobian: bool = False) -> ModeResult:
        """Find the posterior mode and the Gaussian errors around it.

        Parameters
        ----------
        random_state : int, numpy.random.Generator or str
            Draws the dispersed starts.
        searches : int
            Number of searches.
        jacobian : bool
            False: the mode of the density of the parameters, which is the maximum-likelihood point under flat priors.
            True: the mode in the unconstrained variables of the sampler.

        Returns
        -------
        ModeResult
            Print it: parameters that the data press against an edge of their prior, and those on which the density does
            not depend at the mode, are named.

        Raises
        ------
        RuntimeError
            If no search ends in a maximum.
        """
        density = self._any_density
        best, rivals = self._best(density, get_random_state(random_state), searches, jacobian)
        return ModeResult.from_laplace(best, rivals, density, self.parameters | self.hyperparameters)

    def sample(
        self,
        draws: int = 1000,
        tune: int | None = None,
        chains: int = 4,
        random_state: Any = None,
        *,
        sampler: str = "whitened",
        cores: int | None = None,
        searches: int = 4,
        progress_bar: bool = True,
        **kwargs: Any,
    ) -> xr.DataTree:
        """Sample the posterior; see :func:`~bayesmap.inference.sample`."""
        counts = {"draws": draws, "tune": tune, "chains": chains, "cores": cores, "searches": searches}
        check_sampler_arguments(sampler, **counts, random_state=random_state, options=kwargs)
        rng = get_random_state(random_state)
        seed = int(rng.integers(2**31))
        started = time.perf_counter()
        info: dict[str, Any] = {"requested_sampler": sampler, "seed": seed, "random_state": repr(random_state)}
        # All that the result says besides the draws is put together before there are any.
        description, progress = describe(self), Progress(progress_bar)
        if sampler != "pymc" and self._density is None:
            progress.begin("compiling the log-posterior with Numba; the first time on a machine takes up to a minute")
        density = None if sampler == "pymc" else self.density
        modes: list[Laplace] = []
        if sampler == "whitened":
            progress.begin("looking for the mode")
            modes, info["modes"] = self._whitening(rng, searches)
            if not modes:
                sampler = "nutpie"
        if tune is None:
            tune = 300 if modes else 1000
        with Interrupts() as interrupts:
            settings: dict[str, Any] = {"draws": draws, "tune": tune, "chains": chains, "seed": seed, "cores": cores}
            settings |= {"progress": progress, "interrupts": interrupts, **kwargs}
            if density is None:
                run = samplers.sample_pymc(self.model, **settings)
            elif len(modes) > 1:
                drawn, shares = sample_modes(density, modes, backend="nutpie", **settings)
                run, info["modes"] = samplers.expanded(density, drawn), str(shares)
                info |= {"mode_weights": shares.weights, "mode_weight_errors": shares.errors}
            else:
                backend = "numpyro" if sampler == "numpyro" else "nutpie"
                run = samplers.sample_density(density, modes[0] if modes else None, backend=backend, **settings)
            info |= {"sampler": sampler, "sampling_seconds": round(time.perf_counter() - started, 3)}
            tree = build_tree(description, run, info)
            attempt("the log-priors of the draws", self._add_log_densities, tree, run)
            if interrupts.noted and not run.interrupted:
                tree.attrs["interrupted"] = 1
                tell("interrupted when all draws were there: the result holds them", 3)
        return tree

    def search_modes(self, rng: np.random.Generator, searches: int = 4) -> tuple[Laplace | None, list[Laplace]]:
        """Search for modes in the unconstrained variables of the sampler.

        Parameters
        ----------
        rng : numpy.random.Generator
            Draws the dispersed starts.
        searches : int
            Number of searches.

        Returns
        -------
        best : Laplace or None
            See :func:`~bayesmap.inference.mode.search_modes`.
        rivals : list of Laplace
            Other modes whose mass is not negligible.
        """
        return self._search(self.density, rng, searches, True)

    def _best(
        self, density: LogDensity, rng: np.random.Generator, searches: int, jacobian: bool
    ) -> tuple[Laplace, list[Laplace]]:
        """The modes that are found, of which there must be one."""
        best, rivals = self._search(density, rng, searches, jacobian)
        if best is None:
            raise RuntimeError(f"no mode found: {why_none(density)}; parameters: {density.names}")
        return best, rivals

    def _add_log_densities(self, tree: xr.DataTree, run: samplers.Run) -> None:
        """Add the groups ``log_prior`` and ``log_likelihood``, one number for each draw and variable."""
        if run.unconstrained is not None:
            return
        if self._prior_split is None:
            self._prior_split = PriorSplit(self._terms.model)
        priors, likelihood = self._prior_split(run.posterior, run.stats["lp"])
        observed = list(self._observed.values())
        name = f"{observed[0].name}.{observed[0].quantity}" if len(observed) == 1 else ALL_DATASETS
        tree["log_prior"] = xr.DataTree(by_draw(priors))
        tree["log_likelihood"] = xr.DataTree(by_draw({name: likelihood}))

    def _search(
        self, density: LogDensity, rng: np.random.Generator, searches: int, jacobian: bool
    ) -> tuple[Laplace | None, list[Laplace]]:
        starts = starting_points(density, self._observed, {p: name for name, p in self.parameters.items()})
        dense = [o for o in self._observed.values() if not o.nonnegative]

        def barrier() -> Any:
            return density.function_of(sum(o.margin() for o in dense))

        return search_modes(density, rng, searches, jacobian, starts, barrier if dense else None)

    def _whitening(self, rng: np.random.Generator, searches: int) -> tuple[list[Laplace], str]:
        """Modes whose Gaussians whiten the variables, best first, and what to say of them; none: plain adaptation."""
        best, rivals = self.search_modes(rng, searches)
        if best is None:
            message = f"no mode found, {why_none(self.density)}: plain adaptation from dispersed starts"
        elif best.blocked:
            message = (
                "the mode lies on the border of the parameters that are possible, beyond which a prediction of counts "
                "is negative, and has no Gaussian around it: plain adaptation from dispersed starts. A prior that does "
                "not reach below zero has no such border"
            )
        else:
            modes = [best, *(mode for mode in rivals if not mode.blocked)]
            message = "one mode" if len(modes) == 1 else f"{len(modes)} modes"
            log.info("%s, log density %.3f", message, best.log_density)
            return modes, message
        warnings.warn(message, stacklevel=4)
        return [], message


def compile_fit(datasets: Any, **options: Any) -> CompiledFit:
    """Compile an analysis that is to be sampled more than once; see :class:`CompiledFit`."""
    return CompiledFit(datasets, **options)


def find_mode(datasets: Any, random_state: Any = 0, *, searches: int = 4, **options: Any) -> ModeResult:
    """Find the posterior mode of one or more datasets; see :meth:`CompiledFit.find_mode`."""
    return CompiledFit(datasets, **options).find_mode(random_state, searches=searches)


def sample(
    datasets: Any,
    draws: int = 1000,
    tune: int | None = None,
    chains: int = 4,
    random_state: Any = None,
    *,
    sampler: str = "whitened",
    cores: int | None = None,
    searches: int = 4,
    progress_bar: bool = True,
    psf_route: Any = None,
    psf_tolerance: float = 1e-3,
    irf_position: str = "prior",
    **kwargs: Any,
) -> xr.DataTree:
    """Sample the joint posterior of one or more datasets.

    Parameters
    ----------
    datasets : MapDataset, Datasets or list of MapDataset
        With counts and models. Free parameters without a prior get a default one.
    draws : int
        Draws per chain.
    tune : int, optional
        Tuning draws per chain; 300 for the whitened sampler, 1000 for the others.
    chains : int
        Number of chains.
    random_state : int, numpy.random.Generator, "random-seed" or "global-rng"
        Same value, same draws.
    sampler : {"whitened", "nutpie", "pymc", "numpyro"}
        "whitened": search the mode, sample with nutpie in the coordinates in which the Gaussian around it is a unit
        normal; in each mode if there are several, and like "nutpie" (with a warning) if none is found. "nutpie": plain
        adaptation. "pymc": PyMC's own NUTS. "numpyro": NumPyro's NUTS on the same compiled density (needs the extra
        ``jax``).
    cores : int, optional
        Chains run at the same time, in threads; all processors by default. Draws do not depend on it.
    searches : int
        Mode searches of the whitened sampler.
    progress_bar : bool
        Say what goes on: a bar in a terminal or a notebook, lines on standard error elsewhere.
    psf_route, psf_tolerance, irf_position
        See :func:`~bayesmap.inference.to_pymc`.
    **kwargs
        For the sampler, for example ``target_accept``: of nutpie it is 0.8, or 0.9 where the posterior is much steeper
        than its Gaussian approximation.

    Returns
    -------
    xarray.DataTree
        Groups ``posterior`` (variables ``"<model>.<parameter>"`` in declared units, ``attrs["units"]``),
        ``sample_stats``, ``observed_data`` (counts per energy), ``log_prior`` (of each free variable) and
        ``log_likelihood`` (of all data), with models, priors, versions and seed in the attributes.
        :func:`~bayesmap.inference.predictive` adds more. With several modes ``sample_stats`` has a variable ``mode``,
        zero for that of most weight, and the attributes ``mode_weights`` and ``mode_weight_errors``.

    Raises
    ------
    TypeError
        If the sampler takes no argument of a name; like the next ones this is found before anything is compiled.
    ValueError
        If an argument has an impossible value, or there is nothing to infer.
    ImportError
        If the sampler is not installed.
    KeyboardInterrupt
        After Ctrl-C before there are any draws: while the model is compiled, a mode is searched, the chains are tuned.

    Notes
    -----
    Ctrl-C ends sampling and returns the draws so far, marked as ``interrupted`` in the attributes; pressed more often,
    or while the result is put together, it costs nothing. What fails then, for example the description of the models,
    is left out of the result with a warning. The draws are always those of the original parameters; the whitening is an
    affine change of variables with a constant Jacobian. Where the searches find several modes, each is sampled, and the
    draws are merged with weights from bridge sampling.
    """
    counts = {"draws": draws, "tune": tune, "chains": chains, "cores": cores, "searches": searches}
    check_sampler_arguments(sampler, **counts, random_state=random_state, options=kwargs)
    fit = CompiledFit(datasets, psf_route=psf_route, psf_tolerance=psf_tolerance, irf_position=irf_position)
    return fit.sample(
        draws,
        tune,
        chains,
        random_state,
        sampler=sampler,
        cores=cores,
        searches=searches,
        progress_bar=progress_bar,
        **kwargs,
    )
