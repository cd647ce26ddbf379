"""Pages of the user guide: every error message is that of the package, every example runs, formulas are right."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from scipy.special import gammaln, xlogy

from bayesmap import load
from bayesmap.likelihoods import OnOffLikelihood
from bayesmap.maps import WcsGeom
from bayesmap.stats import cash, wstat
from tests.golden import shared_path

GUIDE = Path(__file__).parents[1] / "docs" / "user-guide"


def blocks(page):
    return re.findall(r"^```python\n(.*?)^```$", (GUIDE / page).read_text(), re.MULTILINE | re.DOTALL)


PAGE, FIRST = (GUIDE / "how-to.md").read_text(), blocks("how-to.md")[0]
CASES = {
    title: (code, message.strip())
    for title, code, message in re.findall(
        r"^### (.*?)\n\n```python\n(.*?)^```\n\n```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL
    )
}


def test_all_sections_are_found():
    assert len(CASES) == PAGE.count("\n### ")


@pytest.mark.parametrize("title", CASES)
def test_message(title):
    code, message = CASES[title]
    namespace, said = {}, None
    exec(compile(FIRST, "how-to", "exec"), namespace)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            exec(compile(code, title, "exec"), namespace)
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
    given = [said] if said else [f"{one.category.__name__}: {one.message}" for one in caught]
    assert any(text.startswith(message) for text in given), given


def test_own_models(capsys):
    namespace = {"__name__": "own_models"}
    for code in blocks("own-models.md"):
        exec(compile(code, "own-models", "exec"), namespace)
    assert "nebula.core" in capsys.readouterr().out
    assert namespace["model"]("3 TeV").to_value("cm-2 s-1 TeV-1") == pytest.approx(1e-12)
    # within ten core radii are 100 / 101 of the flux, and the simulated Gaussian has a width of 0.18 deg
    shape = namespace["PlummerSpatialModel"](core="0.1 deg")
    geom = WcsGeom.create(skydir=(0, 0), binsz=0.01, width=2)
    distance = geom.separation(geom.center_skydir).deg
    assert shape.integrate_geom(geom).data[distance < 1].sum() == pytest.approx(100 / 101, abs=2e-3)
    assert 0.15 < namespace["mode"].values["nebula.core"] < 0.5


def test_script_beside_gammapys(tmp_path, monkeypatch, capsys):
    (theirs, ours) = [code for code in blocks("gammapy.md") if "joint-crab" in code]
    (tmp_path / "joint-crab").symlink_to(shared_path("data", "joint-crab"))
    monkeypatch.chdir(tmp_path)
    exec(compile(ours, "gammapy.md", "exec"), {})
    assert "crab.alpha" in capsys.readouterr().out
    assert "crab.beta" in load("crab.nc")["posterior"]
    same = [line for line in theirs.splitlines()[1:] if line and "import" not in line and "Fit" not in line]
    assert sum(line in ours for line in same) >= len(same) - 2


def test_formulas_of_the_page_on_statistics():
    """Cash, the background of the W statistic, and the marginal of the background as written there."""
    n, m, alpha, s, a0 = 4, 7, 0.3, 1.7, 0.5
    c = alpha * (n + m) - (alpha + 1) * s
    b = (c + np.sqrt(c**2 + 4 * alpha * (alpha + 1) * m * s)) / (2 * alpha * (alpha + 1))
    logp = scipy.stats.poisson.logpmf(n, s + alpha * b) + scipy.stats.poisson.logpmf(m, b)
    saturated = n - xlogy(n, n) + m - xlogy(m, m) + gammaln(n + 1) + gammaln(m + 1)
    assert wstat(n, m, alpha, s) == pytest.approx(-2 * (logp + saturated))
    assert cash(n, s) == pytest.approx(2 * (s - n * np.log(s)))
    k = np.arange(n + 1)
    terms = (
        xlogy(n - k, s)
        - s
        - gammaln(n - k + 1)
        + gammaln(m + a0 + k)
        - gammaln(m + a0)
        - gammaln(k + 1)
        + k * np.log(alpha)
        - (m + a0 + k) * np.log1p(alpha)
    )
    want = np.log(np.exp(terms).sum())
    got = OnOffLikelihood(a0=a0).pointwise(*map(one, (n, s)), counts_off=one(m), alpha=one(alpha))
    assert float(np.squeeze(got)) == pytest.approx(want, rel=1e-10)


def one(value):
    """A cube of one bin."""
    return np.full((1, 1, 1), float(value))
