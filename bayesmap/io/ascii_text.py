r"""Texts in FITS files, which are ASCII: other characters stand there as escapes such as ``\xe9``.

References
----------
FITS Standard 4.0, section 4.2.1 (character strings); the escapes are those of Python.
"""

import re
from collections.abc import Callable

import numpy as np
from astropy.table import Table

__all__ = ["from_ascii", "table_from_ascii", "table_to_ascii", "to_ascii"]

ESCAPE = re.compile(r"\\(x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|[\\nrt])")


def to_ascii(text: str) -> str:
    """Return a text with escapes in place of backslashes and of characters that FITS does not allow."""
    return text.encode("unicode_escape").decode("ascii")


def from_ascii(text: str) -> str:
    """Return the text of `to_ascii`; what is no escape stays as it is."""
    return ESCAPE.sub(lambda match: match.group().encode("ascii").decode("unicode_escape"), text)


def table_to_ascii(table: Table) -> Table:
    """Return a table whose texts are ASCII."""
    return _converted(table, to_ascii)


def table_from_ascii(table: Table) -> Table:
    """Return the table of `table_to_ascii`."""
    return _converted(table, from_ascii)


def _converted(table: Table, function: Callable[[str], str]) -> Table:
    new = table.copy(copy_data=False)
    for name in table.colnames:
        if getattr(table[name], "dtype", np.dtype(float)).kind == "U" and np.size(table[name]):
            new[name] = np.vectorize(function, otypes=[str])(np.asarray(table[name]))
    return new
