"""One page per registered model: picture, docstring, default priors. Written before Sphinx reads the sources."""

import copy
import functools
import warnings
from pathlib import Path

import astropy.units as u
import matplotlib
import numpy as np
import yaml
from astropy.time import Time

from bayesmap.datasets import simulate_cta_like
from bayesmap.inference import default_priors
from bayesmap.irf import GTI
from bayesmap.maps import MapAxis, WcsGeom
from bayesmap.modeling import FoVBackgroundModel, SkyModel, model_classes
from bayesmap.modeling.models import ConstantTemporalModel, PointSpatialModel, PowerLawSpectralModel
from bayesmap.modeling.temporal import TemporalModel
from examples import example

matplotlib.use("agg")
import matplotlib.pyplot as plt  # noqa: E402

KINDS = {"spectral": "Spectral models", "spatial": "Spatial models", "temporal": "Temporal models"}
SIZE = (4.5, 3.0)
FIELD = "a field of 2 deg x 2 deg, from 1 TeV to 10 TeV"
#: Modified Julian Dates of the pictures of temporal models, and of the data that their priors are of
DAYS = (59000, 59010)
#: parameters that are never free: they have no default prior
FIXED = {"reference", "emin", "emax", "escale", "value"}


def write(path, text):
    """Write a page if it changed, so that Sphinx does not read it again otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def save(figure, path):
    """Write a small picture."""
    figure.savefig(path, dpi=90)
    plt.close(figure)


# -- pictures -------------------------------------------------------------------------------------------------------
def picture(model, path):
    """Draw a model."""
    figure, ax = plt.subplots(figsize=SIZE, layout="constrained")
    draw = {"spectral": _draw_spectrum, "spatial": _draw_shape, "temporal": _draw_time}[model.kind]
    draw(model, ax)
    save(figure, path)


def _draw_spectrum(model, ax):
    flat = model.is_norm_spectral_model or model.parameter_names == ("const",)
    model.plot(("0.1 TeV", "100 TeV"), ax, energy_power=0 if flat else 2)
    lines = ax.get_lines()[0].get_ydata()
    top = np.nanmax(lines)
    ax.set_ylim(max(np.nanmin(lines), 1e-5 * top) / 2, 2 * top)
    if model.is_norm_spectral_model:
        ax.set_ylabel("factor")


def _draw_shape(model, ax):
    geom = WcsGeom.create(skydir=(0, 0), width=_width(model), npix=120)
    if model.is_energy_dependent:
        raise ValueError("the gallery draws shapes that do not depend on energy")
    values = model.evaluate_geom(geom) if hasattr(model, "evaluate") else None
    if values is None:
        values = model.integrate_geom(geom).quantity
    values = np.broadcast_to(np.asarray(u.Quantity(values).value, dtype="float64"), geom.data_shape)
    half = float(geom.width[0, 0].to_value("deg")) / 2
    ax.imshow(values, origin="lower", vmin=0, extent=(half, -half, -half, half), cmap="viridis")
    ax.set_xlabel("longitude [deg]")
    ax.set_ylabel("latitude [deg]")


def _width(model):
    radius = getattr(model, "evaluation_radius", None)
    radius = 1.0 if radius is None else float(np.clip(radius.to_value("deg"), 0.05, 2))
    return 2.2 * min(radius, 1.5) * u.deg


def _draw_time(model, ax):
    model.plot(Time(DAYS, format="mjd", scale=model.scale), ax, n_points=500)
    ax.ticklabel_format(useOffset=False, axis="x")
    ax.locator_params(axis="x", nbins=5)


# -- pages ----------------------------------------------------------------------------------------------------------
@functools.cache
def field():
    """A small simulated dataset, from which default priors are made."""
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3, name="energy")
    geom = WcsGeom.create(skydir=(0, 0), npix=20, binsz=0.1, axes=[axis])
    axis_true = MapAxis.from_energy_bounds("0.6 TeV", "20 TeV", nbin=5, name="energy_true")
    source = SkyModel(PowerLawSpectralModel(amplitude="1e-11 cm-2 s-1 TeV-1"), PointSpatialModel(), name="m")
    return simulate_cta_like(
        [source], pointing=geom.center_skydir, geom=geom, energy_axis_true=axis_true, name="d", random_state=1
    )


def component(model):
    """A component of which the model is a part."""
    if model.kind == "spectral" and model.is_norm_spectral_model:
        return FoVBackgroundModel(spectral_model=model, dataset_name="d", name="m")
    parts = {"spectral": PowerLawSpectralModel(), "spatial": PointSpatialModel()}
    if isinstance(model, TemporalModel) and not isinstance(model, ConstantTemporalModel):
        # the rest of the component does not matter, and times need no field
        parts["spectral"].freeze()
    parts[model.kind] = model
    return SkyModel(*(parts.get(kind) for kind in KINDS), name="m")


def priors_of(model):
    """Default prior of each parameter by its name, as text, and the central 95 % of its draws."""
    model, dataset = copy.deepcopy(model), field().copy(name="d")
    frozen = [name for name in model.parameter_names if getattr(model, name).frozen]
    if model.kind == "temporal":
        dataset.gti = GTI.create(*(Time(day, format="mjd") for day in DAYS))
    stays = {"lon_0", "lat_0"} if getattr(model, "fixed_positions", False) else set()
    for name in set(frozen) - FIXED - stays:
        getattr(model, name).frozen = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset.models = [component(model)]
        found = default_priors(dataset)
    names, texts = dataset.models.parameter_names, {}
    for name in model.parameter_names:
        parameter = getattr(model, name)
        prior = found.get(names[parameter])
        text = _prior_text(parameter, prior)
        if name in frozen:
            text = f"frozen; when it is freed, {text}" if text else "frozen"
        texts[name] = text, "" if prior is None or name == "amplitude" else _interval_text(prior, parameter)
    return texts


def _prior_text(parameter, prior):
    if prior is None:
        return ""
    return "log-normal, a factor 4.5, around a fit to the counts" if parameter.name == "amplitude" else prior.summary


def _interval_text(prior, parameter):
    low, high = prior.interval(0.95, parameter.unit)
    return f"{number_text(low)} to {number_text(high)} {parameter.unit}".strip()


def number_text(value):
    """A number with four digits, dates and positions with six."""
    return f"{value:.6g}" if 10 <= abs(value) < 1e6 else f"{value:.4g}"


def page(cls, model, stem):
    """The page of one model, in reStructuredText."""
    lines = [cls.__name__, "=" * len(cls.__name__), "", f".. image:: /gallery/generated/{stem}.png", ""]
    short = [tag for tag in cls.tag if tag != cls.__name__]
    if short:
        lines += [
            "In files and `SkyModel.create`: ".replace("`", "``") + ", ".join(f"``{t}``" for t in short) + ".",
            "",
        ]
    lines += [f".. autoclass:: {cls.__module__}.{cls.__name__}", "   :no-index:", "   :no-members:", ""]
    priors = priors_of(model)
    if model.parameters:
        lines += ["Default priors", "--------------", ""]
        data = f"data from MJD {DAYS[0]} to {DAYS[1]}" if model.kind == "temporal" else FIELD
        lines += [f"Of {data}; the present values are those of the picture.", ""]
        lines += [".. list-table::", "   :header-rows: 1", "", "   * - parameter", "     - value", "     - bounds"]
        lines += ["     - prior", "     - central 95 %"]
        many = [name for name in model.parameter_names if name.startswith("norm_")]
        left_out = many[2:-1] if len(many) > 12 else []
        for name, parameter in zip(model.parameter_names, model.parameters, strict=True):
            if name in left_out:
                lines += ["   * - ...", *["     -"] * 4] if name == left_out[0] else []
                continue
            low, high = ("" if np.isnan(bound) else f"{bound:g}" for bound in (parameter.min, parameter.max))
            bounds = f"{low or '-'} to {high or '-'}" if low or high else ""
            value = f"{number_text(parameter.value)} {parameter.unit}".strip()
            lines += [f"   * - ``{name}``", f"     - {value}", f"     - {bounds}".rstrip()]
            lines += [f"     - {text}".rstrip() for text in priors[name]]
        lines += [""]
    if not model.file_keys and not model.file_parts or model.file_keys in (("frame",), ("scale",)):
        data = {"spectral": "spectral", "spatial": "spatial", "temporal": "temporal"}[model.kind]
        text = yaml.safe_dump({data: model.to_dict()[data]}, sort_keys=False, indent=4)
        lines += ["In a file", "---------", "", ".. code-block:: yaml", ""]
        lines += [f"   {line}".rstrip() for line in text.splitlines()] + [""]
    return "\n".join(lines)


def build(app):
    """Write all pages and pictures."""
    folder = Path(app.srcdir) / "gallery" / "generated"
    folder.mkdir(parents=True, exist_ok=True)
    names = set()
    for kind in KINDS:
        for cls in model_classes(kind):
            # a flux density has no energies, and default priors of images only: the guide to coadds shows it
            if not cls.__module__.startswith("bayesmap.") or cls.__name__ == "FluxDensitySpectralModel":
                continue
            stem = f"{kind}-{cls.__name__}"
            names |= {f"{stem}.rst", f"{stem}.png"}
            model = example(cls)
            picture(model, folder / f"{stem}.png")
            write(folder / f"{stem}.rst", page(cls, model, stem))
    for old in set(path.name for path in folder.iterdir()) - names:
        (folder / old).unlink()


def setup(app):
    """Register with Sphinx."""
    app.connect("builder-inited", build)
    return {"parallel_read_safe": True}
