"""CPU seconds of `bayesmap report`, stage by stage, for three sources of the Galactic centre.

    python benchmarks/report_page.py [--data PATH] [--draws 1000] [--keep FOLDER]

The posterior has four chains of the Gaussian around the mode, as sampling is not what is measured. First the stages, in
a process of their own; then the whole command in two, with empty caches of compiled code and with filled ones. The
targets are 30 CPU s and 5 MB.
"""

import argparse
import importlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from clock import Clock, one_thread, peak_memory

one_thread()

import numpy as np  # noqa: E402 - after the number of threads is set
from cold import run_fresh  # noqa: E402

__all__ = ["Stages", "make_result"]

ROOT = Path(__file__).resolve().parents[1]
#: functions that are timed, each without those that it calls
STAGES = {
    "bayesmap.report.figures._predictions": "predictive bands and mean prediction",
    "bayesmap.report.analysis.check": "checks",
    "bayesmap.report.analysis.analysis_figures": "figures: their parts",
    "bayesmap.report.analysis.check_figures": "figures: their parts",
    "bayesmap.report.figures._render": "figures: layout and PNG",
    "bayesmap.report.analysis.convergence_report": "convergence",
    "bayesmap.report.analysis.summary_rows": "table",
    "bayesmap.report.analysis.render_page": "page",
}


class Stages:
    """CPU seconds by stage; what is timed inside another stage counts there only."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._clock, self._open = Clock(), ["the rest"]

    def _tick(self) -> None:
        stage = self._open[-1]
        self.seconds[stage] = self.seconds.get(stage, 0.0) + self._clock.lap()["cpu"]

    def watch(self, path: str, stage: str) -> None:
        """Time a function of a module, which is replaced."""
        module, _, name = path.rpartition(".")
        place = importlib.import_module(module)
        function = getattr(place, name)

        def timed(*arguments: Any, **options: Any) -> Any:
            with self(stage):
                return function(*arguments, **options)

        setattr(place, name, timed)

    def __call__(self, stage: str) -> "Stages":
        """Begin a stage, in a with statement."""
        self._tick()
        self._open.append(stage)
        return self

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        self._tick()
        self._open.pop()

    def finish(self) -> dict[str, float]:
        """All stages."""
        self._tick()
        return self.seconds


def make_result(data: Path, draws: int, path: Path) -> None:
    """Draws of the Gaussian around the mode of three sources, as a result of sampling."""
    from points import galactic_centre_dataset

    from bayesmap import save
    from bayesmap.inference import compile_fit
    from bayesmap.inference.result import build_tree, describe
    from bayesmap.inference.samplers import Run

    fit = compile_fit(galactic_centre_dataset(data))
    mode = fit.find_mode(searches=1)
    errors = np.sqrt(np.diag(mode.covariance))  # factors of the covariance itself would be lost in rounding
    correlation = np.linalg.cholesky(mode.covariance / np.outer(errors, errors))
    normal = np.random.default_rng(1).normal(size=(4, draws, len(errors)))
    values = np.array(list(mode.values.values())) + normal @ correlation.T * errors
    posterior = {name: values[..., i] for i, name in enumerate(mode.values)}
    stats = {"diverging": np.zeros((4, draws), dtype=bool), "lp": np.zeros((4, draws))}
    save(build_tree(describe(fit), Run(posterior, stats), {"sampler": "gaussian"}), path)


def stages(result: Path, data: Path, folder: Path) -> dict[str, float]:
    """CPU seconds of each stage of the command in this process."""
    told = Stages()
    with told("imports"):
        import matplotlib

        matplotlib.use("agg")
        import bayesmap.report.analysis
    with told("result and dataset"):
        from bayesmap import load
        from bayesmap.datasets.of_result import datasets_of_result

        tree = load(result)
        datasets = datasets_of_result(tree, data)
    for function, stage in STAGES.items():
        told.watch(function, stage)
    bayesmap.report.analysis.write_report(tree, datasets, folder)
    return told.finish()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of the data")
    parser.add_argument("--draws", type=int, default=1000, help="draws of each of four chains (default: %(default)s)")
    parser.add_argument("--keep", type=Path, help="folder for result, reports and caches (default: a temporary one)")
    parser.add_argument("--stages", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    field = options.data.resolve() / "cta-1dc-gc" / "cta-1dc-gc.fits.gz"
    if options.stages is not None:
        seconds = stages(options.stages / "posterior.nc", field, options.stages)
        print(json.dumps({"seconds": seconds, "memory": peak_memory()}))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) if options.keep is None else options.keep.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "posterior.nc").exists():
            make_result(options.data, options.draws, folder / "posterior.nc")
        command = [sys.executable, "-m", "bayesmap", "report", str(folder / "posterior.nc"), str(field)]
        for state in ("cold", "warm"):
            clock = Clock()
            run_fresh(command, folder / "cache")
            seconds = clock.lap()
            print(f"bayesmap report, {state}: {seconds['cpu']:.1f} CPU s (target 30), {seconds['wall']:.1f} s")
        print(f"page: {(folder / 'report.html').stat().st_size / 1e6:.1f} MB (target 5)")
        own = [sys.executable, __file__, "--data", str(options.data.resolve()), "--stages", str(folder)]
        made = json.loads(run_fresh(own, folder / "cache").splitlines()[-1])
        for stage, cpu in sorted(made["seconds"].items(), key=lambda item: -item[1]):
            print(f"  {stage:<40} {cpu:6.1f} CPU s")
        print(f"  {'sum':<40} {sum(made['seconds'].values()):6.1f} CPU s, peak memory {made['memory']:.0f} MB")


if __name__ == "__main__":
    main()
