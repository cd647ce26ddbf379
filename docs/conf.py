"""Configuration of the documentation; built with warnings as errors."""

import functools
import os
import posixpath
import re
import sys
from pathlib import Path

from sphinx.environment.adapters.toctree import global_toctree_for_doc

import bayesmap
from bayesmap.modeling.files.schema import schema_text

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "bayesmap"
author = "the bayesmap developers"
copyright = "2026, the bayesmap developers"
version = release = bayesmap.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "numpydoc",
    "myst_nb",
    "change_fragments",
    "command_line",
    "mathml",
    "model_gallery",
    "outside",
    "thumbnails",
    "zoo_page",
]
exclude_patterns = ["_build", "_templates", "_ext", "changes", "jupyter_execute", "**/.ipynb_checkpoints"]
templates_path = ["_templates"]

html_theme = "furo"
html_title = f"bayesmap {release}"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_js_files = ["copy.js"]
html_math_renderer = "mathml"

# The API pages list what a subpackage names in __all__, and nothing else.
autosummary_generate = True
autosummary_ignore_module_all = False
autosummary_imported_members = True
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_member_order = "groupwise"
autodoc_typehints = "none"
toc_object_entries = False
numpydoc_show_class_members = False
default_role = "autolink"

myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
# Pages that compute are run on request, because they need data: BAYESMAP_DOCS_EXECUTE=cache
nb_execution_mode = os.environ.get("BAYESMAP_DOCS_EXECUTE", "off")
nb_execution_raise_on_error = True
nb_execution_timeout = 600


def escape_names(app, what, name, obj, options, lines):
    """A plain word that ends in an underscore is the name of a parameter (``lambda_``), not a link."""
    for number, line in enumerate(lines):
        lines[number] = re.sub(r"(^|(?<=\s))([A-Za-z]\w*)_ (?= )", r"\2\\_", line)


@functools.cache
def folder_navigation(app, folder, options):
    """Contents of the whole documentation as a page of a folder sees them that is not in them."""
    tree = global_toctree_for_doc(app.env, f"{folder}/page", app.builder, tags=app.tags, **dict(options))
    return app.builder.render_partial(tree)["fragment"]


def share_navigation(app, pagename, templatename, context, doctree):
    """Give the pages of one folder of the API the same contents, which took most of a build when made for each."""
    folder = posixpath.dirname(pagename)
    if folder.startswith(("api/", "_modules")):
        context["toctree"] = lambda **options: folder_navigation(app, folder, frozenset(options.items()))


def setup(app):
    """Register with Sphinx, and write the schema of model files, which a page offers."""
    (Path(__file__).parent / "model-file.schema.json").write_text(schema_text(), encoding="utf-8")
    app.connect("autodoc-process-docstring", escape_names, priority=900)
    app.connect("html-page-context", share_navigation, priority=100)  # before the theme
