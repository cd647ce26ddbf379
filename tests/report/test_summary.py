"""The summary table and the page."""

import numpy as np
import pytest
from matplotlib.figure import Figure as MplFigure

import bayesmap
from bayesmap.report import Figure, Section, measurement, render_page, save_figures, summary_rows, summary_text
from bayesmap.report.analysis import _typeset
from tests.plot.conftest import make_dataset, make_tree


@pytest.mark.parametrize(
    ("mean", "sd", "text"),
    [
        (2.2181, 0.0268, "2.218 +- 0.027"),
        (24.53012, 0.00123, "24.5301 +- 0.0012"),
        (-0.3, 0.05, "-0.300 +- 0.050"),
        (1.02e-12, 5.3e-14, "(1.020 +- 0.053)e-12"),
        (1e-14, 3e-13, "(0.1 +- 3.0)e-13"),
        (123456.0, 789.0, "(1.2346 +- 0.0079)e+05"),
        (1000.0, 250.0, "1000 +- 250"),
        (5.0, 0.0, "5.000 +- 0.000"),
        (0.0, 0.0, "0.000 +- 0.000"),
    ],
)
def test_measurement(mean, sd, text):
    assert measurement(mean, sd) == text


def test_rows_and_text():
    dataset = make_dataset()
    tree = make_tree(dataset)
    rows = summary_rows(tree, {"source.index": 2.2})
    draws = tree["posterior"]["source.index"].to_numpy()
    assert rows[0].name == "source.index"
    np.testing.assert_allclose([rows[0].mean, rows[0].sd], [draws.mean(), draws.std(ddof=1)])
    np.testing.assert_allclose(rows[0].pull, (draws.mean() - 2.2) / draws.std(ddof=1))
    assert rows[1].pull is None
    lines = summary_text(rows).splitlines()
    assert len(lines) == 2 + len(rows)
    assert lines[0].endswith("pull")
    assert "truth" not in summary_text(summary_rows(tree))


def test_summary_prints_what_matters():
    """Value and error to the digits of the error, with units; the numbers as a table; HTML for notebooks."""
    tree = make_tree(make_dataset())
    summary = bayesmap.summary(tree)
    text = str(summary)
    assert text == summary_text(summary_rows(tree)) == repr(summary)
    assert "source.index" in text
    table = summary.to_table()
    assert list(table["name"]) == list(tree["posterior"].data_vars)
    np.testing.assert_allclose(table["mean"][0], float(tree["posterior"]["source.index"].mean()))
    assert summary._repr_html_().count("<tr>") == 1 + len(table)


def test_typeset():
    assert _typeset("(1.02 +- 0.05)e-12") == "(1.02 ± 0.05) × 10⁻¹²"
    assert _typeset("(3.00)e-13") == "3.00 × 10⁻¹³"
    assert _typeset("-0.32 .. 0.10") == "−0.32 to 0.10"


def test_page_holds_everything_and_escapes(tmp_path):
    figure = Figure.from_matplotlib(MplFigure(), "nothing")
    sections = [
        Section("A <b>", "one\ntwo", ("x",), [["<script>"]], [figure], "code & more"),
        Section("Empty"),
    ]
    page = render_page("Title", sections, "below", "end")
    assert "<p>one</p>" in page
    assert "A &lt;b&gt;" in page
    assert "&lt;script&gt;" in page
    assert "code &amp; more" in page
    assert figure.source in page
    [path] = save_figures({"nothing": figure}, tmp_path)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_page_can_be_printed_and_read_on_a_phone():
    """Nothing is wider than the page: tables and wide pictures are in containers that scroll; headings stay with text.

    Seen in Chromium at widths of 360, 768 and 1280 pixels and as PDF; these are the rules that made it right.
    """
    pictures = []
    for width in (6.0, 10.0):
        picture = MplFigure(figsize=(width, 2))
        picture.subplots()
        pictures.append(Figure.from_matplotlib(picture, f"{width:g} inches wide"))
    assert [picture.is_wide for picture in pictures] == [False, True]
    sections = [Section("Numbers", "text", ["a"], [["1"]], pictures), Section("Models", code="yaml")]
    page = render_page("page", sections)
    body = page.partition("<body>")[2]
    assert body.count("<table") == body.count('<div class="scroll" tabindex="0"><table') == 1
    assert body.count("<img") == body.count('<div class="scroll"><img') == 2
    assert body.count('<img class="wide"') == 1
    assert body.count('<section class="folded">\n<h2>Models') == 1, "a heading alone is not printed"
    style = page.partition("<style>")[2].partition("</style>")[0]
    printed = style.partition("@media print {")[2]
    for rule in ("h2 + p, .subtitle { break-after: avoid", "p, figure, table, tr, pre { break-inside: avoid",
                 "white-space: normal", ".scroll { overflow: visible", "details, .folded { display: none"):  # fmt: skip
        assert rule in printed
    assert "@page { size: A4" in style
    assert 'name="viewport"' in page
