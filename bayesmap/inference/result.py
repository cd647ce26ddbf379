"""What an inference returns: a DataTree of draws, or a mode with errors."""

import datetime
import importlib.metadata
import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from bayesmap import __version__
from bayesmap._html import html_table, html_text
from bayesmap.inference.conflict import describe_prior
from bayesmap.inference.density import LogDensity
from bayesmap.inference.mode import Laplace
from bayesmap.inference.safety import attempt, tell
from bayesmap.inference.samplers import Run
from bayesmap.modeling.collection import all_parameter_names
from bayesmap.modeling.priors.pymc_variables import offset_names

__all__ = [
    "OFFSETS",
    "Description",
    "ModeResult",
    "build_tree",
    "by_draw",
    "default_prior_names",
    "describe",
    "draw_dims",
    "used_versions",
]

#: group of the standard variables behind hierarchical and joint priors, which have no meaning of their own
OFFSETS = "offsets"
VERSIONED = ("pymc", "pytensor", "nutpie", "arviz", "numpy", "astropy")


@dataclass(frozen=True, eq=False)
class ModeResult:
    """A posterior mode, in the declared units of the parameters.

    Attributes
    ----------
    values, errors : dict of float
        By variable name, ``"<model>.<parameter>"``; the errors are standard deviations of the Gaussian with the
        curvature of the mode.
    covariance : numpy.ndarray
        Of the parameters, in the order of ``values``.
    log_density : float
        Log-posterior at the mode (natural logarithm).
    evaluations : int
        Gradient evaluations of the search that found it.
    rivals : list of dict
        Values at other modes of comparable mass.
    units : dict of str
        Declared units, by variable name.
    walls : dict of str to float
        Parameters whose mode lies on an edge of their support, against which the data press them, and that edge. Their
        errors are the distance at which the profile of the log-density is lower by one half.
    flat : list of str
        Parameters on which the log-density does not depend at the mode (a position where the amplitude is zero).
        Their errors reach to the further end of the support.
    blocked : bool
        The mode lies on the border beyond which a prediction of counts would be negative; errors are rough there.
    """

    values: dict[str, float]
    errors: dict[str, float]
    covariance: np.ndarray
    log_density: float
    evaluations: int
    rivals: list[dict[str, float]]
    units: dict[str, str]
    walls: dict[str, float] = field(default_factory=dict)
    flat: list[str] = field(default_factory=list)
    blocked: bool = False

    @classmethod
    def from_laplace(
        cls, best: Laplace, rivals: list[Laplace], density: LogDensity, parameters: dict[str, Any]
    ) -> "ModeResult":
        """Carry a mode and its covariance from unconstrained variables to parameters."""
        shown = [
            *(n for n in parameters if n in density.reported),
            *(n for n in density.reported if n not in parameters),
        ]
        point = _scalars(density.expand(best.mode), shown)
        names = list(point)
        jacobian = np.empty((len(names), density.size))
        for i in range(density.size):
            step = np.zeros(density.size)
            step[i] = 1e-4 * best.factor[i, i]
            high, low = (_scalars(density.expand(best.mode + s), shown) for s in (step, -step))
            jacobian[:, i] = [(high[name] - low[name]) / (2 * step[i]) for name in names]
        held = [*best.walls, *best.flat]
        jacobian[:, held] = 0.0
        covariance = jacobian @ best.covariance @ jacobian.T
        of = density.labels
        for i, value in best.fallen.items():
            inside = best.mode.copy()
            inside[i] = value
            k = names.index(of[i])
            covariance[k, k] = (_scalars(density.expand(inside), shown)[of[i]] - point[of[i]]) ** 2
        for i in best.flat:
            k = names.index(of[i])
            covariance[k, k] = density.edges.longest(i, point[of[i]]) ** 2
        errors = dict(zip(names, np.sqrt(np.diag(covariance)).tolist(), strict=True))
        others = [_scalars(density.expand(rival.mode), shown) for rival in rivals]
        owners = {name: parameters.get(name) or parameters.get(name.rpartition("[")[0]) for name in names}
        units = {name: "" if owner is None else str(owner.unit) for name, owner in owners.items()}
        walls = {of[i]: density.edges.edge(i, rising) for i, rising in best.walls.items()}
        return cls(
            point,
            errors,
            covariance,
            best.log_density,
            best.evaluations,
            others,
            units,
            walls,
            [of[i] for i in best.flat],
            best.blocked,
        )

    @property
    def remarks(self) -> list[str]:
        """What is special about the mode, a sentence each; empty for a maximum inside of all supports."""
        remarks = []
        for name, edge in self.walls.items():
            remarks.append(
                f"The mode lies on a wall: {name} is at the edge {f'{edge:.5g} {self.units[name]}'.strip()} of its "
                "prior or its bounds, and the density still rises towards it. Its error is one-sided."
            )
        if self.flat:
            remarks.append(
                f"The density does not depend on {', '.join(self.flat)} at the mode: any value within the prior is as "
                "good."
            )
        if self.blocked:
            remarks.append(
                "The mode lies on a wall: beyond it a prediction of counts would be negative. Errors are rough; a "
                "prior that does not reach below zero has its wall where it ends."
            )
        return remarks

    def _repr_html_(self) -> str:
        rows = [
            (name, f"{value:.5g} ± {self.errors[name]:.3g}", self.units[name]) for name, value in self.values.items()
        ]
        return html_table(("parameter", "mode", "unit"), rows, "Mode") + html_text("\n".join(self.remarks))

    def __str__(self) -> str:
        width = max(len(name) for name in self.values)
        lines = [
            f"{name:<{width}}  {value:12.5g} +- {self.errors[name]:<10.3g} {self.units[name]}"
            for name, value in self.values.items()
        ]
        return "\n".join([*lines, *self.remarks])


def _scalars(point: dict[str, np.ndarray], names: list[str]) -> dict[str, float]:
    """Variables as numbers; the elements of an array are called ``name[index]``."""
    scalars: dict[str, float] = {}
    for name in names:
        value = np.asarray(point[name], dtype="float64")
        if value.ndim == 0:
            scalars[name] = float(value)
        else:
            scalars |= {f"{name}[{i}]": float(v) for i, v in enumerate(value.ravel())}
    return scalars


@dataclass(frozen=True, eq=False)
class Description:
    """What a result says besides the draws.

    Attributes
    ----------
    variables : dict of dict
        Attributes of each variable: unit, prior, other names of a linked parameter.
    observed : xarray.Dataset
        The data in short.
    attributes : dict
        Models, priors, versions, ... for the root of the tree.
    names : list of str
        The variables of the density.
    """

    variables: dict[str, dict[str, Any]]
    observed: xr.Dataset
    attributes: dict[str, Any]
    names: list[str]


def describe(fit: Any) -> Description:
    """Describe an analysis, before it is sampled; what fails is left out with a warning.

    Parameters
    ----------
    fit : CompiledFit
        What is to be sampled.
    """
    names = [variable.name for variable in fit.model.free_RVs + fit.model.deterministics]
    owners = attempt("the names of linked parameters", all_parameter_names, fit.models, default={})
    return Description(
        {name: attempt(f"unit and prior of {name!r}", _describe, fit, name, owners, default={}) for name in names},
        attempt("the data in short", _observed_summary, fit, default=xr.Dataset()),
        attempt("the origin of the draws", _provenance, fit, default={}),
        names,
    )


def build_tree(description: Description, run: Run, info: dict[str, Any]) -> xr.DataTree:
    """Put draws, statistics and the description of the analysis into one DataTree.

    Parameters
    ----------
    description : Description
        What was sampled.
    run : Run
        The draws.
    info : dict
        Entries for the root attributes.

    Returns
    -------
    xarray.DataTree
        With the groups ``posterior``, ``sample_stats`` and ``observed_data``, and where there are hierarchical or joint
        priors ``offsets``, their standard variables. Where no parameters could be made of the
        draws, ``unconstrained_posterior`` stands for the first.
    """
    tree = xr.DataTree.from_dict(_draws(description, run))
    groups = {
        "sample_stats": attempt("the statistics of the sampler", by_draw, run.stats, default=None),
        "observed_data": description.observed,
    }
    for name, group in groups.items():
        if group is not None:
            attempt(f"the group {name!r}", tree.__setitem__, name, xr.DataTree(group))
    tree.attrs.update(description.attributes, interrupted=int(run.interrupted), **info)
    return tree


def _draws(description: Description, run: Run) -> dict[str, xr.Dataset]:
    """The group of the draws."""
    if run.unconstrained is not None:
        variables = {"theta": run.unconstrained}
        return {"unconstrained_posterior": by_draw(variables, {"theta": {"variables": list(description.names)}})}
    offsets = offset_names(run.posterior)
    variables = {name: values for name, values in run.posterior.items() if name not in offsets}
    groups = {"posterior": by_draw(variables, description.variables)}
    if offsets:
        groups[OFFSETS] = by_draw({name: run.posterior[name] for name in sorted(offsets)})
    return groups


def by_draw(variables: dict[str, np.ndarray], attributes: dict[str, dict[str, Any]] | None = None) -> xr.Dataset:
    """A group of variables with the dimensions ``chain`` and ``draw``."""
    described = attributes or {}
    n_chain, n_draw = next(iter(variables.values())).shape[:2]
    return xr.Dataset(
        {name: (draw_dims(name, values), values, described.get(name, {})) for name, values in variables.items()},
        coords={"chain": np.arange(n_chain), "draw": np.arange(n_draw)},
        attrs={"sample_dims": ["chain", "draw"]},
    )


def draw_dims(name: str, values: np.ndarray) -> tuple[str, ...]:
    """Dimensions of draws, shape ``(n_chain, n_draw, ...)``: those of arrays are called after the variable."""
    return ("chain", "draw", *(f"{name}_dim_{i}" for i in range(values.ndim - 2)))


def default_prior_names(fit: Any) -> list[str]:
    """Free parameters whose priors were made from the data."""
    free = {name: p for name, p in fit.parameters.items() if not p.frozen}
    return [name for name, p in free.items() if p.prior is not None and p.prior.is_default]


def _describe(fit: Any, name: str, owners: dict[Any, list[str]]) -> dict[str, Any]:
    """Attributes of a variable; ``owners`` are all names of each parameter."""
    parameter = fit.parameters.get(name)
    if name in fit.hyperparameters:
        hyper = fit.hyperparameters[name]
        return {"units": str(hyper.unit), "prior": str(hyper.prior)}
    if parameter is None:
        return {"units": ""}
    linked = owners.get(parameter, [])[1:]
    attributes = {"units": str(parameter.unit), "prior": str(parameter.prior), **describe_prior(parameter)}
    return {**attributes, "linked_names": linked} if linked else attributes


def _observed_summary(fit: Any) -> xr.Dataset:
    """The data of each dataset in short; cubes never enter a result."""
    variables: dict[str, Any] = {}
    for observed in fit._observed.values():
        variables |= observed.summary()
    return xr.Dataset(variables)


def used_versions() -> dict[str, str]:
    """Versions of this package and of those that it computes with."""
    versions = {"bayesmap": __version__}
    for package in VERSIONED:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "unknown"
    return versions


def _provenance(fit: Any) -> dict[str, Any]:
    return {
        "created_at": datetime.datetime.now(datetime.UTC).isoformat(),
        "inference_library": "bayesmap",
        "versions": json.dumps(used_versions()),
        "models": _models_text(fit.models),
        "default_priors": ", ".join(default_prior_names(fit)),
        "datasets": ", ".join(d.name for d in fit.datasets),
        "psf_routes": json.dumps(fit.routes),
        "data_digests": json.dumps(fit.digests),
    }


def _models_text(models: Any) -> str:
    """The models as YAML, or why there are none, for example as a template is only in memory."""
    try:
        return str(models.to_yaml())
    except Exception as error:
        tell(f"the result does not hold the models: {error}", 7)
        return f"# not stored: {error}"
