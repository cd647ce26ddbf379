"""Model files: Gammapy's YAML layout, with priors.

A file is a mapping with ``components``, a list of models. Priors that Gammapy knows stand at their parameter in
Gammapy's form; others stand in a section ``bayesmap`` of their own, which Gammapy's reader ignores. When reading, a
prior of ours (``prior: {dist: LogNormal, mu: ..., sigma: ...}``) is accepted at the parameter as well.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from bayesmap._files import write_set, write_text
from bayesmap._types import FileName
from bayesmap._util import check_option, find_file, make_path
from bayesmap._yaml.node import Node
from bayesmap._yaml.source import YamlSource
from bayesmap.errors import ModelFileError
from bayesmap.maps.files import named_errors, read_text
from bayesmap.modeling.background import BackgroundModel, FoVBackgroundModel, TemplateNPredModel
from bayesmap.modeling.collection import parameter_names
from bayesmap.modeling.files.parameter import CollectedPriors, Links, in_file, parameter_from_node, parameter_to_dicts
from bayesmap.modeling.files.section import apply_section, hyperparameters_from_node, instrument_nodes, section_to_dict
from bayesmap.modeling.instrument import IRFModel
from bayesmap.modeling.model import KINDS, ModelBase, get_model_class
from bayesmap.modeling.parameter import Parameter
from bayesmap.modeling.sky import Component, SkyModel

if TYPE_CHECKING:
    from bayesmap.modeling.collection import Models

__all__ = ["dump", "models_from_dict", "models_from_text", "models_to_dict", "read", "write"]

COMPONENTS: dict[str, type[Component]] = {
    tag: cls for cls in (SkyModel, FoVBackgroundModel, TemplateNPredModel, BackgroundModel, IRFModel) for tag in cls.tag
}
_TOP_KEYS = ("components", "covariance", "metadata", "checksum", "bayesmap")
_COMPONENT_KEYS = ("name", "type", "datasets_names", "apply_irf", "covariance", *KINDS)


# -- writing --------------------------------------------------------------------------------------------------------
def _part_to_dict(
    model: ModelBase, full_output: bool, links: Mapping[Parameter, str], priors: CollectedPriors | None
) -> dict[str, object]:
    if model.file_parts:
        parts = {key: _part_to_dict(getattr(model, key), full_output, links, priors) for key in model.file_parts}
        own = _parameters_to_dict(model, full_output, links, priors)
        return {"type": model.tag[0], **({"parameters": own} if own else {}), **parts, **model.file_data()}
    parameters = _parameters_to_dict(model, full_output, links, priors)
    return {"type": model.tag[0], "parameters": parameters, **model.file_data()}


def _parameters_to_dict(
    model: ModelBase, full_output: bool, links: Mapping[Parameter, str], priors: CollectedPriors | None
) -> list[dict[str, object]]:
    return [
        entry
        for default in model.default_parameters
        for entry in parameter_to_dicts(getattr(model, default.name), default, full_output, links, priors)
    ]


def model_to_dict(model: ModelBase, full_output: bool = False) -> dict[str, object]:
    """Return one spectral, spatial or temporal model as plain data."""
    return {model.kind: _part_to_dict(model, full_output, {}, None)}


def component_to_dict(
    model: Component,
    full_output: bool = False,
    links: Mapping[Parameter, str] | None = None,
    priors: CollectedPriors | None = None,
) -> dict[str, object]:
    """Return one component as plain data; ``links`` are labels, ``priors`` collects those that Gammapy lacks."""
    data: dict[str, Any] = {"name": model.name, "type": model.tag[0]}
    if model.datasets_names is not None:
        data["datasets_names"] = list(model.datasets_names)
    for kind, part in model.parts.items():
        data[kind] = _part_to_dict(part, full_output, links or {}, priors)
    if isinstance(model, SkyModel) and not all(model.apply_irf.values()):
        data["apply_irf"] = dict(model.apply_irf)
    if isinstance(model, TemplateNPredModel):
        if model.filename is None:
            raise ValueError(f"TemplateNPredModel {model.name!r} has no filename; set it before writing a model file")
        data["filename"] = model.filename
    return data


def models_to_dict(models: "Models", full_output: bool = False, gammapy: str = "2.1") -> dict[str, object]:
    """Return all components as plain data; see the module docstring for the layout."""
    names = parameter_names(models)
    members = list(models.parameters)
    links = {p: names[p] for p in names if sum(p is member for member in members) > 1}
    check_option("gammapy", gammapy, ("2.1", "dev"))
    priors = CollectedPriors(names, development=gammapy == "dev")
    data: dict[str, Any] = {
        "components": [component_to_dict(m, full_output, links, priors) for m in models if m.in_gammapy],
        "metadata": {"creator": "bayesmap"},
    }
    instrument = [component_to_dict(m, full_output, links, priors) for m in models if not m.in_gammapy]
    return {**data, "bayesmap": section_to_dict(priors, names, instrument)}


def dump(data: Mapping[str, object]) -> str:
    """Return plain data as YAML text."""
    return yaml.safe_dump(data, sort_keys=False, indent=4, default_flow_style=False, allow_unicode=True, width=120)


def write(
    models: "Models",
    path: Path,
    overwrite: bool = False,
    full_output: bool = False,
    gammapy: str = "2.1",
    templates: Sequence[Any] = (),
) -> None:
    """Write a model file, and before it the maps of templates; at any moment it names maps that belong to it."""
    data = models_to_dict(models, full_output, gammapy)
    files = {make_path(template.filename): template for template in templates}
    for template in templates:
        one, other = template.map, files[make_path(template.filename)].map
        if one is not other and not (one.geom == other.geom and np.array_equal(one.data, other.data)):
            raise ValueError(
                f"two templates with different maps would share the file {template.filename!r}; rename one"
            )
    existing = [str(target) for target in (*files, path) if target.exists()]
    if existing and not overwrite:
        raise FileExistsError(f"{', '.join(existing)} exists; pass overwrite=True to replace it")

    def write_models(part: Path, places: Mapping[Path, Path]) -> None:
        moved = {files[target].filename: str(place) for target, place in places.items() if place != target}
        write_text(dump(_renamed(data, moved)), part)

    write_set({target: template.map.write for target, template in files.items()}, path, write_models)


def _renamed(data: Any, moved: Mapping[str, str]) -> Any:
    """The data with other names of files."""
    if isinstance(data, list):
        return [_renamed(item, moved) for item in data]
    if not isinstance(data, dict):
        return data
    data = {key: _renamed(value, moved) for key, value in data.items()}
    return data | {"filename": moved[data["filename"]]} if data.get("filename") in moved else data


# -- reading --------------------------------------------------------------------------------------------------------
def _part_from_node(
    node: Node, kind: str, links: Links, folder: FileName | None, outer: tuple[Any, ...] = ()
) -> ModelBase:
    """Create a model; ``outer`` are the data of those that it is a part of."""
    outer = (*outer, node.mapping().data)
    if any(data is node.data for data in outer[:-1]):
        raise node.error("circular: an alias makes this model a part of itself")
    cls = node.call(get_model_class, node.key("type").text(), kind, at="type")
    node.check_keys(("type", "parameters", "frame", *cls.file_parts, *cls.file_keys))
    declared = node.call(cls.declared_in_file, node.data, folder)
    defaults = {p.name: p for p in in_file(declared)}
    parameters: dict[str, Parameter] = {}
    for entry in node.key("parameters", default=[]).items():
        name = entry.mapping().key("name").choice(defaults)
        if name in parameters:
            raise entry.error(f"parameter {name!r} is given twice")
        parameters[name] = parameter_from_node(entry, defaults[name], links)
    parameters = node.key("parameters", default=[]).call(links.joined, declared, parameters)
    data = {key: node.data[key] for key in cls.file_keys if key in node.data}
    data |= {key: _part_from_node(node.key(key), kind, links, folder, outer) for key in cls.file_parts}
    return node.call(cls.from_file_data, parameters, data, folder)


def _apply_irf(node: Node) -> dict[str, bool]:
    node.mapping().check_keys(("exposure", "psf", "edisp"))
    return {key: node.key(key).boolean() for key in node.data}


def _component_from_node(node: Node, links: Links, folder: FileName | None) -> Component:
    node.mapping()
    cls = COMPONENTS[node.key("type").choice(COMPONENTS)]
    keys = (*_COMPONENT_KEYS, "filename") if issubclass(cls, TemplateNPredModel) else _COMPONENT_KEYS
    node.check_keys(keys)
    arguments: dict[str, Any] = {
        "name": node.key("name", default=None).data,
        "datasets_names": node.key("datasets_names", default=None).data,
    }
    for kind in KINDS:
        if node.data.get(kind) is None:
            continue
        if kind not in cls.part_names:
            raise node.key(kind).error(f"{cls.__name__} has no {kind} model")
        arguments[f"{kind}_model"] = _part_from_node(node.key(kind), kind, links, folder)
    for kind in cls.needed_parts:
        node.key(kind).mapping()
    if cls is SkyModel and node.data.get("apply_irf") is not None:
        arguments["apply_irf"] = _apply_irf(node.key("apply_irf"))
    if issubclass(cls, TemplateNPredModel):
        path = find_file(node.key("filename").text(), folder)
        return node.call(cls.read, path, at="filename", **arguments)
    return node.call(cls, **arguments)


def model_from_dict(data: Mapping[str, object], cls: type[ModelBase]) -> Any:
    """Create one spectral, spatial or temporal model from the data of `model_to_dict`."""
    model = _part_from_node(Node(data).mapping().key(cls.kind), cls.kind, Links(), None)
    if not isinstance(model, cls):
        raise ModelFileError(f"{cls.kind}.type: expected {cls.__name__}, found {type(model).__name__}")
    return model


def component_from_dict(data: Mapping[str, object], cls: type[Component]) -> Any:
    """Create one component from the data of `component_to_dict`."""
    model = _component_from_node(Node(data), Links(), None)
    if not isinstance(model, cls):
        raise ModelFileError(f"type: expected {cls.__name__}, found {type(model).__name__}")
    return model


def models_from_dict(data: Any, folder: FileName | None = None, source: YamlSource | None = None) -> list[Component]:
    """Create all components from the data of `models_to_dict`; errors name the lines of ``source``, if given."""
    top = Node(data, source).mapping()
    top.check_keys(_TOP_KEYS)
    section, links = top.key("bayesmap", default=None), Links()
    links.hyperparameters = hyperparameters_from_node(section)
    models: list[Component] = []
    for node in (*top.key("components").items(), *instrument_nodes(section)):
        model = _component_from_node(node, links, folder)
        if any(model.name == other.name for other in models):
            raise node.error(f"there is already a component called {model.name!r}; names must be unique")
        models.append(model)
    apply_section(section, models, links.hyperparameters)
    return models


def models_from_text(text: str, name: str = "", folder: FileName | None = None) -> list[Component]:
    """Create the components from the text of a model file; errors name the file ``name``, if given, and the line."""
    source = YamlSource(text, name)
    return models_from_dict(source.load(), folder, source)


def read(filename: str | os.PathLike[str]) -> list[Component]:
    """Read the components of a model file."""
    path = make_path(filename)
    text = read_text(path, ModelFileError)
    with named_errors(path, error=ModelFileError):
        return models_from_text(text, str(path), path.parent)
