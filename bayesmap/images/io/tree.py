"""The JSON tree of a file: access with checks, and the geometry in it.

Two dialects differ in names ("start" or "yx0", "projection" or "sky_projection") and in how pairs are written.
"""

import json
from collections.abc import Iterator
from math import inf

from bayesmap.errors import FormatError
from bayesmap.images.cells import CellGrid, CellGridBounds, CellIJ, PatchDefinition
from bayesmap.images.geom import YX, Box
from bayesmap.images.interval import Interval
from bayesmap.images.mask_schema import MaskPlane, MaskSchema

__all__ = [
    "JSON",
    "Node",
    "parse",
    "read_bounds",
    "read_box",
    "read_pair",
    "read_patch",
    "read_schema",
    "read_start",
]

#: what JSON can hold
type JSON = dict[str, JSON] | list[JSON] | str | int | float | bool | None

#: pixel coordinates, and numbers of cells, are smaller
LARGEST = 2**31
#: mask planes per image
MANY_PLANES = 1024


class Node:
    """A part of the tree that knows its place.

    Parameters
    ----------
    value : object
        What is there.
    place : str
        How one gets there, such as "image.data".
    """

    def __init__(self, value: JSON, place: str = "") -> None:
        self.value = value
        self.place = place

    def wrong(self, wanted: str) -> FormatError:
        """Error that says what is there and what would be right."""
        shown = repr(self.value)
        shown = shown if len(shown) < 80 else shown[:77] + "..."
        return FormatError(f"JSON tree, {self.place or 'top'}: {shown} should be {wanted}")

    def __getitem__(self, key: str) -> "Node":
        """What is there under a name; an error if there is nothing."""
        found = self.get(key)
        if found is None:
            raise FormatError(f"JSON tree: {self._of(key)} is missing")
        return found

    def get(self, *keys: str) -> "Node | None":
        """What is there under the first of some names that has a value; None if none has."""
        if not isinstance(self.value, dict):
            raise self.wrong("an object with names")
        for key in keys:
            if self.value.get(key) is not None:
                return Node(self.value[key], self._of(key))
        return None

    def items(self) -> Iterator[tuple[str, "Node"]]:
        """Names, and what is there."""
        if not isinstance(self.value, dict):
            raise self.wrong("an object with names")
        return ((key, Node(value, self._of(key))) for key, value in self.value.items())

    def list(self, length: int | None = None) -> "list[Node]":
        """Elements of a list, of a given length if there is one."""
        if not isinstance(self.value, list) or length not in (None, len(self.value)):
            raise self.wrong("a list" if length is None else f"a list of {length}")
        return [Node(value, f"{self.place}[{index}]") for index, value in enumerate(self.value)]

    def text(self) -> str:
        """The text that is there."""
        if not isinstance(self.value, str):
            raise self.wrong("a text")
        return self.value

    def integer(self, largest: int = LARGEST) -> int:
        """The integer that is there, smaller than a limit."""
        if not isinstance(self.value, int) or isinstance(self.value, bool) or abs(self.value) >= largest:
            raise self.wrong(f"an integer below {largest}")
        return self.value

    def number(self) -> float:
        """The finite number that is there."""
        value = self.value
        if not isinstance(value, int | float) or isinstance(value, bool) or not -inf < value < inf:
            raise self.wrong("a finite number")
        return float(value)

    def _of(self, key: str) -> str:
        return f"{self.place}.{key}" if self.place else key


def parse(content: bytes) -> Node:
    """The tree in the bytes of a file.

    Raises
    ------
    FormatError
        If it is no JSON object.
    """
    try:
        value = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise FormatError(f"the JSON tree cannot be read: {error}") from None
    if not isinstance(value, dict):
        raise FormatError(f"the JSON tree should be an object with names, got {type(value).__name__}")
    return Node(value)


def read_box(node: Node) -> Box:
    """Box from ``{"y": {"start", "stop"}, "x": ...}``."""
    return Box(_interval(node["y"]), _interval(node["x"]))


def _interval(node: Node) -> Interval:
    start, stop = node["start"].integer(), node["stop"].integer()
    if stop <= start:
        raise node.wrong("an interval with stop above start")
    return Interval(start, stop)


def read_pair(node: Node) -> YX[int]:
    """Two integers, from ``[y, x]`` or ``{"y", "x"}``."""
    parts = [node["y"], node["x"]] if isinstance(node.value, dict) else node.list(2)
    return YX(*(part.integer() for part in parts))


def read_start(node: Node) -> YX[int]:
    """First row and column of an image."""
    found = node.get("start", "yx0")
    if found is None:
        raise FormatError(f"JSON tree: {node.place}.start is missing (or yx0)")
    return read_pair(found)


def read_grid(node: Node) -> CellGrid:
    """Grid of cells."""
    return CellGrid(read_box(node["bbox"]), read_pair(node["cell_shape"]))


def read_bounds(node: Node) -> CellGridBounds:
    """Cells of an image."""
    missing = node.get("missing")
    cells = [] if missing is None else missing.list()
    absent = frozenset(CellIJ(cell["i"].integer(), cell["j"].integer()) for cell in cells)
    return CellGridBounds(read_grid(node["grid"]), read_box(node["bbox"]), absent)


def read_patch(node: Node | None) -> PatchDefinition | None:
    """The full patch, if it is told."""
    if node is None:
        return None
    return PatchDefinition(
        node["id"].integer(), read_pair(node["index"]), read_box(node["inner_bbox"]), read_grid(node["cells"])
    )


def read_schema(node: Node) -> MaskSchema:
    """Mask planes in memory."""
    planes = node["planes"].list()
    if len(planes) > MANY_PLANES:
        raise FormatError(f"JSON tree, {node.place}.planes: {len(planes)} mask planes; up to {MANY_PLANES} are read")
    dtype = node["dtype"].text()
    if dtype not in ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"):
        raise node["dtype"].wrong("a type of integers")
    return MaskSchema([_plane(plane) for plane in planes], dtype)


def _plane(node: Node) -> MaskPlane | None:
    if node.value is None:
        return None
    return MaskPlane(node["name"].text(), node["description"].text())
