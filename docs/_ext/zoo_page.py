"""The entries of the zoo page: each file with its source, its priors and what they predict."""

import contextlib
import os
import tempfile
from pathlib import Path

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import pymc as pm
import xarray as xr
from model_gallery import number_text, save, write

from bayesmap.modeling import Models
from bayesmap.modeling.files.zoo import zoo_entry, zoo_names
from bayesmap.modeling.priors.variables import prior_variables
from bayesmap.plot.spectrum import plot_spectrum_posterior

DRAWS = 400
#: energies of the pictures, where they are not 0.1 to 100 times the reference
ENERGIES = {
    "crab": ("0.05 TeV", "30 TeV"),
    "crab-cutoff": ("0.4 TeV", "40 TeV"),
    "crab-energy-scale": ("0.05 TeV", "30 TeV"),
    "dark-matter-annihilation": ("0.03 TeV", "3 TeV"),
    "dark-matter-line": ("0.5 TeV", "2 TeV"),
    "fermi-diffuse": ("0.1 GeV", "800 GeV"),
    "fermi-isotropic": ("0.1 GeV", "800 GeV"),
    "geminga-halo": ("5 TeV", "60 TeV"),
    "mrk-421": ("0.1 TeV", "5 TeV"),
    "mrk-501": ("0.1 TeV", "20 TeV"),
    "pks-2155-304": ("0.1 TeV", "5 TeV"),
    "pks-2155-304-ebl": ("0.1 TeV", "5 TeV"),
}
#: files whose spectra are so narrow that bands at each energy say nothing: some draws are shown as lines
LINES = {"dark-matter-line": 12}


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


def energies(models, name):
    """The range that the file is for, or one around the reference energies of the spectra."""
    if name in ENERGIES:
        return u.Quantity([u.Quantity(energy) for energy in ENERGIES[name]])
    found = [
        p.quantity
        for p in models.parameters
        if p.name in ("reference", "mean") and p.unit.is_equivalent("TeV") and p.value > 0
    ]
    centre = found[-1] if found else 1 * u.TeV
    return u.Quantity([0.1 * centre, 100 * centre])


def picture(models, path, name):
    """Draw what the priors predict: spectra, and the factors to a background or a template."""
    tree, bounds = prior_tree(models), energies(models, name)
    factors = [model.spectral_model.is_norm_spectral_model for model in models]
    kinds = sorted(set(factors))
    figure, axes = plt.subplots(1, len(kinds), figsize=(5.5 * len(kinds), 3.4), layout="constrained", squeeze=False)
    for ax, factor in zip(axes[0], kinds, strict=True):
        for model, is_factor in zip(models, factors, strict=True):
            if is_factor == factor:
                _draw(tree, model, bounds, ax, 0 if factor else 2, LINES.get(name))
        if factor:
            ax.set_ylabel("factor")
        top = ax.dataLim.y1
        ax.set_ylim(max(ax.dataLim.y0, 1e-6 * top) / 1.2, 1.2 * top)
        ax.legend(frameon=False, fontsize="small")
    save(figure, path)


def _draw(tree, model, bounds, ax, power, lines):
    """Bands of one spectrum, or some draws of it."""
    if lines is None:
        plot_spectrum_posterior(tree, model, bounds, ax, energy_power=power, num_draws=DRAWS)
        return
    for draw in range(lines):
        one = tree.isel(draw=[draw])
        label = {"label": f"{model.name}, {lines} draws"} if draw == 0 else {"label": None}
        plot_spectrum_posterior(one, model, bounds, ax, energy_power=power, num_draws=1, n_points=1000, **label)


def table(models):
    """The priors as a table in Markdown."""
    rows = ["| parameter | unit | prior | central 95 % |", "| --- | --- | --- | --- |"]
    for row in models.prior_table():
        span = "" if np.isnan(row["low"]) else f"{number_text(row['low'])} to {number_text(row['high'])}"
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
        picture(models, folder / f"{name}.png", name)
        parts += [f"![what the priors of {name} predict](/zoo/generated/{name}.png)", table(models)]
    else:
        parts.append("The picture and the table of priors need these files too, and are left out here.")
    return "\n\n".join(parts)


#: files of Gammapy's data that models need, and the same or smaller ones in the reference data
STAND_INS = {
    "ebl/ebl_dominguez11.fits.gz": "models/ebl_dominguez11.fits.gz",
    "fermi_3fhl/gll_iem_v06_cutout.fits": "fermi-3fhl-crab/Fermi-LAT-3FHL_iem.fits",
}


@contextlib.contextmanager
def gammapy_data():
    """A folder like that of Gammapy's data, where there is none but the reference data are at hand."""
    shared = Path(os.environ.get("BAYESMAP_SHARED", Path(__file__).resolve().parents[3] / "shared")) / "data"
    if "GAMMAPY_DATA" in os.environ or not all((shared / name).exists() for name in STAND_INS.values()):
        yield
        return
    with tempfile.TemporaryDirectory() as folder:
        for name, stand_in in STAND_INS.items():
            link = Path(folder) / name
            link.parent.mkdir(parents=True)
            link.symlink_to(shared / stand_in)
        os.environ["GAMMAPY_DATA"] = folder
        try:
            yield
        finally:
            del os.environ["GAMMAPY_DATA"]


def build(app):
    """Write the entries and pictures."""
    folder = Path(app.srcdir) / "zoo" / "generated"
    folder.mkdir(parents=True, exist_ok=True)
    with gammapy_data():
        text = "\n\n".join(entry_text(name, folder) for name in zoo_names()) + "\n"
    write(folder / "entries.txt", text)


def setup(app):
    """Register with Sphinx."""
    app.connect("builder-inited", build)
    return {"parallel_read_safe": True}
