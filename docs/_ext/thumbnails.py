"""The directive ``thumbnails``: a card for each page that fits a pattern, with its first picture and its title.

Options: ``text`` adds the first sentence of the page; ``only`` names pages in an order, separated by blanks.
"""

import re
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective
from sphinx.util.matching import patfilter

PICTURE = re.compile(r"^!\[[^\]]*\]\((?P<md>[^)]+)\)|^\.\. image:: (?P<rst>\S+)", re.MULTILINE)


def parts(path):
    """Title, first sentence and first picture of a page in Markdown or reStructuredText; None where there is none."""
    text = path.read_text(encoding="utf-8")
    title = text.lstrip().splitlines()[0].lstrip("# ").strip()
    paragraph = " ".join(text.lstrip().split("\n\n")[1].split())
    found = PICTURE.search(text)
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)|`", r"\1", paragraph)
    return title, re.split(r"(?<=[.?:]) ", plain)[0].rstrip(":."), found and (found["md"] or found["rst"])


class Thumbnails(SphinxDirective):
    """Cards that lead to pages."""

    required_arguments = 1
    final_argument_whitespace = True
    option_spec = {"text": directives.flag, "only": directives.unchanged}

    def run(self):
        """Return one container with a card per page."""
        patterns = [self.env.relfn2path(pattern)[0] for pattern in self.arguments[0].split()]
        pages = sorted({page for pattern in patterns for page in patfilter(self.env.found_docs, pattern)})
        if "only" in self.options:
            by_name = {Path(page).name: page for page in pages}
            pages = [by_name[name] for name in self.options["only"].split()]
        cards = nodes.container(classes=["thumbnails"])
        cards += [self.card(page) for page in pages if page != self.env.docname]
        return [cards]

    def card(self, page):
        """Picture, title and perhaps a sentence, all of which are the link."""
        path = Path(self.env.doc2path(page))
        self.env.note_dependency(str(path))
        title, sentence, picture = parts(path)
        link = nodes.reference(internal=True, page=page)
        text = nodes.inline(classes=["doc"])
        if picture is not None:
            place = picture if picture.startswith("/") else f"/{Path(page).parent}/{picture}"
            text += nodes.image(uri=place, alt=title, loading="lazy")
        text += nodes.strong("", title)
        if "text" in self.options:
            text += nodes.inline("", sentence)
        link += text
        return nodes.paragraph("", "", link, classes=["thumbnail"])


def resolve(app, doctree, docname):
    """Give the links their addresses; a reference of Sphinx would keep nothing but the text."""
    for link in doctree.findall(nodes.reference):
        if "page" in link:
            link["refuri"] = app.builder.get_relative_uri(docname, link["page"])


def setup(app):
    """Register with Sphinx."""
    app.add_directive("thumbnails", Thumbnails)
    app.connect("doctree-resolved", resolve)
    return {"parallel_read_safe": True}
