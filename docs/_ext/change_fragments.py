"""Put the change fragments into the change log, grouped by kind."""

from pathlib import Path

KINDS = {
    "api": "Changes of the interface",
    "feature": "New",
    "fix": "Fixed",
    "perf": "Faster",
    "doc": "Documentation",
}
MARK = "<!-- fragments -->"


def assemble(folder):
    """Return the fragments ``<topic>.<kind>.md`` of a folder as one Markdown text.

    Raises
    ------
    ValueError
        For a file with another name, or an empty one.
    """
    groups = {kind: [] for kind in KINDS}
    for path in sorted(folder.glob("*.md")):
        topic, _, kind = path.stem.partition(".")
        text = " ".join(path.read_text().split())
        if kind not in KINDS or not text:
            raise ValueError(f"{path.name}: a fragment is called <topic>.<kind>.md, kind one of {sorted(KINDS)}")
        groups[kind].append(f"- {text}")
    parts = [f"### {KINDS[kind]}\n\n" + "\n".join(lines) for kind, lines in groups.items() if lines]
    return "\n\n".join(parts)


def on_source_read(app, docname, source):
    """Replace the mark in the change log."""
    if docname == "changelog":
        source[0] = source[0].replace(MARK, assemble(Path(app.srcdir) / "changes"))


def setup(app):
    """Register with Sphinx."""
    app.connect("source-read", on_source_read)
    return {"parallel_read_safe": True}
