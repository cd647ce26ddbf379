"""Docstrings of public objects: errors that are raised are listed, arrays have shapes."""

import ast
import inspect
import re
import textwrap
from pathlib import Path

import pytest

import bayesmap
from tests.test_public_api import documented_members, public_names, resolve

PACKAGE = Path(bayesmap.__file__).parent
#: what a class says once for its members
CONVENTION = re.compile(r"``\(n\w*, .*\)``|arrays? of the shape of")
#: an annotation that is an array
ARRAY = re.compile(r"\bndarray\b")
#: what says how long an array is, in which order its axes are, or that it is like another one
SHAPE = re.compile(r"\bshapes?\b|``\(\w*,?.*\)``|\bbroadcast", re.IGNORECASE)


def functions():
    """Yield label, function and docstring of public functions, constructors (described by their class) and methods."""
    seen = set()
    for path in public_names():
        if path.endswith("__version__"):
            continue
        thing = resolve(path)
        if inspect.isfunction(thing):
            members = [("", thing, thing)]
        elif inspect.isclass(thing):
            members = [(f".{name}", member, getattr(thing, name)) for name, member in documented_members(thing)]
            if inspect.isfunction(vars(thing).get("__init__")):
                members.append((".__init__", thing.__init__, thing))
        else:
            continue
        for name, member, described in members:
            for function in accessors(member):
                written = (
                    Path(function.__code__.co_filename).is_relative_to(PACKAGE) and function.__name__ != "<lambda>"
                )
                if function not in seen and written:
                    seen.add(function)
                    yield f"{path}{name}", function, inspect.getdoc(described) or ""


def accessors(member):
    """The functions of a method, or of a property: reading and setting."""
    if isinstance(member, property):
        return [function for function in (member.fget, member.fset) if function is not None]
    function = getattr(member, "__func__", member)
    return [inspect.unwrap(function)] if inspect.isfunction(function) else []


def raises(function):
    """True if the body raises an error itself, not in a function inside; a mere ``raise`` passes one on."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]

    def found(node):
        if isinstance(node, ast.Raise) and node.exc is not None:
            return True
        inside = isinstance(node, ast.FunctionDef | ast.Lambda)
        return not inside and any(found(child) for child in ast.iter_child_nodes(node))

    return any(found(node) for node in tree.body)


def names_shapes(label, doc):
    """True if a docstring, one that it refers to with "see", or for a member its class or a base of that has shapes."""
    seen = [doc]
    for name in re.findall(r"[Ss]ee `~?([\w.]+)`", doc):
        seen += [other for known, (_, other) in CASES.items() if known.endswith(f".{name}")]
    path = label.rpartition(".")[0]
    owner = resolve(path) if "." in path else None
    bases = inspect.getmro(owner) if inspect.isclass(owner) else ()
    return any(map(SHAPE.search, seen)) or any(CONVENTION.search(cls.__doc__ or "") for cls in bases)


def has_arrays(function):
    return any(ARRAY.search(str(annotation)) for annotation in function.__annotations__.values())


CASES = {label: (function, doc) for label, function, doc in functions()}


@pytest.mark.parametrize("label", [label for label, (function, _) in CASES.items() if raises(function)])
def test_errors_are_listed(label):
    _, doc = CASES[label]
    assert re.search(r"^Raises\n-+$", doc, re.MULTILINE), f"{label} raises, but its docstring has no section Raises"


@pytest.mark.parametrize("label", [label for label, (function, _) in CASES.items() if has_arrays(function)])
def test_arrays_have_shapes(label):
    _, doc = CASES[label]
    assert names_shapes(label, doc), f"{label} takes or returns arrays, but its docstring names no shape"
