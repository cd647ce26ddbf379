"""The report of the demonstration in headless Chromium: at three widths, and printed on A4.

Runs where Chromium and poppler are found. `BAYESMAP_CHROMIUM` names a Chromium; where it is set, neither may be absent.
"""

import numpy as np
import pytest
from matplotlib.figure import Figure as MplFigure

from bayesmap.datasets.demo import demo_dataset
from bayesmap.report import Figure, Section, render_page, write_report
from tests.report.chromium import Printed, chromium, layouts, print_page
from tests.results import made_up_result

WIDTHS = (390, 820, 1440)
#: letters of headings, in the units of poppler, are larger than those of all else
HEADING = 20


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The page, a table beside the truth included."""
    chromium()
    folder = tmp_path_factory.mktemp("report")
    dataset = demo_dataset(1)
    tree = made_up_result(dataset)
    return write_report(tree, dataset, folder, title="demo", true_models=dataset.models.copy())


def wide_faults(layout):
    """What is wrong with a page at one width."""
    found = [f"beyond the edge: {what}" for what in layout["beyond"]]
    if layout["scroll_width"] > layout["width"]:
        found.append("the page scrolls sideways")
    found += [f"picture {i} is not shown" for i, width in enumerate(layout["pictures"]) if not width]
    return found + layout["faults"] + [f"fetched: {address}" for address in layout["fetched"]]


def headings_of(sheets):
    """Large text by sheet, with its upper edge."""
    return [(sheet, text, top) for sheet in sheets for text, top, size in sheet.lines if size > HEADING]


def printed_faults(sheets, number):
    """What is wrong with a printed page that has so many pictures."""
    shown = [(sheet, *edges) for sheet in sheets for edges in sheet.pictures]
    found = [] if len(shown) == number else [f"{len(shown)} pictures for {number}: one is cut or missing"]
    for sheet, top, bottom in shown:
        if top < 0 or bottom > sheet.height:
            found.append(f"a picture from {top:g} to {bottom:g} on a sheet of {sheet.height:g}")
        elif not sheet.below(bottom):
            found.append("a picture without its caption")
    for sheet, text, top in headings_of(sheets):
        if not sheet.below(top + HEADING):
            found.append(f"a heading alone at the foot: {text}")
    return found


def test_nothing_is_wider_than_the_window(report, tmp_path):
    """No scrolling of the page, no picture missing, nothing in the console, nothing fetched."""
    page = report.read_text(encoding="utf-8")
    for width, layout in zip(WIDTHS, layouts(page, WIDTHS, tmp_path), strict=True):
        assert layout["width"] == width
        assert len(layout["pictures"]) == len(list(report.parent.glob("*.png"))) == 11
        assert wide_faults(layout) == []
        if width > 1000:
            assert layout["scrolling"] == [], "tables fit a desk without scrolling"


def test_print_on_a4(report, tmp_path):
    sheets, console = print_page(report, tmp_path)
    assert console == []
    assert {(sheet.width, sheet.height) for sheet in sheets} == {(892.0, 1262.0)}, "A4, at 1.5 to a point"
    assert printed_faults(sheets, number=11) == []
    titles = [text for _, text, _ in headings_of(sheets)]
    assert titles == [
        "demo", "Result", "Can it be trusted?", "Is the model right?", "Data and prediction", "Correlations",
        "Priors", "Dataset",
    ]  # fmt: skip
    for head in ("mean ± sd", "posterior at"):
        texts = [[text for text, _, _ in sheet.lines] for sheet in sheets]
        [lines] = [lines for lines in texts if any(head in text for text in lines)]  # a cut table repeats its head
        assert any("cta-like-bkg.norm" in text for text in lines), "the last row is on the same sheet"


def picture(height):
    """So many inches."""
    figure = MplFigure(figsize=(6.0, height))
    figure.subplots().plot(np.arange(3))
    return Figure.from_matplotlib(figure, "a picture")


def test_faults_of_pages_are_noticed(tmp_path):
    """Else the tests above could not fail."""
    good = render_page("page", [Section("Numbers", "text", ["a"], [["1"]], [picture(2)])])
    assert [wide_faults(layout) for layout in layouts(good, (390, 1440), tmp_path)] == [[], []]
    additions = {
        '<p style="white-space: nowrap">' + "long " * 60 + "</p>": ["the page scrolls"],
        '<p style="width: 30rem">wide</p>': ["the page scrolls", "beyond the edge: P wide"],
        '<img src="https://example.org/a.png">': ["asks for https://example.org", "is not shown", "error: IMG"],
        '<script src="other.js"></script>': ["other.js"],
        "<script>console.error('oh'); undefined.x</script>": ["console: oh", "error: Uncaught TypeError"],
        '<img src="data:image/png;base64,iVBORw0KGgo=">': ["is not shown"],
    }
    for addition, expected in additions.items():
        [layout] = layouts(good.replace("</body>", addition + "</body>"), (390,), tmp_path)
        told = wide_faults(layout)
        for words in expected:
            assert any(words in fault for fault in told), (addition, told)


def test_faults_of_print_are_noticed(tmp_path):
    page = render_page("page", [Section("Numbers", "text", figures=[picture(14)]), Section("Last", "end")])
    space = '<div style="height: {}mm"></div>'
    whole = (
        "<style>@media print { img { max-height: none !important; } figure { break-inside: auto !important; } }</style>"
    )
    plain = page.replace("break-after: avoid", "break-after: auto").replace("<figure>", "<!--")
    alone = plain.replace("</figure>", "-->").replace(
        "<h2>Last</h2>", space.format(190) + "<h2>Last</h2>" + space.format(60)
    )
    pages = {
        "page": page,
        "cut": page.replace("</head>", whole + "</head>"),
        "alone": alone,
        "console": page.replace("</body>", "<script>console.error('oh')</script></body>"),
    }
    told = {}
    for name, text in pages.items():
        folder = tmp_path / name
        folder.mkdir()
        path = folder / "page.html"
        path.write_text(text, encoding="utf-8")
        sheets, written = print_page(path, folder)
        told[name] = printed_faults(sheets, text.count("<img") - text.count("<!--")) + written
    assert told["page"] == []
    assert any("picture" in fault for fault in told["cut"])
    assert told["alone"] == ["a heading alone at the foot: Last"]
    assert len(told["console"]) == 1
    assert "oh" in told["console"][0]


def test_printed_faults():
    """Of sheets as they are not found."""
    assert printed_faults([Printed(892, 1262, [(64, 800)], [("caption", 810, 13)])], 1) == []
    assert printed_faults([Printed(892, 1262, [(64, 800)], [("text", 20, 13)])], 1) == ["a picture without its caption"]
    assert len(printed_faults([Printed(892, 1262, [(64, 1300)])], 1)) == 1
    assert len(printed_faults([Printed(892, 1262)], 1)) == 1
    assert len(printed_faults([Printed(892, 1262, [], [("text", 20, 13), ("Alone", 1100, 22)])], 0)) == 1
