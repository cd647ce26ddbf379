"""The directive ``command-line``: every command of ``bayesmap`` with what ``--help`` says."""

import argparse
import os

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from bayesmap.cli.main import build_parser


def commands(parser):
    """A parser and those of its commands, depth first."""
    yield parser
    for action in parser._subparsers._group_actions if parser._subparsers else ():
        if isinstance(action, argparse._SubParsersAction):
            for one in action.choices.values():
                yield from commands(one)


class CommandLine(SphinxDirective):
    """A section per command."""

    def run(self):
        """Return the sections."""
        os.environ["COLUMNS"], before = "100", os.environ.get("COLUMNS")
        try:
            return [self.section(parser) for parser in list(commands(build_parser()))[1:]]
        finally:
            os.environ.pop("COLUMNS") if before is None else os.environ.update(COLUMNS=before)

    def section(self, parser):
        """A title and the help text."""
        text = parser.format_help().rstrip()
        section = nodes.section(ids=[nodes.make_id(parser.prog)], names=[parser.prog])
        section += nodes.title("", parser.prog)
        section += nodes.literal_block(text, text, language="text")
        return section


def setup(app):
    """Register with Sphinx."""
    app.add_directive("command-line", CommandLine)
    return {"parallel_read_safe": True}
