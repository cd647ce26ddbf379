"""Numbers, ratios and targets of the benchmark, as rows of a table."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Row", "print_table", "rows"]

GRADIENT = {"A": 100, "B": 25, "C": 10}
ESS = {"A": 1000, "B": 200, "C": 25}


@dataclass(frozen=True)
class Row:
    """One number, with the target that it should reach (``at_most``: stay under)."""

    what: str
    value: float
    unit: str = ""
    target: float | None = None
    at_most: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without a target."""
        if self.target is None:
            return None
        return bool(self.value <= self.target if self.at_most else self.value >= self.target)


def median_ms(seconds: dict[str, list[float]]) -> float:
    """Median CPU time in ms."""
    return 1e3 * float(np.median(seconds["cpu"]))


def rows(results: dict[str, Any]) -> list[Row]:
    """All rows for which there are results."""
    return [*_gradients(results), *_modes(results), *_samples(results), *_first(results)]


def _gradients(results: dict[str, Any]) -> Iterator[Row]:
    peer = {letter: median_ms(seconds) for letter, seconds in results.get("stat_sum", {}).items()}
    for label, seconds in results.get("gradient", {}).items():
        letter, route = label.split()[0], " ".join(label.split()[1:])
        own = median_ms(seconds)
        yield Row(f"{label}: log-density + gradient", own, "ms")
        if letter in peer:
            yield (
                Row(f"{letter}: gammapy stat_sum", peer[letter], "ms")
                if not route
                else Row(f"{label}: as by default", own / median_ms(results["gradient"][letter]), "x the time")
            )
            yield Row(f"{label}: stat_sum / gradient", peer[letter] / own, "x", 4 if route else GRADIENT[letter])


def _modes(results: dict[str, Any]) -> Iterator[Row]:
    for letter, own in results.get("mode", {}).items():
        yield Row(f"{letter}: first search of the mode", own["first"]["cpu"], "CPU s")
        yield Row(f"{letter}: mode and covariance", own["cpu"], "CPU s")
        yield Row(f"{letter}: mode search evaluations", own["evaluations"])
        if letter in results.get("peer_fit", {}):
            fit = results["peer_fit"][letter]
            yield Row(f"{letter}: gammapy fit without covariance", fit["cpu"], "CPU s")
            yield Row(f"{letter}: gammapy fit evaluations", fit["evaluations"])
            yield Row(f"{letter}: gammapy fit / mode", fit["cpu"] / own["cpu"], "x", 50)


def _samples(results: dict[str, Any]) -> Iterator[Row]:
    for letter, own in results.get("sample", {}).items():
        yield Row(f"{letter}: effective draws / CPU s", own["ess_per_cpu_second"], "1/s", ESS[letter])
        yield Row(f"{letter}: smallest bulk ESS", own["min_ess_bulk"])
        yield Row(f"{letter}: gradients per draw", own["gradients_per_draw"])
        yield Row(f"{letter}: divergences", own["divergences"], "", 0, at_most=True)
        yield Row(f"{letter}: largest R-hat", own["max_rhat"], "", 1.01, at_most=True)
    if "emcee" in results:
        peer = results["emcee"]["ess_per_cpu_second"]
        yield Row("A: emcee on gammapy, effective draws / CPU s", peer, "1/s")
        if "A" in results.get("sample", {}):
            yield Row("A: bayesmap / emcee", results["sample"]["A"]["ess_per_cpu_second"] / peer, "x", 400)


def _first(results: dict[str, Any]) -> Iterator[Row]:
    limits = {"cold": (10, 60), "warm": (2, 25)}
    for state, run in results.get("first_posterior", {}).items():
        compile_limit, total_limit = limits[state]
        yield Row(f"A: compile, {state}", run["stages"]["compile"]["cpu"], "CPU s", compile_limit, at_most=True)
        for stage, seconds in run["stages"].items():
            if stage != "compile":
                yield Row(f"A: {stage}, {state}", seconds["cpu"], "CPU s")
        yield Row(f"A: first posterior, {state}", run["total"]["cpu"], "CPU s")
        yield Row(f"A: first posterior, {state}", run["total"]["wall"], "s", total_limit, at_most=True)
        yield Row(f"A: peak memory, {state}", run["peak_memory_mb"], "MB", 700, at_most=True)
    if results.get("demo"):
        yield Row("bayesmap demo, cold", results["demo"]["cpu"], "CPU s")
        yield Row("bayesmap demo, cold", results["demo"]["wall"], "s", 120, at_most=True)


def print_table(table: list[Row]) -> None:
    """Print the rows, with targets and whether they are met."""
    width = max((len(row.what) for row in table), default=0)
    for row in table:
        target = "" if row.target is None else f"{'<=' if row.at_most else '>='} {row.target:g}"
        verdict = {None: "", True: "met", False: "MISSED"}[row.met]
        print(f"{row.what:<{width}}  {row.value:12.5g} {row.unit:<10}  {target:>8}  {verdict}".rstrip())
