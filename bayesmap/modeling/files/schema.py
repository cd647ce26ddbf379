"""JSON schema of model files, made from the tables of models, distributions and keys that the reader uses."""

import json
from typing import Any

from bayesmap.modeling.background import TemplateNPredModel
from bayesmap.modeling.files.gammapy_priors import DEVELOPMENT_PRIORS, GAMMAPY_PRIORS
from bayesmap.modeling.files.parameter import IGNORED_KEYS
from bayesmap.modeling.files.section import FORMAT_VERSION
from bayesmap.modeling.files.yaml import COMPONENTS
from bayesmap.modeling.model import KINDS, ModelBase, model_classes
from bayesmap.modeling.priors.distributions import ARRAYS, BOUND, DISTRIBUTIONS
from bayesmap.modeling.priors.process import KINDS as PROCESSES

__all__ = ["model_file_schema", "schema_text"]

_ANY: dict[str, Any] = {}
# YAML reads 1e-12, without a point, as a text.
_NUMBER = {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^\s*[-+]?(\d|\.\d|\.?(inf|nan|Inf|NaN))"}]}
_TEXT = {"type": "string"}
_UNIT = {"type": ["string", "null"], "description": "unit, as astropy and the FITS standard write it"}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/$defs/{name}"}


def _object(properties: dict[str, Any], required: list[str], **more: Any) -> dict[str, object]:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
        **more,
    }


def _list(items: dict[str, Any], **more: Any) -> dict[str, object]:
    return {"type": "array", "items": items, **more}


def model_file_schema(all_models: bool = False) -> dict[str, object]:
    """Return the JSON schema (draft 2020-12) of the model files that this version reads.

    Parameters
    ----------
    all_models : bool
        Include model classes that were registered outside of the package.

    Returns
    -------
    dict
        Plain data. A file that it refuses is refused by `Models.read`; the reader checks more: values against bounds,
        units of parameters, templates, names that are used twice.
    """
    own = "" if all_models else "bayesmap."
    classes = {kind: [cls for cls in model_classes(kind) if cls.__module__.startswith(own)] for kind in KINDS}
    definitions = {
        "number": _NUMBER,
        "argument": {"anyOf": [_NUMBER, _TEXT, _ref("hyper"), _ref("distribution")]},
        "hyper": _object(
            {"hyper": _TEXT, "unit": _UNIT, "prior": _ref("prior")},
            ["hyper"],
            description="a hyperparameter, by its name in bayesmap.hyperparameters or defined in place",
        ),
        "samples": {
            "anyOf": [
                _list(_ref("number")),
                _object({"values": _list(_ref("number")), "unit": _UNIT}, ["values", "unit"]),
            ]
        },
        "distribution": {"anyOf": [_distribution(name) for name in DISTRIBUTIONS]},
        "gammapy_prior": {"anyOf": _gammapy_priors()},
        "prior": {"anyOf": [_ref("distribution"), _ref("gammapy_prior")]},
        "parameter": _parameter(),
        **{kind: {"anyOf": [_model(cls) for cls in classes[kind]]} for kind in KINDS},
        "component": {"anyOf": [_component(tag) for tag in sorted(COMPONENTS)]},
        "section": _section(),
    }
    properties = {
        "components": _list(_ref("component")),
        "bayesmap": {"anyOf": [_ref("section"), {"type": "null"}]},
        "covariance": _ANY,
        "metadata": _ANY,
        "checksum": _ANY,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "bayesmap model file",
        "description": "Models of a bayesmap analysis: Gammapy's layout, with priors in a section of their own.",
        **_object(properties, ["components"]),
        "$defs": definitions,
    }


def schema_text() -> str:
    """Return the schema as the text of ``model-file.schema.json`` in the documentation."""
    return json.dumps(model_file_schema(), indent=1, sort_keys=False) + "\n"


def _distribution(name: str) -> dict[str, object]:
    """One distribution, with one of its sets of arguments."""
    row = DISTRIBUTIONS[name]
    kinds: dict[str, Any] = {BOUND: {"anyOf": [_NUMBER, _TEXT]}, **{role: _ref("samples") for role in ARRAYS}}
    arguments = {key: kinds.get(role, _ref("argument")) for key, role in row.roles.items()}
    forms = [{"required": list(form)} for form in row.forms]
    return _object(
        {"dist": {"const": name}, **arguments, "default": {"type": "boolean"}},
        ["dist"],
        **({"anyOf": forms} if row.roles else {}),
    )


def _gammapy_priors() -> list[dict[str, object]]:
    known = {**GAMMAPY_PRIORS, **DEVELOPMENT_PRIORS}
    numbers = _list(_ref("number"))
    samples = {
        "type": {"const": "SamplesKDEPrior"},
        "samples": numbers,
        "weights": {"anyOf": [numbers, {"type": "null"}]},
    }
    schemas = [_object(samples, ["type", "samples"])]
    for tag, (_, names) in known.items():
        if not names:
            continue
        entry = {
            "type": "object",
            "properties": {"name": {"enum": list(names)}, "value": _ref("number"), "unit": _UNIT},
            "required": ["name", "value"],
        }
        properties = {"type": {"const": tag}, "parameters": _list(entry), "weight": _ref("number")}
        schemas.append(_object(properties, ["type", "parameters"]))
    return schemas


def _parameter() -> dict[str, object]:
    number = {"anyOf": [_ref("number"), {"type": "null"}]}
    properties = {
        "name": _TEXT,
        "value": number,
        "unit": _UNIT,
        "min": number,
        "max": number,
        "error": number,
        "frozen": {"type": "boolean"},
        "link": {"type": ["string", "null"], "description": "parameters with one label are one"},
        "prior": {"anyOf": [_ref("prior"), {"type": "null"}]},
    }
    return _object(properties | dict.fromkeys(IGNORED_KEYS, _ANY), ["name"])


def _model(cls: type[ModelBase]) -> dict[str, object]:
    """One spectral, spatial or temporal model: its tags, the names of its parameters, its further keys."""
    # Where the data of an instance decide its parameters, any name is valid here.
    declared: Any = cls.declared_in_file
    base: Any = ModelBase.declared_in_file
    own_names = not isinstance(cls.parameter_names, tuple) or declared.__func__ is not base.__func__
    names = {} if own_names else {"properties": {"name": {"enum": list(cls.parameter_names)}}}
    properties = {
        "type": {"enum": list(cls.tag)},
        "parameters": _list({"allOf": [_ref("parameter"), names]} if names else _ref("parameter")),
        "frame": {"type": ["string", "null"]},
        **dict.fromkeys(cls.file_keys, _ANY),
        **dict.fromkeys(cls.file_parts, _ref(cls.kind)),
    }
    return _object(properties, ["type", *cls.file_parts])


def _component(tag: str) -> dict[str, object]:
    cls = COMPONENTS[tag]
    names = {"type": ["string", "null"]}
    properties: dict[str, Any] = {
        "name": names,
        "type": {"const": tag},
        "datasets_names": {"anyOf": [names, _list(_TEXT)]},
        "covariance": _ANY,
        "apply_irf": {
            "anyOf": [_object(dict.fromkeys(("exposure", "psf", "edisp"), {"type": "boolean"}), []), {"type": "null"}]
        },
        **{kind: {"anyOf": [_ref(kind), {"type": "null"}]} for kind in cls.part_names},
        **{kind: {"type": "null"} for kind in KINDS if kind not in cls.part_names},
    }
    required = ["type"]
    if issubclass(cls, TemplateNPredModel):
        properties["filename"] = _TEXT
        required.append("filename")
    properties |= {kind: _ref(kind) for kind in cls.needed_parts}
    required += cls.needed_parts
    return _object(properties, required)


def _section() -> dict[str, object]:
    numbers = _list(_ref("number"))
    joint = {
        "parameters": _list(_TEXT, minItems=2, uniqueItems=True),
        "log": _list(_TEXT),
        "units": _list(_UNIT),
        "mean": _list({"anyOf": [_ref("number"), _TEXT]}, minItems=2),
        "covariance": _list(numbers, minItems=2),
    }
    positive = {"type": "number", "exclusiveMinimum": 0}
    process = {
        "process": {"enum": list(PROCESSES)},
        "parameters": joint["parameters"],
        "positions": _list({"type": "number"}, minItems=2),
        "scale": positive,
        "typical_scale": positive,
        "timescale": positive,
    }
    either = [
        _object(joint, ["parameters", "mean", "covariance"]),
        _object(process, ["process", "parameters", "positions"]),
    ]
    hyper = _object({"prior": _ref("prior"), "unit": _UNIT}, ["prior"])
    properties = {
        "version": {"type": "integer", "minimum": 1, "maximum": FORMAT_VERSION},
        "hyperparameters": {"type": "object", "additionalProperties": hyper},
        "priors": {
            "type": "object",
            "additionalProperties": _ref("prior"),
            "description": "by the name of the random variable, <model>.<parameter>",
        },
        "joint_priors": _list({"anyOf": either}),
        "instrument": _list(_ref("component")),
    }
    return _object(properties, [])
