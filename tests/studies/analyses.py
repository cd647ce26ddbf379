"""Analyses whose posterior is known: no sampler, no compilation; importable by worker processes."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from bayesmap.studies import Analysis


def tree_of(**draws):
    """A result with draws in two chains."""
    halves = {name: np.stack(np.split(values, 2)) for name, values in draws.items()}
    dims = {name: ("chain", "draw", *(f"{name}_dim_{i}" for i in range(v.ndim - 2))) for name, v in halves.items()}
    return xr.DataTree.from_dict({"posterior": xr.Dataset({k: (dims[k], v) for k, v in halves.items()})})


@dataclass(frozen=True)
class GammaPoisson(Analysis):
    """Counts n ~ Poisson(s + t), s and t from Gamma distributions, k bins of each alone: both posteriors are Gamma.

    ``wrong_sd`` is a factor to both errors; ``lower`` moves the draws of the first above the truth.
    """

    shape: float = 3.0
    rate: float = 0.5
    draws: int = 200
    wrong_sd: float = 1.0
    lower: bool = False
    failing: tuple = ()
    kill_at: int = -1
    mark: str = ""

    @property
    def identity(self):
        return {"models": f"{self.shape} {self.rate}", "options": f"{self.draws} {self.wrong_sd}"}

    def draw_prior(self, size, rng):
        return {name: rng.gamma(self.shape, 1 / self.rate, size) for name in ("s", "t")}

    def draw_data(self, values, rng):
        return {name: float(rng.poisson(values[name])) for name in ("s", "t")} | {"truth": values["s"]}

    def posterior(self, data, seed):
        rng = np.random.default_rng(seed)
        if data["s"] in self.failing:
            raise ValueError(f"cannot fit {data['s']:.0f} counts")
        if self.mark:
            self._count()
        draws = {k: rng.gamma(self.shape + data[k], 1 / (self.rate + 1), self.draws) for k in ("s", "t")}
        mean = {k: (self.shape + data[k]) / (self.rate + 1) for k in draws}
        draws = {k: mean[k] + (draws[k] - mean[k]) * self.wrong_sd for k in draws}
        if self.lower:
            draws["s"] = data["truth"] + np.abs(draws["s"] - mean["s"]) * (rng.uniform(size=self.draws) - 0.2)
        return tree_of(**draws)

    def _count(self):
        """Count calls in a file, and end the process by force at a certain one."""
        place = Path(self.mark)
        number = int(place.read_text()) + 1 if place.exists() else 1
        place.write_text(str(number))
        if number == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def current_values(self):
        return {"s": 6.0, "t": 6.0}
