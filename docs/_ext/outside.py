"""Links to the documentation of other packages, by the rule that its addresses follow: no inventory is fetched."""

import re

from docutils import nodes

#: what a name looks like, and where it is described; the first that fits
PLACES = [
    (
        r"numpy\.(ndarray|pad|mean|any|nansum|logical_or)",
        "https://numpy.org/doc/stable/reference/generated/{name}.html",
    ),
    (r"numpy\.random\.Generator", "https://numpy.org/doc/stable/reference/random/generator.html"),
    (
        r"astropy\.(units|coordinates|table|time|wcs|nddata)\.[A-Z]\w*",
        "https://docs.astropy.org/en/stable/api/{name}.html",
    ),
    (r"astropy\.io\.fits\.[A-Z]\w*", "https://docs.astropy.org/en/stable/io/fits/index.html"),
    (r"astropy\.visualization\.wcsaxes\.WCSAxes", "https://docs.astropy.org/en/stable/api/{name}.html"),
    (r"regions\.[A-Z]\w*Region", "https://astropy-regions.readthedocs.io/en/stable/api/{name}.html"),
    (r"xarray\.(DataTree|Dataset|DataArray)", "https://docs.xarray.dev/en/stable/generated/{name}.html"),
    (r"scipy\.\w+\.\w+", "https://docs.scipy.org/doc/scipy/reference/generated/{name}.html"),
    (r"matplotlib\.axes\.Axes(\.\w+)?", "https://matplotlib.org/stable/api/_as_gen/{name}.html"),
    (r"pymc\.\w+", "https://www.pymc.io/projects/docs/en/stable/api.html"),
    (r"arviz\.\w+", "https://python.arviz.org/en/stable/api/index.html"),
]


def address(name):
    """Where a name is described, or None."""
    return next((where.format(name=name) for pattern, where in PLACES if re.fullmatch(pattern, name)), None)


def link(app, env, node, content):
    """A link in place of a name that is not of this package."""
    where = address(node.get("reftarget", ""))
    return None if where is None else nodes.reference("", "", content, internal=False, refuri=where)


def link_code(app, doctree, docname):
    """Names in the default role are literals when nothing is found: make these links, too."""
    for literal in list(doctree.findall(nodes.literal)):
        where = address(literal.astext()) if not isinstance(literal.parent, nodes.reference) else None
        if where is not None:
            literal.replace_self(nodes.reference("", "", literal.deepcopy(), internal=False, refuri=where))


def setup(app):
    """Register with Sphinx."""
    app.connect("missing-reference", link)
    app.connect("doctree-resolved", link_code)
    return {"parallel_read_safe": True}
