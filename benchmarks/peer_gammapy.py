"""Gammapy on the same models and counts: a worker that answers requests, one JSON object per line.

Started by ``cta_gc.py`` with the Python of a Gammapy environment. Requests::

    {"task": "open", "data": path of the dataset, "counts": path of an npz with one cube per model, "models": [...]}
    {"task": "stat_sum", "model": "A", "points": [{"point.index": 2.3, ...}, ...]}
    {"task": "fit", "model": "A"}
    {"task": "emcee", "model": "A", "seconds": 90, "path": where to save the chain, "fit": answer of "fit"}
    {"task": "close"}
"""

import importlib.metadata
import json
import sys
import warnings
from typing import Any

import numpy as np
from cases import DATASET, FREE, SEED, build_models
from clock import Clock, timed

__all__ = ["Peer"]


class Peer:
    """Datasets with models, by letter."""

    def __init__(self) -> None:
        self.datasets: dict[str, Any] = {}

    def open(self, data: str, counts: str, models: list[str]) -> dict[str, Any]:
        """Read the dataset, put the simulated counts into it, and evaluate each model once."""
        import gammapy.maps
        import gammapy.modeling.models
        from gammapy.datasets import MapDataset

        cubes = np.load(counts)
        for letter in models:
            dataset = MapDataset.read(data, name=DATASET)
            dataset.counts.data = cubes[letter].astype(dataset.counts.data.dtype)
            dataset.models = build_models(letter, gammapy.modeling.models, gammapy.maps)
            dataset.stat_sum()
            self.datasets[letter] = dataset
        return {name: importlib.metadata.version(name) for name in ("gammapy", "emcee", "numpy", "scipy", "iminuit")}

    def parameters(self, letter: str) -> dict[str, Any]:
        """Free parameters by their bayesmap names."""
        members = {model.name: model for model in self.datasets[letter].models}
        return {name: members[name.split(".")[0]].parameters[name.split(".")[1]] for name in FREE[letter]}

    def stat_sum(self, model: str, points: list[dict[str, float]]) -> dict[str, Any]:
        """Seconds of ``stat_sum`` at each point, and the values."""
        dataset, parameters, values = self.datasets[model], self.parameters(model), []

        def evaluate(point: dict[str, float]) -> None:
            for name, parameter in parameters.items():
                parameter.value = point[name]
            values.append(float(dataset.stat_sum()))

        return {**timed(evaluate, points), "values": values}

    def fit(self, model: str) -> dict[str, Any]:
        """Maximum-likelihood fit from the prior centres; the covariance is not part of the time."""
        from gammapy.modeling import Fit

        dataset, parameters = self.datasets[model], self.parameters(model)
        for name, parameter in parameters.items():
            free = FREE[model][name]
            parameter.value = free.a if free.dist == "Normal" else np.sqrt(free.a * free.b)
        fit, clock = Fit(), Clock()
        result = fit.optimize([dataset])
        seconds = clock.lap()
        fit.covariance([dataset], result)
        return {
            **seconds,
            "success": bool(result.success),
            "evaluations": int(result.nfev),
            "values": {name: float(p.value) for name, p in parameters.items()},
            "errors": {name: float(p.error) for name, p in parameters.items()},
        }

    def emcee(self, model: str, seconds: float, path: str, fit: dict[str, Any]) -> dict[str, Any]:
        """Sample Gammapy's likelihood with emcee from a ball around the fit, for a given CPU time; saves the chain.

        The first quarter is dropped. Neither the fit nor the choice of the ball counts as time.
        """
        import emcee

        dataset, parameters = self.datasets[model], self.parameters(model)
        names = list(parameters)

        def log_density(theta: np.ndarray) -> float:
            prior = sum(FREE[model][name].log_prior(value) for name, value in zip(names, theta, strict=True))
            if not np.isfinite(prior):
                return -np.inf
            for parameter, value in zip(parameters.values(), theta, strict=True):
                parameter.value = value
            return prior - 0.5 * float(dataset.stat_sum())

        rng = np.random.default_rng(SEED)
        walkers = 2 * len(names) + 4
        centre, width = (np.array([fit[key][name] for name in names]) for key in ("values", "errors"))
        sampler = emcee.EnsembleSampler(walkers, len(names), log_density)
        sampler.random_state = np.random.RandomState(SEED).get_state()  # noqa: NPY002 - what emcee takes
        clock, spent = Clock(), {"wall": 0.0, "cpu": 0.0}
        for _ in sampler.sample(centre + width * rng.normal(size=(walkers, len(names))), iterations=100_000):
            spent = {key: spent[key] + value for key, value in clock.lap().items()}
            if spent["cpu"] > seconds:
                break
        steps = sampler.get_chain(discard=sampler.iteration // 4)
        np.savez(path, chain=np.swapaxes(steps, 0, 1), names=names)
        autocorrelation = float(np.max(sampler.get_autocorr_time(discard=sampler.iteration // 4, quiet=True)))
        return {
            **spent,
            "walkers": walkers,
            "steps": int(sampler.iteration),
            "acceptance": float(np.mean(sampler.acceptance_fraction)),
            "effective_autocorrelation": steps.shape[0] * walkers / autocorrelation,
        }


def serve() -> None:
    """Answer requests from standard input until it closes."""
    answers, sys.stdout = sys.stdout, sys.stderr
    warnings.simplefilter("ignore")
    peer = Peer()
    for line in sys.stdin:
        request = json.loads(line)
        task = request.pop("task")
        if task == "close":
            return
        print(json.dumps(getattr(peer, task)(**request)), file=answers, flush=True)


if __name__ == "__main__":
    serve()
