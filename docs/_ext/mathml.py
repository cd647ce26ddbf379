"""Formulas as MathML, which browsers draw themselves: no script, no network. The conversion is that of docutils."""

from html import escape

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging

logger = logging.getLogger(__name__)


def converted(node, block):
    """A formula as MathML; one that cannot be converted is a warning, and stays as it is written."""
    text = node.astext().strip().replace(r"\middle", "")  # of bars, which docutils does not know
    if block and r"\begin" not in text and r"\\" in text:
        text = rf"\begin{{align}}{text}\end{{align}}"
    try:
        return tex2mathml(text, as_block=block)
    except (MathError, SyntaxError) as error:
        logger.warning("formula %r is not converted to MathML: %s", text, error, location=node)
        return f"<code>{escape(text)}</code>"


def inline(translator, node):
    """Write a formula inside a line."""
    translator.body.append(converted(node, block=False))
    raise nodes.SkipNode


def block(translator, node):
    """Write a formula of its own line."""
    translator.body.append(translator.starttag(node, "div", CLASS="math"))
    translator.body.append(converted(node, block=True) + "</div>\n")
    raise nodes.SkipNode


def setup(app):
    """Register with Sphinx."""
    app.add_html_math_renderer("mathml", inline_renderers=(inline, None), block_renderers=(block, None))
    return {"parallel_read_safe": True}
