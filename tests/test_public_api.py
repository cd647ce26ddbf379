"""The public names: which they are, that they resolve, and that each is documented.

``tests/public_api.txt`` lists them. After a deliberate change run
``BAYESMAP_UPDATE_API=1 python -m pytest tests/test_public_api.py`` and look at the difference.
"""

import importlib
import inspect
import os
from pathlib import Path

import pytest

import bayesmap

LISTING = Path(__file__).with_name("public_api.txt")
SUBPACKAGES = sorted(
    path.parent.name for path in Path(bayesmap.__file__).parent.glob("[!_]*/__init__.py") if path.parent.name != "cli"
)


def public_names():
    """Yield every public name with its module."""
    for part in ["", *(f".{name}" for name in SUBPACKAGES)]:
        module = importlib.import_module(f"bayesmap{part}")
        for name in sorted(module.__all__):
            yield f"bayesmap{part}.{name}"


def resolve(path):
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def documented_members(cls):
    """Public methods and properties that a class of ours defines itself."""
    for name, member in vars(cls).items():
        function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
        if not name.startswith("_") and inspect.isfunction(function):
            yield name, member


def test_names_are_the_listed_ones():
    names = list(public_names())
    if os.environ.get("BAYESMAP_UPDATE_API"):
        LISTING.write_text("\n".join(names) + "\n")
    assert names == LISTING.read_text().split()


def test_top_level_is_lazy_and_complete():
    assert set(bayesmap._HOME) | {"__version__"} == set(bayesmap.__all__)
    assert set(dir(bayesmap)) >= set(bayesmap.__all__)
    with pytest.raises(AttributeError, match="no attribute 'MapDatset'"):
        bayesmap.MapDatset  # noqa: B018


def test_subpackages_are_reachable():
    for name in SUBPACKAGES:
        assert getattr(bayesmap, name) is importlib.import_module(f"bayesmap.{name}")


@pytest.mark.parametrize("path", [path for path in LISTING.read_text().split() if "__" not in path])
def test_public_objects_are_documented(path):
    obj = resolve(path)
    if not (inspect.isclass(obj) or inspect.isfunction(obj)):
        return
    assert inspect.getdoc(obj), f"{path} has no docstring"
    if inspect.isclass(obj):
        missing = [name for name, member in documented_members(obj) if not inspect.getdoc(getattr(obj, name))]
        assert not missing, f"{path}: no docstring on {missing}"
