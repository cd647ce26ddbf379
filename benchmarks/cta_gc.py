"""Speed and memory on the CTA dataset of the Galactic centre, against Gammapy in the same run.

    python benchmarks/cta_gc.py [--data PATH] [--gammapy PYTHON] [--models A,B,C] [--json out.json] [--quick]

``PYTHON`` is the interpreter of an environment with gammapy and emcee. One thread each; own and peer's evaluations take
turns, so that both see the same machine. The models are those of ``cases.py``; the counts are simulated.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from clock import one_thread

one_thread()

import numpy as np  # noqa: E402 - after the number of threads is set
from cold import demo, first_posteriors  # noqa: E402
from own import Case, find_mode, open_dataset, sample, simulate  # noqa: E402
from peer import PeerProcess  # noqa: E402
from report import print_table, rows  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 5


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = ROOT.parent / "shared" / "data" / "cta-1dc-gc" / "cta-1dc-gc.fits.gz"
    parser.add_argument("--data", type=Path, default=default, help="the dataset (default: %(default)s)")
    parser.add_argument("--gammapy", metavar="PYTHON", help="Python of an environment with gammapy and emcee")
    parser.add_argument("--models", default="A,B,C", help="which of A, B, C (default: all)")
    parser.add_argument("--json", type=Path, help="write all numbers to this file")
    parser.add_argument("--quick", action="store_true", help="fewer evaluations and draws; no emcee, no demo")
    parser.add_argument("--emcee-seconds", type=float, default=90, help="CPU time for emcee (default: %(default)s)")
    return parser.parse_args()


def compile_cases(data: Path, counts: dict[str, np.ndarray]) -> dict[str, Case]:
    """Compile each model, and B by the FFT route too."""
    variants: dict[str, dict[str, Any]] = {letter: {} for letter in counts}
    if "B" in counts:
        variants["B (fft)"] = {"psf_route": "fft"}
    cases = {}
    for label, options in variants.items():
        say(f"compiling {label}")
        cases[label] = Case(open_dataset(data, label[0], counts[label[0]]), number=200, **options)
    return cases


def time_evaluations(cases: dict[str, Case], peer: PeerProcess | None, quick: bool) -> dict[str, Any]:
    """Gradients and, where there is a peer, its ``stat_sum`` at the same points, in turns."""
    own_number, peer_number = (50, 4) if quick else (200, 10)
    results: dict[str, Any] = {"gradient": {}, "stat_sum": {}}
    for _ in range(ROUNDS):
        for label, case in cases.items():
            _extend(results["gradient"].setdefault(label, {}), case.gradients(own_number))
            if peer is not None and len(label) == 1:
                answer = peer.ask("stat_sum", model=label, points=case.declared(peer_number))
                _extend(results["stat_sum"].setdefault(label, {}), answer)
    return results


def _extend(total: dict[str, list[float]], new: dict[str, Any]) -> None:
    for key in ("wall", "cpu"):
        total.setdefault(key, []).extend(new[key])


def run_peer(peer: PeerProcess, letters: list[str], folder: Path, emcee_seconds: float) -> dict[str, Any]:
    """The peer's fits of A and B, and emcee on its likelihood of A."""
    results: dict[str, Any] = {"peer_fit": {}}
    for letter in [letter for letter in letters if letter in "AB"]:
        say(f"gammapy: fit of {letter}")
        results["peer_fit"][letter] = peer.ask("fit", model=letter)
    if "A" in letters and emcee_seconds > 0:
        say("gammapy: emcee on A")
        path = folder / "emcee.npz"
        answer = peer.ask("emcee", model="A", seconds=emcee_seconds, path=str(path), fit=results["peer_fit"]["A"])
        results["emcee"] = {**answer, **_emcee_size(answer, path)}
    return results


def _emcee_size(answer: dict[str, Any], path: Path) -> dict[str, float]:
    """Effective draws: the larger of bulk ESS with walkers as chains, and draws over the autocorrelation time."""
    import arviz as az

    chain = np.load(path)["chain"]
    bulk = min(float(az.ess(np.ascontiguousarray(chain[..., i]), method="bulk")) for i in range(chain.shape[-1]))
    best = max(bulk, answer["effective_autocorrelation"])
    return {"min_ess_bulk": bulk, "ess_per_cpu_second": best / answer["cpu"]}


def versions() -> dict[str, str]:
    """Versions of what was measured, and the machine."""
    import importlib.metadata

    import bayesmap

    names = ("pymc", "pytensor", "numba", "nutpie", "arviz", "numpy", "scipy", "astropy")
    found = {name: importlib.metadata.version(name) for name in names}
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}"
    return {"bayesmap": bayesmap.__version__, **found, "python": platform.python_version(), "machine": machine}


def say(text: str) -> None:
    """Tell what is going on."""
    print(f"... {text}", file=sys.stderr, flush=True)


def measure(options: argparse.Namespace, folder: Path, stack: ExitStack, results: dict[str, Any]) -> None:
    """Everything, in one run; each result is put into ``results`` as it comes."""
    letters = options.models.split(",")
    results |= {"versions": versions(), "quick": options.quick}
    say("simulating counts")
    counts = simulate(options.data, letters)
    counts_file = folder / "counts.npz"
    np.savez(counts_file, **counts)
    peer = None
    if options.gammapy:
        peer = stack.enter_context(PeerProcess(options.gammapy, folder / "peer.log"))
        results["peer_versions"] = peer.ask("open", data=str(options.data), counts=str(counts_file), models=letters)
    cases = compile_cases(options.data, counts)
    results["routes"] = {label: case.fit.routes for label, case in cases.items()}
    say("timing evaluations")
    results |= time_evaluations(cases, peer, options.quick)
    results["mode"] = {letter: find_mode(cases[letter]) for letter in letters}
    results["sample"] = {}
    for letter in letters:
        say(f"sampling {letter}")
        results["sample"][letter] = sample(cases[letter], draws=300 if options.quick else 1000, chains=4)
    if peer is not None:
        results |= run_peer(peer, letters, folder, 0 if options.quick else options.emcee_seconds)
    if "A" in letters:
        say("first posterior of A in fresh processes")
        results["first_posterior"] = first_posteriors(options.data, counts_file, folder)
    if not options.quick:
        say("bayesmap demo")
        results["demo"] = demo(folder)


def report(results: dict[str, Any], path: Path | None) -> None:
    """Print the table; write all numbers if there is a path."""
    table = rows(results)
    print_table(table)
    if path is not None:
        results["table"] = [{**asdict(row), "met": row.met} for row in table]
        path.write_text(json.dumps(results, indent=1))


def main() -> None:
    """Measure, print, write; Ctrl-C or an error ends with what there is."""
    options = parse_arguments()
    options.data = options.data.resolve()
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        try:
            measure(options, Path(folder), stack, results)
        finally:
            report(results, options.json)


if __name__ == "__main__":
    main()
