"""What the parameters of models stand for: default priors and checks of signs go by it, never by names."""

from typing import Any

from bayesmap.modeling.parameter import Parameter

__all__ = ["part_of", "role_of"]


def part_of(model: Any, parameter: Parameter) -> Any:
    """Return the innermost model that a parameter belongs to.

    Parameters
    ----------
    model : SkyModel, FoVBackgroundModel, TemplateNPredModel, IRFModel or ModelBase
        Where to look: in its spatial, spectral, temporal and response models and what these are made of.
    parameter : Parameter
        One of its parameters.

    Returns
    -------
    ModelBase or None
        None if the parameter belongs to none of these.
    """
    parts = [getattr(model, f"{kind}_model", None) for kind in ("spatial", "spectral", "temporal", "response")]
    parts += [getattr(model, key) for key in getattr(model, "file_parts", ())]
    for part in parts:
        found = None if part is None else part_of(part, parameter)
        if found is not None:
            return found
    own = hasattr(model, "parameter_names") and any(p is parameter for p in model.parameters)
    return model if own else None


def role_of(parameter: Parameter, part: Any = None) -> str | None:
    """Return the role of a parameter.

    Parameters
    ----------
    parameter : Parameter
        The parameter.
    part : ModelBase, optional
        The model that it belongs to. What its class declares comes first: a linked parameter plays a role in each.

    Returns
    -------
    str or None
        Declared, or a guess: ``lon_0`` and ``lat_0`` of a spatial model are a position, and units tell

        - an angle of a spatial model that has the lower bound zero and no upper one: extension
        - a flux, per energy or not: flux
        - an energy or an inverse energy: energy
        - a time with the lower bound zero: duration; an inverse time: rate

        None for anything else.
    """
    if part is not None:
        declared = [part.default_parameters[n] for n in part.parameter_names if getattr(part, n) is parameter]
        role = next((d.role for d in declared if d.role is not None), None)
        if role is not None:
            return role
    if parameter.role is not None:
        return parameter.role
    spatial = getattr(part, "kind", "") == "spatial"
    if spatial and any(parameter is getattr(part, name, None) for name in ("lon_0", "lat_0")):
        return "position"
    return _role_by_unit(parameter, spatial)


def _role_by_unit(parameter: Parameter, spatial: bool) -> str | None:
    unit, (lower, upper) = parameter.unit, parameter.bounds
    if unit.is_equivalent("deg"):
        return "extension" if spatial and lower == 0 and upper == float("inf") else None
    if unit.is_equivalent("cm-2 s-1 TeV-1") or unit.is_equivalent("cm-2 s-1"):
        return "flux"
    if unit.is_equivalent("TeV") or unit.is_equivalent("TeV-1"):
        return "energy"
    if unit.is_equivalent("s"):
        return "duration" if lower == 0 else None
    return "rate" if unit.is_equivalent("s-1") or unit.is_equivalent("rad s-1") else None
