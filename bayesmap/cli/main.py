"""The command line. Everything heavy is imported by the command that needs it, so that ``--help`` answers at once."""

import argparse
import sys
import traceback
import warnings
from collections.abc import Sequence

from bayesmap import __version__

__all__ = ["main"]

#: what users cause; anything else is a bug and shows its traceback
USER_ERRORS = (OSError, ValueError, KeyError, RuntimeError)
SAMPLERS = ("whitened", "nutpie", "pymc", "numpyro")


#: where commands are added
type Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="bayesmap",
        description="Bayesian analysis of binned sky maps: from FITS datasets to posteriors.",
        epilog="Start with: bayesmap demo",
    )
    parser.add_argument("--version", action="version", version=f"bayesmap {__version__}")
    parser.add_argument("--traceback", action="store_true", help="show where an error comes from")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_demo(commands)
    _add_info(commands)
    _add_fit(commands)
    _add_report(commands)
    _add_models(commands)
    _add_points(commands)
    _add_study(commands)
    _add_download(commands)
    return parser


def _add_demo(commands: Commands) -> None:
    demo = commands.add_parser(
        "demo",
        help="simulate a field of a Cherenkov telescope, sample it, write a report",
        description="Simulate a CTA-like field with three sources, sample all parameters with default priors, print "
        "the result beside the truth, and write posterior, figures and a one-page HTML report into a folder.",
    )
    demo.add_argument("-o", "--output", metavar="DIR", help="folder (default: bayesmap-demo, or the next free number)")
    _add_sampling(demo, draws=1000, tune=200, chains=2)
    demo.set_defaults(run="demo")


def _add_info(commands: Commands) -> None:
    info = commands.add_parser(
        "info",
        help="describe a dataset, a list of datasets or models (.yaml), or a posterior (.nc)",
        description="Describe a file: a dataset or map (.fits, .fits.gz), a posterior (.nc) or models (.yaml).",
    )
    info.add_argument("file", metavar="FILE", help="the file")
    info.set_defaults(run="info")


def _add_fit(commands: Commands) -> None:
    fit = commands.add_parser(
        "fit",
        help="sample the posterior of models for a dataset",
        description="Sample the posterior of models for a dataset; write posterior, figures and report into a folder. "
        "Free parameters without a prior get a default one.",
    )
    _add_inputs(fit)
    _add_sampling(fit, draws=1000, tune=None, chains=4)
    fit.set_defaults(run="fit")


def _add_report(commands: Commands) -> None:
    report = commands.add_parser(
        "report",
        help="make the report of a stored posterior again",
        description="Make figures and report of a stored posterior again, from it and the data that were sampled. The "
        "models are those that the posterior describes; other data are refused.",
    )
    report.add_argument("result", metavar="RESULT", help="posterior (.nc), as 'bayesmap fit' writes it")
    report.add_argument("dataset", metavar="DATASET", help="the dataset that was sampled, or list of datasets (.yaml)")
    report.add_argument("-o", "--output", metavar="DIR", help="folder (default: that of the posterior)")
    report.set_defaults(run="report")


def _add_models(commands: Commands) -> None:
    models = commands.add_parser(
        "models",
        help="the model files that come with the package; check a file of your own",
        description="List, show and check model files with priors.",
    )
    actions = models.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="list the models that come with the package (the zoo)")
    listing.add_argument("text", nargs="?", default="", metavar="TEXT", help="only those whose name or title holds it")
    listing.set_defaults(run="list_models")
    show = actions.add_parser("show", help="describe a model of the zoo: source of its numbers, priors")
    show.add_argument("name", metavar="NAME", help="name in the list")
    show.add_argument("--yaml", action="store_true", help="print the file, to start one of your own")
    show.set_defaults(run="show_model")
    check = actions.add_parser("check", help="read a model file and try its priors")
    check.add_argument("file", metavar="FILE", help="model file (.yaml), or a name in the list")
    check.set_defaults(run="check_models")


def _add_points(commands: Commands) -> None:
    points = commands.add_parser(
        "flux-points",
        help="fluxes of sources in energy bands, everything else marginalised",
        description="Sample the fluxes of sources in bands of true energy; print them, and write a FITS table for each "
        "source and all draws into a folder.",
    )
    points.add_argument("--edges", required=True, metavar="'A,B,... UNIT'", help="edges of the bands: '1,3,10 TeV'")
    curve = commands.add_parser(
        "light-curve",
        help="fluxes of sources in intervals of time",
        description="Sample the fluxes of sources in intervals of time; print them, and write a FITS table for each "
        "source and all draws into a folder.",
    )
    curve.add_argument("--times", metavar="A,B,...", help="edges of the intervals (default: one for each run)")
    curve.add_argument("--edges", metavar="'A,B,... UNIT'", help="edges of energy bands (default: all energies)")
    for parser, run, priors in ((points, "flux_points", ("smooth",)), (curve, "light_curve", ("walk", "ou"))):
        _add_inputs(parser)
        parser.add_argument("--source", dest="sources", metavar="NAME", action="append", help="only this source")
        choices = ("independent", *priors)
        parser.add_argument("--prior", choices=choices, default=choices[0], help="(default: %(default)s)")
        _add_sampling(parser, draws=1000, tune=None, chains=4)
        parser.set_defaults(run=run)


STUDIES = {
    "sbc": "are posteriors calibrated? parameters from the priors, data from these, ranks in the posterior",
    "coverage": "how often intervals contain the values of the model file",
    "power": "how often a source is found, as a function of its flux",
}


def _add_study(commands: Commands) -> None:
    study = commands.add_parser(
        "study",
        help="repeat an analysis on simulated data: calibration, coverage, power",
        description="Repeat an analysis on simulated data. A folder that holds a part of the study is continued.",
    )
    kinds = study.add_subparsers(dest="kind", metavar="KIND", required=True)
    for kind, text in STUDIES.items():
        one = kinds.add_parser(kind, help=text, description=text.capitalize() + ".")
        _add_inputs(one)
        one.add_argument("-n", type=_positive, default=200, metavar="N", help="simulations (default: %(default)s)")
        one.add_argument("--workers", type=_positive, default=1, metavar="N", help="processes (default: 1)")
        _add_sampling(one, draws=250, tune=250, chains=2, results=False)
        if kind == "power":
            one.add_argument("--source", required=True, metavar="NAME", help="model of the source")
            one.add_argument("--values", metavar="A,B,...", help="true amplitudes, in the unit of the model file")
            one.add_argument("--threshold", type=float, default=25.0, metavar="TS", help="(default: %(default)s)")
            one.add_argument("--limit", type=float, metavar="P", help="also the upper limit of this probability")
    study.set_defaults(run="study")


def _add_download(commands: Commands) -> None:
    download = commands.add_parser(
        "download",
        help="fetch public example data; without a name, list them",
        description="Fetch public example data of the collection gammapy-data into a folder of their name, and compare "
        "them with their checksums. Without a name, list what there is.",
    )
    download.add_argument("name", nargs="?", metavar="NAME", help="name in the list")
    download.add_argument("--to", default=".", metavar="FOLDER", help="where (default: here)")
    download.add_argument("--from", dest="url", metavar="URL", help="another place with the same files, a mirror")
    download.set_defaults(run="download")


def _add_inputs(parser: argparse.ArgumentParser) -> None:
    """Datasets, models, and the folder for what is made of them."""
    text = "dataset (FITS, OGIP, flux points) or list of datasets (.yaml)"
    parser.add_argument("dataset", metavar="DATASET", help=text)
    parser.add_argument(
        "models",
        metavar="MODELS",
        nargs="+",
        help="model files (.yaml) in Gammapy's layout, priors are optional; or names from 'bayesmap models list'",
    )
    parser.add_argument("-o", "--output", metavar="DIR", required=True, help="folder for the results")
    parser.add_argument("--name", help="name of the dataset, if that in the file does not fit the models")


def _add_sampling(
    parser: argparse.ArgumentParser, draws: int, tune: int | None, chains: int, results: bool = True
) -> None:
    parser.add_argument(
        "--draws", type=_positive, default=draws, metavar="N", help="draws per chain (default: %(default)s)"
    )
    shown = "by sampler" if tune is None else "%(default)s"
    parser.add_argument(
        "--tune", type=_positive, default=tune, metavar="N", help=f"tuning draws per chain (default: {shown})"
    )
    parser.add_argument("--chains", type=_positive, default=chains, metavar="N", help="chains (default: %(default)s)")
    parser.add_argument("--seed", type=_seed, default=1, metavar="N", help="random seed (default: %(default)s)")
    parser.add_argument("--sampler", choices=SAMPLERS, default="whitened", help="sampler (default: %(default)s)")
    if results:
        parser.add_argument("--overwrite", action="store_true", help="replace results that are in the folder")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def _positive(text: str) -> int:
    return _whole_number(text, 1)


def _seed(text: str) -> int:
    return _whole_number(text, 0)


def _whole_number(text: str, least: int) -> int:
    """The number in an argument, or an error that says what it must be."""
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least:
        raise argparse.ArgumentTypeError(f"must be a whole number from {least} on, got {text!r}")
    return number


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        Arguments; those of the process by default.

    Returns
    -------
    int
        0, or 2 after an error that the user can mend (one line on standard error), 130 after Ctrl-C.
    """
    options = build_parser().parse_args(arguments)
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            _run(options)
        except KeyboardInterrupt:
            sys.stderr.write("bayesmap: interrupted\n")
            return 130
        except USER_ERRORS as error:
            if options.traceback:
                traceback.print_exc()
            sys.stderr.write(f"bayesmap: error: {_one_line(error)}\n")
            return 2
    return 0


def _run(options: argparse.Namespace) -> None:
    from bayesmap.cli import commands, downloads, models, points, studies

    modules = {
        "models": models,
        "study": studies,
        "flux-points": points,
        "light-curve": points,
        "download": downloads,
    }
    getattr(modules.get(options.command, commands), options.run)(options)


def _one_line(error: BaseException) -> str:
    """The message of an error in one line (a KeyError would print it in quotes)."""
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    return " ".join(text.split()) or type(error).__name__


def _show_warning(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
    """Warnings as one line, without those that only developers need."""
    if not issubclass(category, DeprecationWarning | FutureWarning):
        sys.stderr.write(f"bayesmap: warning: {' '.join(str(message).split())}\n")
