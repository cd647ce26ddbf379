"""Names of models and datasets: what a result can hold is taken, what it cannot is refused at once."""

import numpy as np
import pytest
import xarray as xr

from bayesmap import load, save
from bayesmap._util import make_name
from bayesmap.datasets import MapDataset
from bayesmap.errors import ModelFileError
from bayesmap.modeling import FoVBackgroundModel, HyperParameter, Models, Prior, SkyModel
from bayesmap.report.page import Figure, Section, render_page

WRONG = ["", "a/b", "a<b", "a>b", "a#b", "a$b", "a\nb", "a\x00b", "a\x7fb", " b", "-b", "+b", "(b", "*", ".b", "b ",
         "e\u0301", "\ud800", "a" * 151, "é" * 76]  # fmt: skip
RIGHT = [
    "3C 273",
    "HESS J1825-137",
    "4FGL J0534.5+2201i",
    "_a",
    "Réticule",
    "中",
    "a" * 150,
    "a 'b' \"c\" & d; [e] {f}",
]


def characters():
    """Names with each printable ASCII character and some others, in the middle and at the beginning."""
    for code in (*range(32, 127), 0xE9, 0x3B1, 0x4E2D, 0x1F600):
        yield from (f"a{chr(code)}b", f"{chr(code)}b")


def accepted(name):
    try:
        return make_name(name) == name
    except ValueError:
        return False


def test_a_file_holds_every_accepted_name(tmp_path):
    names = [name for name in (*characters(), *RIGHT) if accepted(name)]
    assert len(names) > 150
    draws = (("chain", "draw"), np.zeros((1, 2)))
    group = xr.Dataset({f"{name}.spectral.amplitude": draws for name in names})
    counts = xr.Dataset({f"{name}.counts": ((f"{name}_energy",), np.zeros(1)) for name in names})
    save(xr.DataTree.from_dict({"posterior": group, "observed_data": counts}), tmp_path / "posterior.nc")
    back = load(tmp_path / "posterior.nc")
    assert list(back["posterior"].data_vars) == list(group.data_vars)
    assert list(back["observed_data"].data_vars) == list(counts.data_vars)


@pytest.mark.parametrize("name", RIGHT)
def test_names_that_are_taken(name):
    assert SkyModel.create("pl", name=name).name == name
    assert Models([SkyModel.create("pl", name=name)]).copy().names == [name]


@pytest.mark.parametrize("name", WRONG)
def test_names_that_are_refused_when_they_are_given(name):
    with pytest.raises(ValueError, match="name .* a name must not be empty or contain '/', '<'.*begins with a letter"):
        SkyModel.create("pl", name=name)
    with pytest.raises(ValueError, match="no result could be stored"):
        MapDataset(name=name)
    with pytest.raises(ValueError, match="no result could be stored"):
        HyperParameter(name, Prior("Normal", mu=0, sigma=1))
    with pytest.raises(ValueError, match="no result could be stored"):
        FoVBackgroundModel(dataset_name="d", name=name)
    with pytest.raises(ValueError, match="no result could be stored"):
        SkyModel.create("pl", name="a").copy(name=name)


def test_names_in_model_files_are_refused_at_their_place():
    text = Models([SkyModel.create("pl", name="abc")]).to_yaml().replace("abc", '"a<script>"')
    with pytest.raises(ModelFileError, match=r"line .*components\[0\].*'a<script>' contains < >"):
        Models.from_yaml(text)


def test_what_stands_in_a_page_is_escaped():
    evil = "\"><script>alert('&')</script>"
    section = Section(evil, evil, [evil], [[evil]], [Figure(b"", evil)], evil)
    page = render_page(evil, [section], evil, evil)
    assert "<script>" not in page
    assert page.count("&lt;script&gt;") == 11
    assert 'alt="&#34;&gt;' in page
