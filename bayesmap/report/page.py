"""One HTML page without any outside files: text, tables and figures in base64."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING

import jinja2

if TYPE_CHECKING:
    import matplotlib.figure

__all__ = ["Figure", "Section", "render_page"]


@dataclass(frozen=True)
class Figure:
    """A picture with a caption.

    Attributes
    ----------
    png : bytes
        The picture.
    caption : str
        What it shows.
    """

    png: bytes
    caption: str

    @classmethod
    def from_matplotlib(cls, figure: "matplotlib.figure.Figure", caption: str, dpi: int = 110) -> "Figure":
        """Render a `~matplotlib.figure.Figure`; its layout is final then.

        ``savefig`` would draw a figure with a layout engine twice, the first time only to make the layout.
        """
        buffer = io.BytesIO()
        engine = figure.get_layout_engine()
        if engine is not None:
            figure.set_dpi(dpi)
            engine.execute(figure)
            figure.set_layout_engine("none")
        figure.savefig(buffer, format="png", dpi=dpi)
        return cls(buffer.getvalue(), caption)

    @property
    def source(self) -> str:
        """The picture as a data URL."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode("ascii")

    @property
    def is_wide(self) -> bool:
        """Whether it has several panels beside each other, which a phone cannot show at once: over 800 pixels."""
        return int.from_bytes(self.png[16:20], "big") > 800  # the header of a PNG: signature, length, "IHDR", width


@dataclass(frozen=True)
class Section:
    """A part of the page; what is empty is left out.

    Attributes
    ----------
    title : str
        Heading.
    text : str
        Paragraphs, separated by newlines.
    headings, rows : sequence
        A table: its headings and rows of cells.
    figures : sequence of Figure
        Pictures.
    code : str
        Text shown as it is, folded away.
    """

    title: str
    text: str = ""
    headings: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    figures: Sequence[Figure] = field(default=())
    code: str = ""

    @property
    def is_folded(self) -> bool:
        """Whether nothing of it is seen until it is unfolded; it is not printed."""
        return not (self.text or self.rows or self.figures)


def render_page(title: str, sections: Sequence[Section], subtitle: str = "", footer: str = "") -> str:
    """Return the HTML of a page.

    Parameters
    ----------
    title, subtitle, footer : str
        Plain text; it is escaped.
    sections : sequence of Section
        Contents in order.

    Returns
    -------
    str
        A complete page; it refers to no other file.
    """
    template = files("bayesmap.report").joinpath("page.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    page = environment.from_string(template)
    return page.render(title=title, subtitle=subtitle, sections=sections, footer=footer)
