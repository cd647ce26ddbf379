"""Annotations say something: how many of them name ``Any``."""

import ast
from pathlib import Path

import bayesmap

PACKAGE = Path(bayesmap.__file__).parent
#: share of the annotations that may name ``Any``: lower it when the share falls
CEILING = 0.116


def annotations(tree):
    """Yield all annotations: parameters and results of functions, attributes and variables, and type aliases."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            a = node.args
            for parameter in [*a.posonlyargs, *a.args, *a.kwonlyargs, a.vararg, a.kwarg]:
                if parameter is not None and parameter.annotation is not None:
                    yield parameter.annotation
            if node.returns is not None:
                yield node.returns
        elif isinstance(node, ast.AnnAssign):
            yield node.annotation
        elif isinstance(node, ast.TypeAlias):
            yield node.value


def names_any(annotation):
    """True if the name ``Any`` occurs anywhere in an annotation, also in one that is written as a text."""
    for node in ast.walk(annotation):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if names_any(ast.parse(node.value, mode="eval")):
                return True
        elif isinstance(node, ast.Name) and node.id == "Any":
            return True
    return False


def test_few_annotations_say_nothing():
    found = {path: list(annotations(ast.parse(path.read_text()))) for path in sorted(PACKAGE.rglob("*.py"))}
    counts = {path.relative_to(PACKAGE).as_posix(): sum(map(names_any, nodes)) for path, nodes in found.items()}
    share = sum(counts.values()) / sum(len(nodes) for nodes in found.values())
    most = sorted(counts.items(), key=lambda item: -item[1])[:10]
    assert share <= CEILING, f"{share:.4f} of the annotations name Any, most of them in {most}"


def test_no_name_hides_any():
    """Any under another name would not be counted."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.TypeAlias):
                assert not (isinstance(node.value, ast.Name) and node.value.id == "Any"), path
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name | ast.Subscript | ast.BinOp):
                named = {name.id for name in ast.walk(node.value) if isinstance(name, ast.Name)}
                assert "Any" not in named, f"{path}:{node.lineno}: write a type alias as `type X = ...`"
            if isinstance(node, ast.alias):
                assert node.name != "Any" or node.asname is None, path


def test_what_counts():
    text = "x: int\ndef f(a: Any, *b: 'dict[str, Any]', c: int = 1) -> float: ...\ntype T = list[Any]"
    found = {ast.unparse(node): names_any(node) for node in annotations(ast.parse(text))}
    assert found == {"int": False, "Any": True, "'dict[str, Any]'": True, "float": False, "list[Any]": True}
