"""What PyTensor and Numba do not promise is named in one folder."""

import ast
from pathlib import Path

import pytest

import bayesmap

PACKAGE = Path(bayesmap.__file__).parent
#: modules of PyTensor that its documentation teaches to use, with the names that we take; None: all that is public
TAUGHT = {
    "pytensor": None,
    "pytensor.tensor": None,
    "pytensor.gradient": {"DisconnectedType", "disconnected_type"},
    "pytensor.graph.basic": {"Apply"},
    "pytensor.graph.op": {"Op"},
    "pytensor.graph.replace": {"clone_replace", "vectorize_graph"},
}
#: parts of `pytensor` itself that we take by their full name
MEMBERS = {"config", "function", "grad", "gradient", "shared", "tensor"}
#: attributes of variables, nodes and compiled functions, for those who rewrite graphs; `tag` is one of our models too
INNER = {"owner", "clients", "fgraph", "maker", "vm", "storage_map", "scalar_op", "perform"}
OUTSIDE = [path for path in sorted(PACKAGE.rglob("*.py")) if "_backend" not in path.parts]
GRAPHS = ("modeling", "likelihoods", "graph", "inference", "datasets")


def inner_names(tree):
    """Yield what a file takes from the inside of PyTensor and Numba."""
    for node in ast.walk(tree):
        modules = [node.module] if isinstance(node, ast.ImportFrom) else []
        modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in modules:
            if name.partition(".")[0] == "numba" or (name.partition(".")[0] == "pytensor" and name not in TAUGHT):
                yield f"line {node.lineno}: {name}"
        if isinstance(node, ast.ImportFrom) and TAUGHT.get(node.module) is not None:
            yield from (f"{node.module}.{a.name}" for a in node.names if a.name not in TAUGHT[node.module])
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "pytensor" and node.attr not in MEMBERS:
            yield f"line {node.lineno}: {ast.unparse(node)}"


def inner_attributes(tree):
    """Yield attributes of nodes and compiled functions, and what is written on tags."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in INNER:
            yield f"line {node.lineno}: {ast.unparse(node)}"
        if isinstance(node, ast.Attribute) and getattr(node.value, "attr", "") == "tag":
            yield f"line {node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_the_door_is_the_only_one(path):
    tree = ast.parse(path.read_text())
    assert not list(inner_names(tree))
    if path.relative_to(PACKAGE).parts[0] in GRAPHS:
        assert not list(inner_attributes(tree))


@pytest.mark.parametrize(
    "line",
    [
        "import numba",
        "from pytensor.link.numba.dispatch.basic import numba_njit",
        "from pytensor.graph.basic import Constant",
        "pytensor.compile.mode.get_mode('NUMBA')",
    ],
)
def test_the_test_notices(line):
    assert list(inner_names(ast.parse(line)))


@pytest.mark.parametrize("line", ["x.owner.op", "function.vm.jit_fn", "lon.tag.vectors = 1"])
def test_the_test_notices_attributes(line):
    assert list(inner_attributes(ast.parse(line)))
