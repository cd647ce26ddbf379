"""bayesmap on the models of the benchmark: datasets, compiled fits, and what they cost."""

from pathlib import Path
from typing import Any

import numpy as np
from cases import DATASET, FREE, SEED, build_models
from clock import Clock, timed

__all__ = ["Case", "find_mode", "open_dataset", "sample", "simulate"]


def open_dataset(path: Path, letter: str, counts: np.ndarray | None = None) -> Any:
    """Read the dataset, set a model with its priors, and put simulated counts into it.

    The background norm gets the bound 0, as its prior (five standard deviations from it) stands for a positive number.
    """
    import bayesmap.maps
    import bayesmap.modeling
    from bayesmap.datasets import MapDataset
    from bayesmap.modeling import Prior

    dataset = MapDataset.read(path, name=DATASET)
    models = build_models(letter, bayesmap.modeling, bayesmap.maps)
    members = {model.name: model for model in models}
    for name, free in FREE[letter].items():
        model, key = name.split(".")
        parameter = members[model].parameters[key]
        if key == "norm":
            parameter.min = 0
        parameter.prior = Prior(**free.prior)
    if "diffuse" in members:
        members["diffuse"].spatial_model.filename = "diffuse.fits"  # results hold the models as YAML, which names files
    dataset.models = models
    if counts is not None:
        dataset.counts.data = np.asarray(counts, dtype=dataset.counts.data.dtype)
    return dataset


def simulate(path: Path, letters: list[str]) -> dict[str, np.ndarray]:
    """Poisson draws of the truth of each model, one cube per letter."""
    cubes = {}
    for letter in letters:
        dataset = open_dataset(path, letter)
        cubes[letter] = np.random.default_rng(SEED).poisson(dataset.npred().data).astype("float64")
    return cubes


class Case:
    """One compiled model and points of its posterior at which it is timed.

    Parameters
    ----------
    dataset : MapDataset
        From `open_dataset`.
    number : int
        Number of points, draws of the Gaussian approximation around the mode.
    **options
        For `bayesmap.inference.compile_fit`.
    """

    def __init__(self, dataset: Any, number: int, **options: Any) -> None:
        from bayesmap.inference import compile_fit
        from bayesmap.inference.mode import search_modes

        self.fit = compile_fit(dataset, **options)
        density = self.fit.density
        density(density.start)
        best, _ = search_modes(density, np.random.default_rng(SEED), searches=2)
        if best is None:
            raise RuntimeError("no mode found: nothing to measure at")
        z = np.random.default_rng(SEED).normal(size=(number, density.size))
        self.points = list(np.ascontiguousarray(best.mode + z @ best.factor.T))

    def gradients(self, number: int) -> dict[str, list[float]]:
        """Seconds of log-density and gradient together at some of the points."""
        return timed(self.fit.density, self.points[:number])

    def declared(self, number: int) -> list[dict[str, float]]:
        """The first points as parameters in declared units."""
        return [{k: float(v) for k, v in self.fit.density.expand(p).items()} for p in self.points[:number]]


def find_mode(case: Case) -> dict[str, Any]:
    """Seconds of the first mode search, which builds the prediction for starts, of one more, and of four."""
    clock = Clock()
    case.fit.find_mode(searches=1)
    first = clock.lap()
    mode = case.fit.find_mode(searches=1)
    one = clock.lap()
    case.fit.find_mode(searches=4)
    return {**one, "first": first, "four_searches": clock.lap(), "evaluations": mode.evaluations, "values": mode.values}


def sample(case: Case, draws: int, chains: int) -> dict[str, Any]:
    """Sample with the default sampler on one core: mode search and whitening included, compilation not."""
    from bayesmap.inference import convergence_report

    clock = Clock()
    tree = case.fit.sample(draws=draws, chains=chains, random_state=SEED, cores=1, progress_bar=False)
    seconds = clock.lap()
    report = convergence_report(tree)
    ess = min(report.ess_bulk.values())
    steps = float(np.mean(tree["sample_stats"]["n_steps"]))
    posterior = {k: (float(v.mean()), float(v.std())) for k, v in tree["posterior"].data_vars.items()}
    return {
        **seconds,
        "sampler": tree.attrs["sampler"],
        "draws": draws,
        "chains": chains,
        "min_ess_bulk": ess,
        "ess_per_cpu_second": ess / seconds["cpu"],
        "max_rhat": max(report.rhat.values()),
        "divergences": report.divergences,
        "gradients_per_draw": steps,
        "posterior": posterior,
    }
