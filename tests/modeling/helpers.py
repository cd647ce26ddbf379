"""Helpers of the tests of models: golden cases as models, finite differences, random points."""

import astropy.units as u
import numpy as np
import pytensor
import pytensor.tensor as pt

from bayesmap.modeling import SpectralModel, TemplateSpatialModel, get_model_class, model_classes

# What needs no data.
SPECTRAL = [cls for cls in model_classes("spectral") if cls.__init__ is SpectralModel.__init__]
SPATIAL = [cls for cls in model_classes("spatial") if hasattr(cls, "evaluate") and cls.parameter_names]
# Where a formula is drawn at random: typical ranges in internal units, by parameter name.
RANGES = {
    "index": (0.5, 3.5),
    "amplitude": (0.5, 5.0),
    "const": (0.5, 5.0),
    "reference": (0.5, 2.0),
    "lambda_": (0.02, 0.3),
    "alpha": (0.3, 2.5),
    "beta": (0.05, 0.8),
    "norm": (0.5, 2.0),
    "tilt": (-0.5, 0.5),
    "lon_0": (-0.2, 0.2),
    "lat_0": (-0.2, 0.2),
    "sigma": (0.2, 0.6),
    "r_0": (0.4, 0.8),
    "r_eff": (0.2, 0.6),
    "n": (0.6, 5.0),
    "q": (0.2, 0.9),
    "e": (0.1, 0.9),
    "phi": (-80.0, 80.0),
    "edge_width": (0.2, 0.6),
    "value": (0.5, 2.0),
    "eta": (0.1, 0.9),
    "radius": (0.2, 0.4),
    "width": (0.1, 0.4),
}


def case_model(name, values, kind):
    """The model of a golden case, with the parameters that were stored."""
    cls = get_model_class(name.split("/")[1].split("_")[0], kind)
    kwargs = {p["name"]: u.Quantity(p["value"], p["unit"]) for p in values["parameters"]}
    return cls(**kwargs, **({"frame": values["frame"]} if kind == "spatial" else {}))


def normed_by_pixels(template):
    """The template divided by the sum over its pixels, as Gammapy does, and not by the integral between them."""
    image = template.map.geom.to_image().solid_angle().to_value("sr")
    total = (template.map.data * image).sum(axis=(-2, -1), keepdims=True)
    return TemplateSpatialModel(template.map.copy(data=template.map.data / total), normalize=False)


def quantity(value):
    """A stored quantity."""
    if isinstance(value, dict):
        return value["value"] * u.Unit(value["unit"])
    return u.Quantity(value.data, value.unit or "")


def random_point(model, rng):
    """Numbers for all parameters of a model, in the order of its formula."""
    return [rng.uniform(*RANGES[name]) for name in model.parameter_names]


def gradients(function, point):
    """Analytic and central-difference gradients of the (weighted) sum of a symbolic function of scalars."""
    variables = [pt.dscalar() for _ in point]
    output = pt.as_tensor_variable(function(*variables))
    total = (output.flatten() * pt.cos(pt.arange(output.size))).sum()
    exact = pytensor.function(variables, pytensor.grad(total, variables), mode="FAST_COMPILE")(*point)
    value = pytensor.function(variables, total, mode="FAST_COMPILE")
    differences = []
    for idx in range(len(point)):
        step = 1e-5 * max(1.0, abs(point[idx]))
        up, down = list(point), list(point)
        up[idx] += step
        down[idx] -= step
        differences.append((value(*up) - value(*down)) / (2 * step))
    return np.array(exact), np.array(differences)
