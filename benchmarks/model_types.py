"""What each model type costs: gradient of one dataset, and calls for numbers.

    python benchmarks/model_types.py --json out.json
    python benchmarks/model_types.py --calls

The first form compiles the log-posterior of one synthetic cube (60 x 60 pixels, 6 energies, PSF and energy dispersion)
per type and gives the CPU time of one log-density with its gradient, as a ratio to a Gaussian source with a power law
of the same footprint. The second gives the first call of each formula in a process that has evaluated other formulas
before, and later calls. ``--only TEXT`` takes types whose name holds a text.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clock import one_thread

one_thread()

import astropy.units as u  # noqa: E402
import numpy as np  # noqa: E402
import pytensor  # noqa: E402
from model_examples import ENERGY, LAT, LON, START, STOP, Example, examples, make_dataset, reference  # noqa: E402

from bayesmap.inference import compile_fit  # noqa: E402
from bayesmap.modeling.formulas import evaluate  # noqa: E402

KINDS = ("spatial", "spectral", "temporal")
LIMIT, FIRST_MS, LATER_MS = 3.0, 50.0, 1.0


def best(function: Callable[[], Any], batches: int = 7, seconds: float = 0.05) -> float:
    """Least CPU time per call in seconds, over batches of calls."""
    start = time.process_time()
    function()
    number = max(1, int(seconds / max(time.process_time() - start, 1e-6)))
    found = []
    for _ in range(batches):
        start = time.process_time()
        for _ in range(number):
            function()
        found.append((time.process_time() - start) / number)
    return min(found)


# -- gradients --------------------------------------------------------------------------------------------------------
def gradient_call(example: Example, quick: bool) -> tuple[Callable[[], Any], str, int]:
    """A call of the compiled log-density and gradient, the PSF route, and the number of free parameters."""
    with pytensor.config.change_flags(traceback__limit=0):
        fit = compile_fit(make_dataset(example.models()))
        density = fit._any_density if quick else fit.density
    points = density.start + 0.1 * np.random.default_rng(42).normal(size=(16, density.size))
    numbers = iter(range(10**9))
    route = next(iter(fit.routes["cube"].values()), ("background", 0.0))[0]
    for point in points:
        value, gradient = density(point)
        if not (np.isfinite(value) and np.all(np.isfinite(gradient))):
            raise RuntimeError(f"{example.label}: log-density {value} with gradient {gradient}")
    return (lambda: density(points[next(numbers) % len(points)])), route, density.size


def measure_gradients(kinds: list[str], only: str, quick: bool) -> list[dict[str, Any]]:
    """One row per example: milliseconds, and the ratio to the Gaussian source of the same footprint."""
    standard = {field: gradient_call(reference(field), quick)[0] for field in (False, True)}
    rows = []
    for kind in kinds:
        for example in examples(kind):
            if only.lower() not in example.label.lower():
                continue
            call, route, size = gradient_call(example, quick)
            pairs = [(best(call, 3), best(standard[example.field], 3)) for _ in range(3)]
            own, other = (min(times) for times in zip(*pairs, strict=True))
            rows.append(
                {
                    "kind": kind,
                    "type": example.label,
                    "footprint": "field" if example.field else "1 deg",
                    "route": route,
                    "parameters": size,
                    "gradient_ms": 1e3 * own,
                    "gaussian_ms": 1e3 * other,
                    "ratio": own / other,
                }
            )
            print_gradient(rows[-1])
    return rows


def print_gradient(row: dict[str, Any]) -> None:
    """One row of the table of gradients."""
    mark = " **over**" if row["ratio"] > LIMIT else ""
    print(
        f"| {row['kind']} | {row['type']} | {row['footprint']} | {row['route']} | {row['parameters']} "
        f"| {row['gradient_ms']:.3f} | {row['ratio']:.2f}{mark} |",
        flush=True,
    )


# -- calls ------------------------------------------------------------------------------------------------------------
def calls_of(example: Example) -> dict[str, Callable[[], Any]]:
    """The numerical calls that a model of a kind has."""
    model = example.model
    if example.kind == "spectral":
        one, two = ENERGY[:10], ENERGY[10:20]
        return {
            "value": lambda: model(ENERGY),
            "integral": lambda: model.integral(one, two),
            "energy_flux": lambda: model.energy_flux(one, two),
            "spectral_index": lambda: model.spectral_index(ENERGY),
        }
    if example.kind == "spatial":
        lon, lat = (u.Quantity(c + np.linspace(-0.3, 0.3, 100), "deg") for c in (LON, LAT))
        return {"value": lambda: model(lon, lat)} if example.label != "PointSpatialModel" else {}
    return {"value": lambda: model(START), "integral": lambda: model.integral(START, STOP)}


def measure_calls(kinds: list[str], only: str) -> list[dict[str, Any]]:
    """One row per example and call: milliseconds of the first call and of later ones."""
    start = time.process_time()
    examples("spectral")[0].model(ENERGY)
    very_first = 1e3 * (time.process_time() - start)
    print(f"| any | any | very first call of a process | {very_first:.0f} | |", flush=True)
    for kind in KINDS:  # what other formulas share, such as astropy's unit conversions
        for example in examples(kind)[:3]:
            for call in calls_of(example).values():
                call()
    rows = []
    for kind in kinds:
        for example in examples(kind):
            if only.lower() not in example.label.lower():
                continue
            for name in calls_of(example):
                firsts = []
                for _ in range(3):
                    evaluate._compiled.cache_clear()
                    fresh = next(e for e in examples(kind) if e.label == example.label)
                    call = calls_of(fresh)[name]
                    start = time.process_time()
                    call()
                    firsts.append(time.process_time() - start)
                rows.append(
                    {
                        "kind": kind,
                        "type": example.label,
                        "call": name,
                        "first_ms": 1e3 * min(firsts),
                        "later_ms": 1e3 * best(call),
                    }
                )
                print_call(rows[-1])
    return rows


def print_call(row: dict[str, Any]) -> None:
    """One row of the table of calls."""
    mark = " **over**" if row["first_ms"] > FIRST_MS or row["later_ms"] > LATER_MS else ""
    cells = [row["kind"], row["type"], row["call"], f"{row['first_ms']:.1f}", f"{row['later_ms']:.3f}{mark}"]
    print(f"| {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--only", default="", help="part of the names of the types")
    parser.add_argument("--quick", action="store_true", help="the density of mode searches: compiled in a second")
    parser.add_argument("--calls", action="store_true", help="calls for numbers instead of gradients")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    args = parser.parse_args()
    if args.calls:
        print("| kind | type | call | first, ms | later, ms |")
        print("| --- | --- | --- | --- | --- |")
        rows = measure_calls(args.kinds, args.only)
    else:
        print("| kind | type | footprint | PSF route | free parameters | gradient, ms | / Gaussian |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        rows = measure_gradients(args.kinds, args.only, args.quick)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
