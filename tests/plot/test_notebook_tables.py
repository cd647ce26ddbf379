"""What notebooks show in place of a text."""

import html
import re

from bayesmap._html import html_table, html_text
from bayesmap.datasets import Datasets
from bayesmap.inference import convergence_report
from bayesmap.inference.evidences import BayesFactor
from bayesmap.inference.result import ModeResult
from bayesmap.modeling import Models, Prior


def cells(text):
    """Cells of all rows, as plain text."""
    rows = re.findall(r"<tr>(.*?)</tr>", text)
    return [[html.unescape(cell) for cell in re.findall(r"<t[dh]>(.*?)</t[dh]>", row)] for row in rows]


def test_tables_and_texts_are_escaped():
    assert cells(html_table(("a",), [("<b> & c",)])) == [["a"], ["<b> & c"]]
    assert "<b>" not in html_table(("a",), [("<b>",)], "<b>")
    assert html_text("one\n- two & <i>\n") == "<p>one</p><ul><li>two &amp; &lt;i&gt;</li></ul>"


def test_models(dataset):
    models = Models(list(dataset.models)).copy()
    model = models["source"]
    model.spectral_model.index.prior = Prior("Normal", mu=2, sigma=0.5)
    model.spectral_model.index.error = 0.1
    rows = {row[0]: row for row in cells(model._repr_html_())}
    assert rows["index"] == ["index", "2.2 ± 0.1", "", "", model.spectral_model.index.prior.summary]
    assert rows["reference"][2:4] == ["TeV", "frozen"]
    assert model._repr_html_() in models._repr_html_()
    assert "<h4>PowerLawSpectralModel</h4>" in model.spectral_model._repr_html_()
    assert len(re.findall("<h4>", models._repr_html_())) == len(models)


def test_maps_and_datasets(dataset):
    rows = dict(cells(dataset.counts._repr_html_()))
    assert rows["shape"] == "(12, 10, 3)"
    assert all(f"{key:<5} : {value}" in str(dataset.counts) for key, value in rows.items())
    assert cells(Datasets([dataset])._repr_html_())[1][1::2] == ["tiny", "source, tiny-bkg"]


def test_results(tree):
    report = convergence_report(tree)
    assert html.escape(str(report).splitlines()[0]) in report._repr_html_()
    factor = BayesFactor(2.0, 0.1, ("rough",))
    assert factor._repr_html_() == f"<p>{factor.sentence}</p><ul><li>rough</li></ul>"


def test_modes():
    names = ModeResult.__dataclass_fields__
    mode = object.__new__(ModeResult)
    given = {"values": {"a.index": 2.0}, "errors": {"a.index": 0.25}, "units": {"a.index": "deg"}}
    for name in names:
        object.__setattr__(mode, name, given.get(name, {}))
    assert cells(mode._repr_html_())[1] == ["a.index", "2 ± 0.25", "deg"]
