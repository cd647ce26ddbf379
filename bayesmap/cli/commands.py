"""What the commands do; imported when one runs."""

import sys
import time
import warnings
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayesmap._files import link
from bayesmap._together import finish, together
from bayesmap._util import make_path, suggest
from bayesmap._zoo_entries import zoo_names
from bayesmap.errors import FormatError, ModelFileError

if TYPE_CHECKING:
    from bayesmap._types import Tree
    from bayesmap.datasets import Datasets
    from bayesmap.modeling import Models

__all__ = ["datasets_with_models", "demo", "fit", "info", "report"]

POSTERIOR = "posterior.nc"
#: the new posterior, while the old one is still there
WAITING = "posterior-new.nc"


def say(text: str = "") -> None:
    """Write a line to standard output."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def demo(options: Namespace) -> None:
    """Simulate a field, sample it, report."""
    folder = _new_folder(options, default="bayesmap-demo")
    from bayesmap.datasets.demo import demo_dataset

    started = time.perf_counter()
    dataset: Any = demo_dataset(options.seed)
    true_models = dataset.models.copy()
    say(f"Simulated {dataset.counts.data.sum():.0f} counts in {' x '.join(map(str, dataset.data_shape))} bins.")
    dataset.models = _guesses(true_models)
    say("Start: positions rounded to 0.1 deg, all else at plain values; default priors.")
    _sample_and_report(options, dataset, folder, "bayesmap demo: a simulated field", true_models)
    say(f"\nDone in {time.perf_counter() - started:.0f} s.")


def _guesses(true_models: "Models") -> "Models":
    """Copy of the true models as somebody would start who has only seen the map."""
    models = true_models.copy()
    for model in models:
        for parameter in model.parameters.free_parameters:
            if parameter.name in ("lon_0", "lat_0"):
                parameter.value = round(parameter.value, 1)
            elif parameter.name == "index":
                parameter.value = 2.0
            elif parameter.name == "amplitude":
                parameter.value = 1e-12
            elif parameter.name == "sigma":
                parameter.value = 0.1
            elif parameter.name == "norm":
                parameter.value = 1.0
    return models


def fit(options: Namespace) -> None:
    """Sample the models of files, or of the zoo, for the dataset of a file."""
    datasets = datasets_with_models(options)
    folder = _new_folder(options, default="")
    _sample_and_report(options, datasets, folder, f"{Path(options.dataset).name}: {', '.join(datasets.models.names)}")


def datasets_with_models(options: Namespace) -> "Datasets":
    """Datasets of a file with the models of files, or of the zoo.

    Raises
    ------
    FileNotFoundError
        If a file is not there.
    ValueError
        If a model is for another dataset.
    """
    existing_file(options.dataset)
    sources = [model_source(text) for text in options.models]
    from bayesmap.datasets import open_datasets
    from bayesmap.modeling import Models

    datasets = open_datasets(options.dataset, name=options.name)
    models = Models(
        model
        for source in sources
        for model in (Models.read(source) if isinstance(source, Path) else Models.from_zoo(source, datasets.names))
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # what is left out is an error below
        datasets.models = models
    left_out = [model for model in models if model.name not in datasets.models.names]
    if left_out:
        names = sorted({name for model in left_out for name in model.datasets_names or ()})
        raise ValueError(
            f"model(s) {[model.name for model in left_out]} are for dataset(s) {names}, but there is "
            f"{', '.join(map(repr, datasets.names))}; name a dataset with --name, or change the model file"
        )
    return datasets


def existing_file(text: str) -> Path:
    """Path of a file that is there.

    Raises
    ------
    FileNotFoundError
        If it is not.
    """
    path = make_path(text)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    return path


def model_source(text: str) -> Path | str:
    """Path of a model file, or the name of one of the zoo, as which an argument is understood if there is no such file.

    Raises
    ------
    FileNotFoundError
        If it is neither; the message names the nearest.
    """
    path = make_path(text)
    if path.is_file():
        return path
    names = zoo_names()
    if text not in names:
        raise FileNotFoundError(
            f"no model file {path}, and no model of that name in the zoo{suggest(path.stem, names).partition(';')[0]}; "
            "see: bayesmap models list"
        )
    return text


def _new_folder(options: Namespace, default: str) -> Path:
    """The folder for results, created; results in it are kept unless the user says otherwise."""
    if options.output is None:
        numbers = (default if i == 1 else f"{default}-{i}" for i in range(1, 10_000))
        folder = next(path for path in map(Path, numbers) if not path.exists())
    else:
        folder = make_path(options.output)
    if folder.is_dir():
        finish(folder)
    if (folder / POSTERIOR).exists() and not options.overwrite:
        raise FileExistsError(f"{folder / POSTERIOR} exists: give another folder with -o, or --overwrite")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _sample_and_report(
    options: Namespace, dataset: Any, folder: Path, title: str, true_models: "Models | None" = None
) -> None:
    """Sample, print the summary, write posterior, figures and report."""
    from bayesmap.inference import convergence_report, sample
    from bayesmap.io import save

    say(f"Sampling {len(dataset.models.parameters.free_unique)} parameters: {options.chains} chains ...")
    tree = sample(
        dataset,
        draws=options.draws,
        tune=options.tune,
        chains=options.chains,
        random_state=options.seed,
        sampler=options.sampler,
        progress_bar=not options.quiet,
    )
    # The draws are safe before anything else is done; old results go when posterior and report are there.
    first = folder / (WAITING if (folder / POSTERIOR).exists() else POSTERIOR)
    save(tree, first)
    try:
        import matplotlib

        matplotlib.use("agg")
        from bayesmap.report import summary_rows, summary_text, write_report
        from bayesmap.report.analysis import true_values

        say("\n" + summary_text(summary_rows(tree, true_values(true_models))))
        say(f"\n{convergence_report(tree)}\n")
        with together(folder) as stage:
            report = write_report(tree, dataset, stage, title=title, true_models=true_models)
            figures = len(list(stage.glob("*.png")))
            if first.name == WAITING:
                link(first, stage / POSTERIOR)
        if first.name == WAITING:
            first.unlink()
    except BaseException:
        say(f"\nThere is no report, but the posterior is safe in {first if first.exists() else folder / POSTERIOR}.")
        raise
    say(f"Wrote {folder / POSTERIOR}, {figures} figures and")
    say(f"      {folder / report.name}")


def report(options: Namespace) -> None:
    """Make the report of a stored posterior again."""
    path, data = existing_file(options.result), existing_file(options.dataset)
    folder = path.parent if options.output is None else make_path(options.output)
    tree = _posterior(path)
    import matplotlib

    matplotlib.use("agg")
    from bayesmap.datasets.of_result import datasets_of_result
    from bayesmap.report import write_report

    datasets = datasets_of_result(tree, data)
    folder.mkdir(parents=True, exist_ok=True)
    written = write_report(tree, datasets, folder, title=f"{data.name}: {', '.join(datasets.models.names)}")
    say(f"Wrote {written}")


def info(options: Namespace) -> None:
    """Describe a file."""
    path = existing_file(options.file)
    if path.suffix == ".nc":
        _posterior_info(path)
    else:
        say(_yaml_text(path) if path.suffix in (".yaml", ".yml") else _data_text(path))


def _posterior_info(path: Path) -> None:
    """Print summary, convergence and origin of a posterior."""
    from bayesmap.inference import convergence_report
    from bayesmap.report import summary_rows, summary_text

    tree = _posterior(path)
    say(summary_text(summary_rows(tree)))
    say(f"\n{convergence_report(tree)}\n")
    for key in ("created_at", "datasets", "sampler", "random_state", "modes", "default_priors", "versions"):
        if key in tree.attrs:
            say(f"{key:<15}: {tree.attrs[key]}")


def _posterior(path: Path) -> "Tree":
    """The posterior in a file, with a warning if it lacks the mark of a complete one."""
    from bayesmap.io import load

    try:
        tree = load(path)
    except FormatError:
        tree = load(path, check=False)  # raises unless it lacks no more than the mark
        warnings.warn(f"{path} has no mark of a complete result: bayesmap.save did not write it", stacklevel=3)
    if "posterior" not in tree.children:
        raise FormatError(f"{path} holds no group 'posterior'; its groups are {sorted(tree.children)}")
    return tree


def _yaml_text(path: Path) -> str:
    """Summary of a list of datasets, or of models."""
    from bayesmap.modeling import Models

    try:
        return str(Models.read(path))
    except ModelFileError as error:
        from bayesmap.datasets import Datasets

        try:
            return str(Datasets.read(path))
        except FormatError:
            raise error from None


def _data_text(path: Path) -> str:
    """Summary of the dataset in a file, or of the map if that is all there is."""
    from bayesmap.datasets import open_datasets
    from bayesmap.maps import Map

    try:
        return str(open_datasets(path)[0])
    except FormatError as error:
        try:
            return str(Map.read(path))
        except (ValueError, KeyError, OSError):
            raise error from None
