"""What ``bayesmap models`` does: list and show the zoo, check a model file."""

import textwrap
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bayesmap._zoo_entries import zoo_entry, zoo_names
from bayesmap.cli.commands import model_source, say
from bayesmap.errors import ModelFileError

if TYPE_CHECKING:
    from bayesmap.modeling import Models

__all__ = ["check_models", "list_models", "show_model"]

DRAWS = 200


def list_models(options: Namespace) -> None:
    """List the models that come with the package."""
    entries = [zoo_entry(name) for name in zoo_names()]
    found = [e for e in entries if options.text.lower() in f"{e.name} {e.title}".lower()]
    if not found:
        raise ValueError(f"no model of the zoo has {options.text!r} in its name or title; see: bayesmap models list")
    width = max(len(entry.name) for entry in found)
    for entry in found:
        say(f"{entry.name:<{width}}  {entry.title}{'  (needs data files)' if entry.needs else ''}")


def show_model(options: Namespace) -> None:
    """Describe a model of the zoo, or print its file."""
    entry = zoo_entry(options.name)
    if options.yaml:
        say(entry.path.read_text(encoding="utf-8").rstrip())
        return
    say(f"{entry.title}\n")
    rows = {"Model": entry.description, "Source": entry.reference, "To adapt": entry.adapt, "File": str(entry.path)}
    if entry.needs:
        rows["Needs"] = ", ".join(f"{n} (missing)" if n in entry.missing else n for n in entry.needs)
    for key, text in rows.items():
        say(textwrap.fill(f"{key + ':':<10}{text}", 100, subsequent_indent=" " * 10, break_long_words=False))
    if not entry.missing:
        _say_priors(_read(entry.path))


def check_models(options: Namespace) -> None:
    """Read a model file, and draw from its priors.

    Raises
    ------
    ModelFileError
        If the file is not a model file, or a prior gives no finite density.
    """
    source = model_source(options.file)
    path = source if isinstance(source, Path) else zoo_entry(source).path
    models = _read(path)
    _say_priors(models)
    _check_draws(models, path)
    notes = _notes(models)
    say()
    for note in notes:
        say(f"note: {note}")
    say(f"{path}: {len(models)} model(s) read, {DRAWS} draws from the priors are finite")


def _read(path: Path) -> "Models":
    from bayesmap.modeling import Models

    return Models.read(path)


def _say_priors(models: "Models") -> None:
    """Print the components and their priors."""
    from bayesmap.modeling.priors.table import prior_rows

    say()
    for model in models:
        say(repr(model))
    rows = prior_rows(models.parameter_names)
    if not rows:
        return
    say("\nPriors, and their central 95 %:")
    table: list[tuple[str, ...]] = [("name", "unit", "prior", "low", "high")]
    table += [(name, unit, prior, f"{low:.4g}", f"{high:.4g}") for name, prior, unit, *_, low, high in rows]
    sizes = [max(map(len, column)) for column in zip(*table, strict=True)]
    table.insert(1, tuple("-" * size for size in sizes))
    for row in table:
        say(" ".join(f"{cell:{side}{size}}" for cell, side, size in zip(row, "<<<>>", sizes, strict=True)).rstrip())


def _check_draws(models: "Models", path: Path) -> None:
    """Raise unless draws from the priors are finite, and so is their density."""
    import pymc as pm

    from bayesmap.modeling.priors.variables import prior_variables

    proper = {
        p: name
        for p, name in models.parameter_names.items()
        if p.prior is not None and not p.frozen and p.prior.distribution.scipy is not None
    }
    if not proper:
        return
    try:
        with pm.Model() as model:
            prior_variables(proper)
        variables = model.free_RVs + model.deterministics
        draws = pm.draw(variables, draws=DRAWS, random_seed=1, mode="FAST_COMPILE")
        finite = np.isfinite(model.compile_logp(mode="FAST_COMPILE")(model.initial_point()))
    except ValueError as error:
        raise ModelFileError(f"{path}: {error}") from None
    bad = [v.name for v, drawn in zip(variables, draws, strict=True) if not np.isfinite(drawn).all()]
    if bad or not finite:
        raise ModelFileError(f"{path}: priors without a finite density or with draws that are not finite: {bad}")


def _notes(models: "Models") -> list[str]:
    """What is allowed but worth a look."""
    notes = []
    for parameter, name in models.parameter_names.items():
        if parameter.frozen:
            continue
        if parameter.prior is None:
            notes.append(f"{name} has no prior: a default is made from the data")
        elif parameter.prior.distribution.scipy is None:
            notes.append(f"{name} has an improper prior")
        else:
            low, high = parameter.prior.interval(0.999, parameter.unit)
            if not low <= parameter.value <= high:
                notes.append(
                    f"{name} = {parameter.quantity} is outside of 99.9 % of its prior, {low:.4g} to {high:.4g}"
                )
    return notes
