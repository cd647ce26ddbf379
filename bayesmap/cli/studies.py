"""What ``bayesmap study`` does."""

from argparse import Namespace
from typing import Any

from bayesmap._util import make_path
from bayesmap.cli.commands import datasets_with_models, say

__all__ = ["study"]


def study(options: Namespace) -> None:
    """Run a study, or go on with one, and write its report.

    Raises
    ------
    ValueError
        If a number is none, or the folder holds something else.
    """
    settings: dict[str, Any] = {
        **{key: getattr(options, key) for key in ("n", "seed", "draws", "tune", "chains", "sampler")},
        "folder": make_path(options.output),
        "n_workers": options.workers,
        "progress": not options.quiet,
    }
    if options.kind == "power":
        settings |= {key: getattr(options, key) for key in ("source", "threshold", "limit")}
        settings["values"] = None if options.values is None else _numbers(options.values)
    datasets = datasets_with_models(options)
    from bayesmap import studies
    from bayesmap.studies.tables import about_simulations

    tree = getattr(studies, options.kind)(datasets, **settings)
    if options.kind == "power":
        say(str(studies.power_table(tree)))
        say("\n".join(about_simulations(tree)))
    else:
        say(studies.study_text(tree))
    import matplotlib

    matplotlib.use("agg")
    say(f"Wrote {studies.write_study_report(tree, settings['folder'])}")


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"--values must be numbers with commas between them, got {text!r}") from None
