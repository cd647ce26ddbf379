"""Recover simulated data by sampling: each registered type of model and each file of the zoo.

Run from the folder of the repository::

    python -m benchmarks.recover --types --zoo --rows rows.jsonl --output docs/recovery

``--types`` and ``--zoo`` take names, or none for all. A line of ``rows.jsonl`` is appended as soon as a graph is done,
and what is there is not computed again; the tables are written from all lines. Data and models are those of the tests,
`tests/recovery.py` and `tests/modeling/zoo_data.py`; 4 chains of 500 draws after tuning, on one core. Where a true
value is outside of the central 99.7 %, which happens by chance to three in a thousand, the graph is done again with new
noise.
"""

import argparse
import json
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.clock import one_thread

#: how files are sampled that say so in their section ``adapt``
OPTIONS = {
    "fov-background-runs": {"target_accept": 0.95},
    "mrk-501": {"target_accept": 0.95},
    "pks-2155-304-ebl": {"target_accept": 0.95},
    "point-sources": {"target_accept": 0.95},
    "vela-pulsar": {"target_accept": 0.95},
}
LIMIT = 2.968  # of a standard normal variable: the central 99.7 %
HEAD = ("parameters", "effective draws", "per CPU s", "R-hat", "divergences", "worst rank", "CPU s")
TITLES = {"types": "type", "zoo": "file"}


def arguments() -> argparse.Namespace:
    """What is asked for on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--types", nargs="*", help="registered types, by class name; none for all")
    parser.add_argument("--zoo", nargs="*", help="files of the zoo; none for all")
    parser.add_argument("--rows", type=Path, default=Path("recover.jsonl"), help="results, a line each")
    parser.add_argument("--output", type=Path, help="folder for the tables types.txt and zoo.txt")
    parser.add_argument("--seed", type=int, default=0, help="of the simulated counts")
    return parser.parse_args()


def fit_of_zoo(name: str, seed: int) -> Any:
    """The compiled analysis of simulated data of a file of the zoo."""
    from bayesmap.inference import compile_fit
    from tests.modeling.zoo_data import models_of, simulate
    from tests.recovery import quick_compilation

    with quick_compilation():
        return compile_fit(simulate(name, models_of(name), seed))


def work(chosen: argparse.Namespace) -> list[tuple[str, str, Callable[[str, int], Any]]]:
    """Kind, name and what compiles the analysis of each graph that was asked for."""
    from bayesmap.modeling.files.zoo import zoo_names
    from tests.recovery import fit_of, registered

    jobs: list[tuple[str, str, Callable[[str, int], Any]]] = []
    if chosen.types is not None:
        names = chosen.types or list(registered())
        jobs += [("types", name, fit_of) for name in names]
    if chosen.zoo is not None:
        jobs += [("zoo", name, fit_of_zoo) for name in chosen.zoo or zoo_names()]
    return jobs


def row_of(kind: str, name: str, seed: int, fit_of: Callable[[str, int], Any]) -> dict[str, Any]:
    """Sample one graph; warnings are part of the result."""
    from tests.recovery import sampled

    start = time.process_time()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = asdict(sampled(fit_of(name, seed), **OPTIONS.get(name, {})))
    result["cpu"] = time.process_time() - start
    return {"kind": kind, "name": name, "seed": seed, **result, "warnings": sorted({str(w.message) for w in caught})}


def outside(row: dict[str, Any]) -> int:
    """How many true values are outside of the central 99.7 %."""
    return sum(abs(rank) >= LIMIT for rank in row["ranks"].values())


def notes(row: dict[str, Any]) -> str:
    """What is special about a row."""
    found = [] if row["sampler"] == "whitened" else ["not whitened"]
    found += [f"{key}={value}" for key, value in OPTIONS.get(row["name"], {}).items()]
    found += ["new noise"] if row.get("again") else []
    return f" ({', '.join(found)})" if found else ""


def table(rows: list[dict[str, Any]], kind: str) -> str:
    """The rows of one kind in Markdown."""
    lines = [f"| {TITLES[kind]} | {' | '.join(HEAD)} |", "| --- |" + " ---: |" * len(HEAD)]
    for row in rows:
        worst = max(row["ranks"].values(), key=abs)
        cells = (
            f"`{row['name']}`{notes(row)}",
            str(row["n_parameter"]),
            f"{row['ess']:.0f}",
            f"{row['ess'] / row['sample_cpu']:.0f}",
            f"{row['rhat']:.3f}",
            str(row["divergences"]),
            f"{worst:+.2f}{'' if abs(worst) < LIMIT else ' (outside)'}",
            f"{row['cpu']:.1f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    first, again = ([row for row in rows if bool(row.get("again")) == new] for new in (False, True))
    total = sum(len(row["ranks"]) for row in first)
    text = (
        f"{sum(map(outside, first))} of {total} true values are outside of the central 99.7 %; {0.003 * total:.1f} are"
    )
    text += f" expected. With new noise: {sum(map(outside, again))}." if again else " expected."
    squares = sum(rank**2 for row in first for rank in row["ranks"].values())
    text += f" The squares of all ranks sum to {squares:.0f}; {total} are expected."
    return "\n".join([*lines, "", f"{text} {sum(row['cpu'] for row in rows):.0f} CPU s in all."]) + "\n"


def main() -> None:
    """Sample what was asked for and is not there yet, and write the tables."""
    one_thread()
    chosen = arguments()
    import nutpie  # noqa: F401 (the first sample must not pay for it)

    with tempfile.TemporaryDirectory() as folder:
        from tests.modeling.zoo_data import link_data

        link_data(folder)
        os.environ["GAMMAPY_DATA"] = folder
        jobs = work(chosen)
        rows = [json.loads(line) for line in chosen.rows.read_text().splitlines()] if chosen.rows.exists() else []
        for kind, name, fit_of in jobs:
            mine = [row for row in rows if (row["kind"], row["name"]) == (kind, name)]
            while len(mine) < (2 if mine and outside(mine[0]) else 1):
                row = row_of(kind, name, chosen.seed + len(mine), fit_of) | {"again": bool(mine)}
                mine.append(row)
                rows.append(row)
                with chosen.rows.open("a") as file:
                    file.write(json.dumps(row) + "\n")
                print(table([row], kind).splitlines()[2], flush=True)
    order = {job[:2]: i for i, job in enumerate(jobs)}
    rows = [row for row in rows if (row["kind"], row["name"]) in order]
    rows.sort(key=lambda row: (order[row["kind"], row["name"]], bool(row.get("again"))))
    for kind in TITLES:
        of_kind = [row for row in rows if row["kind"] == kind]
        if of_kind and chosen.output:
            chosen.output.mkdir(parents=True, exist_ok=True)
            (chosen.output / f"{kind}.txt").write_text(table(of_kind, kind))


if __name__ == "__main__":
    main()
