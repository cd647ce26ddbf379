"""NUTS back ends that draw from a :class:`~bayesmap.inference.density.LogDensity`."""

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayesmap._backend.kernels import strict_arithmetic
from bayesmap.inference.density import LogDensity
from bayesmap.inference.mode import Laplace
from bayesmap.inference.progress import Progress
from bayesmap.inference.safety import Interrupts, attempt, tell
from bayesmap.inference.sampler_arguments import load_nutpie

__all__ = ["Drawn", "Run", "draw_density", "expanded", "sample_density", "sample_pymc"]

# Starting points are this many standard deviations of prior or Laplace approximation wide, so that R-hat can see.
DISPERSION = 2.0
# A density that pulls back this many times as strongly as a Gaussian three standard deviations out has a wall there.
WALL = 2.0
# Time between two looks for an interrupt, in s.
NAP = 0.1
NO_DRAWS = "no draws yet: the chains were still tuning"


@dataclass(frozen=True, eq=False)
class Run:
    """Draws of one sampler.

    Attributes
    ----------
    posterior : dict of numpy.ndarray
        Parameters in declared units, ``(n_chain, n_draw)`` each.
    stats : dict of numpy.ndarray
        Statistics, ``(n_chain, n_draw)`` each: ``diverging``, ``lp``, ``n_steps``, ...
    interrupted : bool
        Stopped by the user.
    unconstrained : numpy.ndarray or None
        The variables of the density, ``(n_chain, n_draw, n)``, where no parameters could be made of them.
    """

    posterior: dict[str, np.ndarray]
    stats: dict[str, np.ndarray]
    interrupted: bool = False
    unconstrained: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Drawn:
    """Draws of the variables of a density.

    Attributes
    ----------
    theta : numpy.ndarray
        Shape ``(n_chain, n_draw, n)``.
    stats : dict of numpy.ndarray
        As in `Run`.
    interrupted : bool
        Stopped by the user.
    """

    theta: np.ndarray
    stats: dict[str, np.ndarray]
    interrupted: bool


@dataclass(frozen=True, eq=False)
class Whitened:
    """Density of z where theta = mode + factor @ z; chains start where theta is ``inside`` of something."""

    density: LogDensity
    mode: np.ndarray
    factor: np.ndarray
    inside: Callable[[np.ndarray], bool] | None = None

    def __call__(self, z: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = self.density(self.mode + self.factor @ z)
        return value, self.factor.T @ gradient

    def theta(self, z: np.ndarray) -> np.ndarray:
        """Original variables; ``z`` has the variables on its last axis."""
        return self.mode + z @ self.factor.T

    def start(self, seed: Any) -> np.ndarray:
        """A dispersed start with finite density."""
        rng = np.random.default_rng(seed)
        for shrink in (1.0, 1.0, 1.0, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05):
            z = DISPERSION * shrink * rng.normal(size=len(self.mode))
            if self.inside is not None and not self.inside(self.theta(z)):
                continue
            value, gradient = self(z)
            if np.isfinite(value) and np.isfinite(gradient).all():
                return z
        raise RuntimeError(
            "the log-posterior is not finite around the starting point; parameters there: "
            + ", ".join(f"{k}={np.mean(v):.4g}" for k, v in self.density.expand(self.mode).items())
        )

    def has_walls(self) -> bool:
        """Whether the density is much steeper than the Gaussian approximation somewhere along the axes.

        Where it is, steps that suit the middle of the posterior diverge.
        """
        size = self.density.size
        points = 3 * np.vstack([np.eye(size), -np.eye(size)])
        pulls = [-(self(z)[1] @ z) / 9 for z in points]
        return bool(not np.max(pulls) < WALL)  # NaN is a wall too


def sample_density(density: LogDensity, laplace: Laplace | None, *, backend: str, **settings: Any) -> Run:
    """Sample a density, in whitened coordinates if a Gaussian approximation is given.

    Parameters
    ----------
    density : LogDensity
        The log-posterior.
    laplace : Laplace or None
        Mode and covariance for the whitening; without it the variables are sampled as they are.
    backend : {"nutpie", "numpyro"}
        The sampler.
    **settings
        See :func:`draw_density`.
    """
    drawn = draw_density(density, laplace, backend=backend, **settings)
    return expanded(density, drawn)


def expanded(density: LogDensity, drawn: Drawn) -> Run:
    """Draws as parameters; as the variables of the density where no parameters can be made of them."""
    theta = drawn.theta
    posterior = attempt("the parameters, only the group 'unconstrained_posterior'", density.expand_draws, theta)
    return Run(posterior or {}, drawn.stats, drawn.interrupted, None if posterior else theta)


def draw_density(
    density: LogDensity,
    laplace: Laplace | None,
    *,
    backend: str,
    draws: int,
    tune: int,
    chains: int,
    seed: int,
    cores: int | None,
    progress: Progress,
    interrupts: Interrupts,
    inside: Callable[[np.ndarray], bool] | None = None,
    **kwargs: Any,
) -> Drawn:
    """Draw the variables of a density.

    Parameters
    ----------
    density, laplace, backend
        See :func:`sample_density`.
    draws, tune, chains, seed, cores
        See :func:`~bayesmap.inference.sample`.
    progress : Progress
        Says how far it is.
    interrupts : Interrupts
        Takes Ctrl-C.
    inside : callable, optional
        Whether a chain may start at a point, shape ``(n,)``; later it may go anywhere.
    **kwargs
        For ``nutpie.sample`` or ``numpyro.infer.NUTS``.
    """
    if laplace is None:
        target = Whitened(density, density.start, np.eye(density.size))
    else:
        target = Whitened(density, laplace.mode, laplace.factor, inside)
        if backend == "nutpie":
            kwargs.setdefault("target_accept", 0.9 if target.has_walls() else 0.8)
    available = cores or os.cpu_count() or 1
    cores = min(chains, available)
    density.use_threads(max(available // cores, 1) if backend == "nutpie" else available)
    run: Callable[..., tuple[np.ndarray, dict[str, np.ndarray], bool]]
    run = _nutpie if backend == "nutpie" else _numpyro
    progress.begin(f"sampling {chains} chains of {tune} + {draws} draws with {backend}")
    z, stats, interrupted = run(target, draws, tune, chains, seed, cores, progress, interrupts, **kwargs)
    return Drawn(target.theta(z), stats, interrupted)


def _nutpie(
    target: Whitened,
    draws: int,
    tune: int,
    chains: int,
    seed: int,
    cores: int,
    progress: Progress,
    interrupts: Interrupts,
    **kwargs: Any,
) -> tuple[np.ndarray, dict[str, np.ndarray], bool]:
    nutpie = load_nutpie()
    size = target.density.size
    compiled = nutpie.compiled_pyfunc.from_pyfunc(
        size,
        lambda: target,
        lambda seed1, seed2, chain: lambda z: {"z": np.array(z)},
        [np.dtype("float64")],
        [(size,)],
        ["z"],
        make_initial_point_fn=target.start,
    )
    if progress.lines:
        kwargs = {"progress_callback": progress.chains, "progress_rate": 1000} | kwargs
    running = nutpie.sample(
        compiled,
        draws=draws,
        tune=tune,
        chains=chains,
        cores=cores,
        seed=seed,
        progress_bar=progress.bar,
        save_warmup=False,
        blocking=False,
        **kwargs,
    )
    with warnings.catch_warnings():
        # ArviZ takes few draws for a mistake, and where warnings are errors that would cost the others.
        warnings.filterwarnings("ignore", "Found chain dimension to be longer than draw dimension")
        tree, interrupted = _awaited(running, interrupts)
    z = tree["posterior"]["z"].to_numpy()
    wanted = {"diverging": "diverging", "logp": "lp", "n_steps": "n_steps", "step_size": "step_size",
              "mean_tree_accept": "acceptance_rate", "energy": "energy", "depth": "tree_depth"}  # fmt: skip
    found = tree["sample_stats"].data_vars
    stats = {name: found[key].to_numpy() for key, name in wanted.items() if key in found}
    if interrupted:
        z, stats = _draws_so_far(z, stats)
        tell(f"sampling was interrupted: the result holds the {z.shape[1]} draws so far of {len(z)} chains", 6)
    return z, stats, interrupted


def _awaited(running: Any, interrupts: Interrupts) -> tuple[Any, bool]:
    """What a sampler of nutpie returns at its end, or after an interrupt; and whether there was one."""
    try:
        while not interrupts.noted:
            try:
                return running.wait(timeout=NAP), False
            except TimeoutError:
                continue
    except KeyboardInterrupt:  # in a thread, where nothing notes it
        pass
    return running.abort(), True


def _draws_so_far(z: np.ndarray, stats: dict[str, np.ndarray]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Cut an interrupted sample, whose missing draws are NaN, to the rectangle with most draws.

    Raises
    ------
    KeyboardInterrupt
        If no chain has left the tuning phase: there is nothing to return.
    """
    drawn = np.isfinite(z).all(axis=-1).sum(axis=1)
    order = np.argsort(-drawn, kind="stable")
    size = drawn[order] * np.arange(1, len(order) + 1)
    if not size.size or size.max() == 0:
        raise KeyboardInterrupt(NO_DRAWS)
    chains = np.sort(order[: int(size.argmax()) + 1])
    draws = int(drawn[chains].min())
    kinds: dict[str, Any] = {"diverging": bool, "n_steps": "int64", "tree_depth": "int64"}
    kept = {k: v[chains, :draws].astype(kinds.get(k, v.dtype)) for k, v in stats.items()}
    return z[chains, :draws], kept


def _numpyro(
    target: Whitened,
    draws: int,
    tune: int,
    chains: int,
    seed: int,
    cores: int,
    progress: Progress,
    interrupts: Interrupts,
    **kwargs: Any,
) -> tuple[np.ndarray, dict[str, np.ndarray], bool]:
    import jax
    from numpyro.infer import MCMC, NUTS

    jax.config.update("jax_enable_x64", True)
    size = target.density.size
    shapes = (jax.ShapeDtypeStruct((), "float64"), jax.ShapeDtypeStruct((size,), "float64"))

    def host(z: Any) -> tuple[np.ndarray, np.ndarray]:
        if interrupts.noted:
            raise KeyboardInterrupt
        value, gradient = target(np.array(z, dtype="float64"))
        return np.array(-value), -gradient

    def both(z: Any) -> Any:
        return jax.pure_callback(host, shapes, z, vmap_method="sequential")

    @jax.custom_vjp
    def potential(z: Any) -> Any:
        return both(z)[0]

    potential.defvjp(both, lambda gradient, cotangent: (cotangent * gradient,))
    mcmc = MCMC(
        NUTS(potential_fn=potential, **kwargs),
        num_warmup=tune,
        num_samples=draws,
        num_chains=chains,
        chain_method="sequential",
        progress_bar=progress.bar,
    )
    starts = np.stack([target.start((seed, chain)) for chain in range(chains)])
    try:
        mcmc.run(
            jax.random.PRNGKey(seed),
            init_params=jax.numpy.asarray(starts if chains > 1 else starts[0]),
            extra_fields=("diverging", "num_steps", "accept_prob", "potential_energy", "energy"),
        )
    except Exception as error:  # what JAX makes of the interrupt that was raised inside
        if interrupts.noted:
            raise KeyboardInterrupt(NO_DRAWS) from error
        raise
    z = np.asarray(mcmc.get_samples(group_by_chain=True))
    fields = {k: np.asarray(v) for k, v in mcmc.get_extra_fields(group_by_chain=True).items()}
    stats = {
        "diverging": fields["diverging"],
        "lp": -fields["potential_energy"],
        "n_steps": fields["num_steps"],
        "acceptance_rate": fields["accept_prob"],
        "energy": fields["energy"],
    }
    return z, stats, False


def sample_pymc(
    model: Any,
    draws: int,
    tune: int,
    chains: int,
    seed: int,
    progress: Progress,
    cores: int | None,
    interrupts: Interrupts,
    **kwargs: Any,
) -> Run:
    """Sample with PyMC's own NUTS."""
    import pymc as pm

    cores, own = cores or 1, kwargs.pop("callback", None)
    drawn, last = 0, chains * (draws + tune)
    parallel = cores > 1 and chains > 1

    def callback(trace: Any, draw: Any) -> None:
        nonlocal drawn
        drawn += 1
        # PyMC takes an interrupt well inside of its loop over draws: here, and where it waits for other processes.
        interrupts.raising = parallel and drawn < last
        if interrupts.noted:
            raise KeyboardInterrupt
        progress.draws(drawn, last)
        if own is not None:
            own(trace=trace, draw=draw)

    progress.begin(f"sampling {chains} chains of {tune} + {draws} draws with PyMC, which compiles first")
    interrupts.raising = True  # there is nothing to lose until the first draw
    try:
        with strict_arithmetic():
            tree = pm.sample(
                draws=draws,
                tune=tune,
                chains=chains,
                cores=cores,
                random_seed=seed,
                progressbar=progress.bar,
                nuts_sampler="pymc",
                model=model,
                compute_convergence_checks=False,
                callback=callback,
                **kwargs,
            )
    except Exception as error:
        if interrupts.noted:  # for example too few draws to put anything together
            raise KeyboardInterrupt(NO_DRAWS) from error
        raise
    finally:
        interrupts.raising = False
    posterior = {str(name): values.to_numpy() for name, values in tree["posterior"].data_vars.items()}
    stats = {
        str(name): values.to_numpy()
        for name, values in tree["sample_stats"].data_vars.items()
        if values.dims == ("chain", "draw") and values.dtype.kind in "fbiu"
    }
    shape = next(iter(posterior.values())).shape[:2]
    interrupted = shape != (chains, draws)
    if 0 in shape:
        raise KeyboardInterrupt(NO_DRAWS)
    if interrupted:
        tell(f"sampling was interrupted: the result holds the {shape[1]} draws so far of {shape[0]} chains", 5)
    return Run(posterior, stats, interrupted)
