"""The pages of docs/examples: short, complete, with the pictures that they draw, and run here."""

import contextlib
import io
import re
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

from bayesmap import savage_dickey
from tests.golden import shared_path

FOLDER = Path(__file__).parents[1] / "docs" / "examples"
PAGES = {path.stem: path for path in sorted(FOLDER.glob("*.md")) if path.stem != "index"}
#: what a page reads, as `bayesmap download` lays it, and where it is here
DATA = {
    "joint-crab": ("joint-crab",),
    "coadd.fits": ("cellcoadd", "coadd.fits"),
    "crab-23523.fits.gz": ("hess-dl3-dr1-reduced", "crab-23523.fits.gz"),
    "crab-spectrum-onoff": ("hess-dl3-dr1-reduced", "crab-spectrum-onoff"),
}
#: numbers that are smaller here than on the page, so that it takes less time: ``% in tests: 200 -> 5``
SMALLER = re.compile(r"^% in tests: (\d+) -> (\d+)$", re.MULTILINE)
sys.path.insert(0, str(FOLDER.parent))

from make_figures import PATTERN, steps  # noqa: E402


def draws(ns, name):
    return ns["tree"]["posterior"][name].to_numpy()


def near(ns, name, truth, pull=4.0):
    """The truth is within some standard deviations of the posterior mean."""
    values = draws(ns, name)
    assert abs(values.mean() - truth) < pull * values.std(), name


def quick_look(ns, text):
    for name, truth in {"index": 2.4, "amplitude": 1e-12, "lon_0": 24.53, "lat_0": 0.24}.items():
        near(ns, f"bright.{name}", truth)


def extended_source(ns, text):
    for name, truth in {"index": 2.2, "amplitude": 2e-12, "sigma": 0.18}.items():
        near(ns, f"nebula.{name}", truth)


def joint(ns, text):
    """The published fit of five instruments (Nigro et al. 2019): beta is per decade there."""
    near(ns, "crab.amplitude", 3.85e-11)
    near(ns, "crab.alpha", 2.505)
    near(ns, "crab.beta", 0.236 / np.log(10))


def dark_matter(ns, text):
    """With no excess the limit is that of the background: 2 to 4 standard deviations of its fluctuations."""
    unit = ns["dataset"].npred_signal().data.sum() / ns["wimp"].spectral_model.norm.value
    limit = np.quantile(draws(ns, "wimp.norm"), 0.95)
    assert 0 < limit < 4 * np.sqrt(ns["dataset"].background.data.sum()) / unit
    assert f"{limit:.0f} times" in text


def pymc_term(ns, text):
    """The flux between 1 and 10 TeV lies between that of the counts (1.49e-12 here) and that of the term, 1.4e-12."""
    index, amplitude = draws(ns, "bright.index"), draws(ns, "bright.amplitude")
    flux = amplitude * (10 ** (2 - index) - 1) / (2 - index)
    assert 1.42e-12 < flux.mean() < 1.475e-12


def coadd(ns, text):
    """The scene that was drawn, see truth.json beside the file."""
    for name, truth in {"star": 6000, "faint": 705.13, "bright": 13591.2}.items():
        near(ns, f"{name}.flux", truth, pull=5)


def checks(ns, text):
    assert "an excess of 12" in text
    assert "l = 24.900 deg, b = -0.540 deg" in text


def flux_points(ns, text):
    """Six of nine points within two errors of the reference, which is close to the published fit."""
    points = ns["points"]["crab"]
    pulls = (points.norm.data.ravel() - 1) / points.norm_err.data.ravel()
    assert np.sum(np.abs(pulls[:8]) < 2) >= 6


def light_curve(ns, text):
    """The truth of all runs within 3.5 errors."""
    curve = ns["curve"]["source"]
    truth = np.array([1, 1, 1, 2, 4, 7, 5, 3, 2, 1.5, 1, 1])
    assert np.all(np.abs(curve.norm.data.ravel() - truth) < 3.5 * curve.norm_err.data.ravel())


def crab_map(ns, text):
    """The fit of the four runs (Aharonian et al. 2006): the flux at 1 TeV, and a nebula far smaller than the PSF."""
    near(ns, "nebula.amplitude", 3.84e-11)
    near(ns, "nebula.index", 2.6)
    assert draws(ns, "nebula.sigma").mean() < 0.03
    assert "None of 8 checks" in text
    assert list(ns["points"]["nebula"].is_ul.data.ravel()) == [False, False, True, True]
    assert Path("residuals.png").stat().st_size > 10_000


def compare_spectra(ns, text):
    """The power law is a case of the log parabola: the ratio of the densities of beta at zero says the same."""
    density = savage_dickey(ns["tree"], "crab.beta", 0)
    found = ns["odds"]["log parabola"].log_z - ns["odds"]["power law"].log_z
    assert abs(found + density.log) < 4 * density.error + 0.1
    assert set(ns["grouped"]) == {"power law", "log parabola"}


def light_curve_limits(ns, text):
    """Fluxes of the steady nebula above 1 TeV, and limits above 10 TeV."""
    curve = ns["curve"]["crab"]
    flux, error = (getattr(curve, name).quantity[:, 0].to_value("cm-2 s-1").ravel() for name in ("flux", "flux_err"))
    assert np.all(np.abs(flux - 2.6e-11) < 4 * error)
    assert np.all(curve.is_ul.data[:, 1])
    assert not np.any(curve.is_ul.data[:, 0])


def limits(ns, text):
    """A flat prior over about normal counts: the 95 % quantile of a normal distribution cut at zero."""
    values = draws(ns, "source.amplitude")
    assert np.quantile(values, 0.95) < 3 * values.std() + values.mean()
    assert "source.amplitude is below" in text


CHECKS = {
    "crab-map": crab_map,
    "compare-spectra": compare_spectra,
    "light-curve-limits": light_curve_limits,
    "flux-points": flux_points,
    "light-curve": light_curve,
    "limits": limits,
    "quick-look": quick_look,
    "extended-source": extended_source,
    "onoff-spectrum": lambda ns, text: near(ns, "crab.alpha", 2.505),
    "joint-instruments": joint,
    "dark-matter": dark_matter,
    "own-model": lambda ns, text: near(ns, "bright.bump", 0.0),
    "pymc-term": pymc_term,
    "coadd": coadd,
    "checks": checks,
    "study": lambda ns, text: text.startswith("5 simulations, 0 failed"),
}


def code_lines(text):
    """Statements of a page's code that are no imports, as lines."""
    code = "\n".join(code for code, _ in steps(text))
    code = re.sub(r"^(from|import) .*?(\(\n.*?\n\)|)$", "", code, flags=re.MULTILINE | re.DOTALL)
    return [line for line in code.splitlines() if line.strip() and not line.strip().startswith(("#", '"""'))]


def run(page, folder, monkeypatch):
    """Run a page in a folder; its names, and what it printed."""
    for name, source in DATA.items():
        (folder / name).symlink_to(shared_path("data", *source))
    monkeypatch.chdir(folder)
    text, namespace, printed = page.read_text(), {"__name__": page.stem}, io.StringIO()
    for code, picture in steps(text):
        for large, small in SMALLER.findall(text):
            code = re.sub(rf"\b{large}\b", small, code)
        plt.close("all")
        with contextlib.redirect_stdout(printed):
            exec(compile(code, page.name, "exec"), namespace)
        assert bool(plt.get_fignums()) == (picture is not None), code
        for number in plt.get_fignums():
            plt.figure(number).canvas.draw()
    return namespace, printed.getvalue()


def words(text):
    """The words of an output without its numbers, which differ a little from machine to machine."""
    return re.findall(r"[A-Za-z_][\w.-]*", text)


@pytest.mark.parametrize("name", PAGES)
def test_page_runs(name, tmp_path, monkeypatch):
    namespace, printed = run(PAGES[name], tmp_path, monkeypatch)
    shown = "\n".join(re.findall(r"^```text\n(.*?)^```", PAGES[name].read_text(), re.MULTILINE | re.DOTALL))
    assert bool(printed.strip()) == bool(shown.strip())
    if not SMALLER.search(PAGES[name].read_text()):
        assert words(printed) == words(shown)
    CHECKS.get(name, lambda *_: None)(namespace, printed)


@pytest.mark.parametrize("name", PAGES)
def test_page_is_short_and_has_its_pictures(name):
    text = PAGES[name].read_text()
    assert len(code_lines(text)) <= 20, code_lines(text)
    pictures = [match["picture"] for match in PATTERN.finditer(text) if match["picture"]]
    assert pictures
    for picture in pictures:
        assert 1000 < (FOLDER / picture).stat().st_size < 100_000


def test_every_picture_is_shown():
    shown = {m["picture"] for page in PAGES.values() for m in PATTERN.finditer(page.read_text())}
    assert {f"figures/{path.name}" for path in (FOLDER / "figures").iterdir()} == shown - {None}


def test_checks_belong_to_pages():
    assert set(CHECKS) <= set(PAGES)
