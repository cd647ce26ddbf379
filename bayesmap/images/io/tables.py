"""Provenance in files: texts that are the same in all rows stand in the tree, polygons are padded with NaN."""

from collections.abc import Callable

import numpy as np
from astropy.table import Column, Table

from bayesmap.errors import FormatError
from bayesmap.images.io.hdus import Hdus, Reference
from bayesmap.images.io.tree import JSON, Node
from bayesmap.images.provenance import CoaddProvenance, Polygon
from bayesmap.units import parse_unit

__all__ = ["provenance_to_tree", "read_provenance"]

#: columns of texts
TEXTS = ("instrument", "physical_filter")
POLYGON = ("n_vertices", "x_vertices", "y_vertices")
#: different instruments, or filters, of a coadd
MANY_NAMES = 256
DESCRIPTIONS = {
    "n_vertices": "Number of corners of the polygon.",
    "x_vertices": "Absolute x coordinates of the corners, in pixels.",
    "y_vertices": "Absolute y coordinates of the corners, in pixels.",
}


def read_provenance(node: Node | None, hdus: Hdus) -> CoaddProvenance | None:
    """Exposures of a coadd, if they are told.

    Raises
    ------
    FormatError
        If a table or a column is missing or damaged.
    """
    if node is None:
        return None
    inputs = _read_table(node["inputs"], hdus)
    contributions = _read_table(node["contributions"], hdus)
    for name in TEXTS:
        _restore_text(inputs, name, node[name])
    _restore_text(contributions, "instrument", node["instrument"])
    if missing := [name for name in POLYGON if name not in inputs.colnames]:
        raise FormatError(f"the table of inputs lacks the columns {missing}; it has {inputs.colnames}")
    polygons = np.empty(len(inputs), dtype=object)
    polygons[:] = [_polygon(*row) for row in inputs.iterrows(*POLYGON)]
    inputs.remove_columns(POLYGON)
    inputs["polygon"] = Column(polygons, description="Part of the exposure inside of the coadd.")
    return CoaddProvenance(inputs, contributions)


def _read_table(node: Node, hdus: Hdus) -> Table:
    table, rows = Table(), None
    for column in node["columns"].list():
        values = hdus.column(Reference(column["data"]), rows)
        rows = len(values)
        unit, description = column.get("unit"), column.get("description")
        name = column["name"].text()
        if name in table.colnames:
            raise column["name"].wrong("a name that no other column has")
        table[name] = Column(
            values,
            unit=None if unit is None else parse_unit(unit.text()),
            description=None if description is None else description.text(),
        )
    return table


def _restore_text(table: Table, name: str, node: Node) -> None:
    """Put in a column of texts: one text for all rows, or names for the numbers that the column has."""
    if isinstance(node.value, str):
        table[name] = np.full(len(table), node.text(), dtype=object)
        return
    names = {code.integer(): text for text, code in node.items()}
    if name not in table.colnames:
        raise node.wrong("a text, as the table has no such column")
    codes = np.asarray(table[name]).tolist()
    if unknown := sorted(set(map(str, codes)) - set(map(str, names))):
        raise node.wrong(f"names for the numbers {unknown[:5]} too, which the table has")
    table.remove_column(name)
    table[name] = np.array([names[code] for code in codes], dtype=object)


def _polygon(number: int, x: np.ndarray, y: np.ndarray) -> Polygon:
    if number > len(x):
        raise FormatError(f"a polygon should have {number} corners, the table has places for {len(x)}")
    if not np.all(np.isfinite([x[:number], y[:number]])):
        raise FormatError("a polygon has corners that are not finite")
    return Polygon(x[:number], y[:number])


def provenance_to_tree(
    provenance: CoaddProvenance, add_table: Callable[[str, Table], list[dict[str, JSON]]]
) -> dict[str, JSON]:
    """Part of the tree for the exposures of a coadd.

    Parameters
    ----------
    provenance : CoaddProvenance
        The exposures.
    add_table : callable
        Takes the name of a table and the table, stores it, and returns a reference for each column.
    """
    inputs, contributions = provenance.inputs.copy(), provenance.contributions.copy()
    polygons = list(inputs["polygon"])
    inputs.remove_column("polygon")
    tree: dict[str, JSON] = {name: _take_text(name, inputs, contributions) for name in TEXTS}
    width = max((polygon.n_vertices for polygon in polygons), default=3)
    for key in ("x_vertices", "y_vertices"):
        padded = np.full((len(inputs), width), np.nan)
        for row, polygon in enumerate(polygons):
            padded[row, : polygon.n_vertices] = getattr(polygon, key)
        inputs[key] = Column(padded, description=DESCRIPTIONS[key])
    numbers = np.array([polygon.n_vertices for polygon in polygons], dtype="uint8" if width < 256 else "uint16")
    inputs.add_column(
        Column(numbers, name="n_vertices", description=DESCRIPTIONS["n_vertices"]), index=len(inputs.colnames) - 2
    )
    for name, table in (("inputs", inputs), ("contributions", contributions)):
        references = add_table(f"provenance/{name}", table)
        tree[name] = {
            "columns": [_column(table[key], ref) for key, ref in zip(table.colnames, references, strict=True)]
        }
    return tree


def _take_text(name: str, *tables: Table) -> JSON:
    """Take a column of texts out of tables: return the text, or replace it by numbers and return those of the names."""
    tables = tuple(table for table in tables if name in table.colnames)
    names = list(dict.fromkeys(str(text) for table in tables for text in table[name]))
    if len(names) > MANY_NAMES:
        raise ValueError(
            f"the provenance has {len(names)} different values of {name!r}; up to {MANY_NAMES} are written"
        )
    codes = {text: code for code, text in enumerate(names)}
    for table in tables:
        texts = [str(text) for text in table[name]]
        table.remove_column(name)
        if len(names) > 1:
            table[name] = np.array([codes[text] for text in texts], dtype="uint8")
    return dict(codes) if len(names) > 1 else names[0] if names else ""


def _column(column: Column, reference: dict[str, JSON]) -> dict[str, JSON]:
    described: dict[str, JSON] = {"data": reference, "name": column.name, "description": column.description or ""}
    return described if column.unit is None else described | {"unit": column.unit.to_string("vounit")}
