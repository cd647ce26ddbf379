"""Bounds for YAML texts: aliases can make a short one without end."""

from typing import Any

import yaml

from bayesmap.errors import FormatError

__all__ = ["check_nodes", "check_yaml"]

#: levels of nested lists and mappings
DEEPEST = 50
#: nodes with those of aliases each time that they are named: this many times the nodes in the text, or this number
MOST_TIMES, MOST = 10, 10_000
#: characters of a number
LONGEST_NUMBER = 400
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


def check_yaml(text: str) -> None:
    """Raise a FormatError unless a text is YAML within the bounds."""
    try:
        check_nodes(yaml.compose(text, yaml.SafeLoader))
    except RecursionError:
        raise FormatError("nested too deeply") from None
    except (yaml.YAMLError, ValueError) as error:
        raise FormatError(f"not valid YAML: {error}") from None


def check_nodes(root: Any) -> None:
    """Raise unless a tree of nodes is within the bounds: depth, size with aliases expanded, length of numbers.

    Parameters
    ----------
    root : `yaml.Node` or None
        Result of `yaml.compose`.

    Raises
    ------
    yaml.constructor.ConstructorError
        With the place in the text.
    """
    sizes: dict[int, int] = {}
    if root is not None:
        total = _size(root, sizes, 1)
        if total > max(MOST, MOST_TIMES * len(sizes)):
            raise _error(root, f"its aliases make {len(sizes)} entries to {total}, which is too many")


def _size(node: Any, sizes: dict[int, int], depth: int) -> int:
    """Number of nodes below a node and itself; aliases count each time."""
    if id(node) in sizes:
        if sizes[id(node)] == 0:
            return 1  # an alias of what it is a part of: its reader says so
        return sizes[id(node)]
    if depth > DEEPEST:
        raise _error(node, f"nested deeper than {DEEPEST} levels")
    sizes[id(node)] = 0
    size = 1
    if isinstance(node, yaml.ScalarNode):
        if node.tag in _NUMBERS and len(node.value) > LONGEST_NUMBER:
            raise _error(node, f"a number of {len(node.value)} characters: {node.value:.20}...")
    elif isinstance(node, yaml.SequenceNode):
        size += sum(_size(item, sizes, depth + 1) for item in node.value)
    else:
        size += sum(_size(item, sizes, depth + 1) for pair in node.value for item in pair)
    sizes[id(node)] = size
    return size


def _error(node: Any, message: str) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, message, node.start_mark)
