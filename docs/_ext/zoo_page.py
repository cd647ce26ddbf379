"""The entries of the zoo page: each file with its source, its priors and what they predict."""

from pathlib import Path

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import pymc as pm
import xarray as xr
from model_gallery import save, write

from bayesmap.modeling import Models
from bayesmap.modeling.prior_variables import prior_variables
from bayesmap.modeling.zoo import zoo_entry, zoo_names
from bayesmap.plot.spectrum import plot_spectrum_posterior

DRAWS = 400


def prior_tree(models):
    """Draws from the priors in the form of a posterior."""
    with pm.Model() as model:
        prior_variables(models.parameter_names)
    variables = model.free_RVs + model.deterministics
    drawn = pm.draw(variables, draws=DRAWS, random_seed=1, mode="FAST_COMPILE")
    units = {name: parameter.unit for parameter, name in models.parameter_names.items()}
    data = {
        v.name: (("chain", "draw"), values[None], {"units": str(units.get(v.name, ""))})
        for v, values in zip(variables, drawn, strict=True)
    }
    coords = {"chain": [0], "draw": np.arange(DRAWS)}
    return xr.DataTree.from_dict({"posterior": xr.Dataset(data, coords=coords)})


def energies(models):
    """A range around the reference energies of the spectra."""
    found = [
        p.quantity
        for p in models.parameters
        if p.name in ("reference", "mean") and p.unit.is_equivalent("TeV") and p.value > 0
    ]
    centre = found[-1] if found else 1 * u.TeV
    return u.Quantity([0.1 * centre, 100 * centre])


def picture(models, path):
    """Draw the bands that the priors predict: spectra, or the factors to a background."""
    tree, bounds = prior_tree(models), energies(models)
    figure, ax = plt.subplots(figsize=(5.5, 3.4), layout="constrained")
    sources = [model for model in models if not model.spectral_model.is_norm_spectral_model]
    for model in sources or models:
        plot_spectrum_posterior(tree, model, bounds, ax, energy_power=2 if sources else 0, num_draws=DRAWS)
    if not sources:
        ax.set_ylabel("factor")
    top = ax.dataLim.y1
    ax.set_ylim(max(ax.dataLim.y0, 1e-6 * top) / 1.2, 1.2 * top)
    ax.legend(frameon=False, fontsize="small")
    save(figure, path)


def table(models):
    """The priors as a table in Markdown."""
    rows = ["| parameter | unit | prior | central 95 % |", "| --- | --- | --- | --- |"]
    for row in models.prior_table():
        span = "" if np.isnan(row["low"]) else f"{row['low']:.4g} to {row['high']:.4g}"
        rows.append(f"| `{row['name']}` | {row['unit']} | {row['prior']} | {span} |")
    return "\n".join(rows)


def text_of(text):
    """Plain text for Markdown: formulas in the files are plain too."""
    return text.replace("*", r"\*").replace("_", r"\_").replace("<", r"\<").replace("[", r"\[")


def entry_text(name, folder):
    """The part of one file; its picture is drawn unless data files are missing."""
    entry = zoo_entry(name)
    parts = [
        f"## {name}",
        f"**{text_of(entry.title)}.** {text_of(entry.description)}",
        f"*Source.* {text_of(entry.reference)}",
    ]
    parts.append(f"*To adapt.* {text_of(entry.adapt)}")
    if entry.needs:
        parts.append(f"*Needs* {', '.join(f'`{need}`' for need in entry.needs)}")
    if not entry.missing:
        models = Models.read(entry.path)
        picture(models, folder / f"{name}.png")
        parts += [f"![what the priors of {name} predict](/zoo/generated/{name}.png)", table(models)]
    else:
        parts.append("The picture and the table of priors need these files too, and are left out here.")
    return "\n\n".join(parts)


def build(app):
    """Write the entries and pictures."""
    folder = Path(app.srcdir) / "zoo" / "generated"
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "entries.txt", "\n\n".join(entry_text(name, folder) for name in zoo_names()) + "\n")


def setup(app):
    """Register with Sphinx."""
    app.connect("builder-inited", build)
    return {"parallel_read_safe": True}
