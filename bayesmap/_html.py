"""Tables and texts as HTML, for notebooks."""

import html
from collections.abc import Iterable, Sequence

__all__ = ["html_table", "html_text"]


def html_table(headings: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> str:
    """A table with an optional title; everything is escaped.

    Parameters
    ----------
    headings : sequence of str
        Headings of the columns; none makes a table without a head.
    rows : iterable of sequences
        Cells, written with `str`.
    title : str
        Heading above the table.
    """
    head = f"<h4>{html.escape(title)}</h4>" if title else ""
    names = "".join(f"<th>{html.escape(name)}</th>" for name in headings)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    top = f"<thead><tr>{names}</tr></thead>" if headings else ""
    return f"{head}<table>{top}<tbody>{body}</tbody></table>"


def html_text(text: str) -> str:
    """Paragraphs of a text, one per line; lines that begin with a hyphen are a list."""
    lines = [line for line in text.splitlines() if line.strip()]
    plain = "".join(f"<p>{html.escape(line)}</p>" for line in lines if not line.startswith("- "))
    items = "".join(f"<li>{html.escape(line[2:])}</li>" for line in lines if line.startswith("- "))
    return plain + (f"<ul>{items}</ul>" if items else "")
