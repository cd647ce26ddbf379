"""Pages in headless Chromium: laid out at several widths, and printed as PDF whose contents poppler tells."""

import functools
import html
import json
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from pathlib import Path

import pytest

__all__ = ["Printed", "chromium", "layouts", "print_page"]

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome-headless-shell")
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--disable-extensions",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
    "--enable-logging=stderr",
)  # fmt: skip

#: before all else in the page: nothing may be fetched, and what goes wrong is kept
GUARD = """<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:;
 style-src 'unsafe-inline'; script-src 'unsafe-inline'"><script>
window.faults = [];
addEventListener("error", e => faults.push("error: " + (e.message || e.target.tagName)), true);
addEventListener("securitypolicyviolation", e => faults.push("asks for " + e.blockedURI));
console.error = console.warn = (...words) => faults.push("console: " + words.join(" "));
</script>"""

#: The page in frames of several widths, as the window of a headless Chromium is never narrower than 500 pixels.
FRAMES = """<!DOCTYPE html><meta charset="utf-8"><body><script type="application/json" id="page">PAGE</script><script>
const page = JSON.parse(document.getElementById("page").textContent);
for (const width of WIDTHS) {
  const frame = document.createElement("iframe");
  frame.style = `width: ${width}px; height: 900px; border: 0`;
  frame.srcdoc = page;
  document.body.append(frame);
}
function measured(frame) {
  const inside = frame.contentDocument, width = inside.documentElement.clientWidth;
  const all = [...inside.body.querySelectorAll("*")], name = e => e.tagName + " " + e.textContent.slice(0, 40);
  const held = e => e.parentElement.closest(".scroll, pre");
  return {
    width: width,
    scroll_width: inside.documentElement.scrollWidth,
    beyond: all.filter(e => !held(e) && e.getBoundingClientRect().right > width + 0.5).map(name),
    scrolling: [...inside.querySelectorAll(".scroll")].filter(e => e.scrollWidth > e.clientWidth)
      .map(e => e.firstElementChild.tagName),
    pictures: [...inside.images].map(e => e.naturalWidth && e.getBoundingClientRect().width),
    faults: frame.contentWindow.faults,
    fetched: frame.contentWindow.performance.getEntriesByType("resource").map(e => e.name)
      .filter(name => !name.startsWith("data:")),
  };
}
addEventListener("load", () => {
  const told = document.createElement("pre");
  told.id = "told";
  told.textContent = JSON.stringify([...document.querySelectorAll("iframe")].map(measured));
  document.body.replaceChildren(told);
});
</script></body>"""


@functools.cache
def tool(*names: str) -> str:
    """Path of a program; skips the test where there is none, unless ``BAYESMAP_CHROMIUM`` says that there must be."""
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        missing = f"there is no {names[0]}: install the packages chromium and poppler-utils of the system"
        if os.environ.get("BAYESMAP_CHROMIUM"):
            pytest.fail(missing)
        pytest.skip(missing)
    return found


def chromium() -> str:
    """Path of a Chromium: that which ``BAYESMAP_CHROMIUM`` names, or one that is found."""
    return tool(os.environ.get("BAYESMAP_CHROMIUM") or NAMES[0], *NAMES[1:])


def run(folder: Path, *arguments: str) -> tuple[str, list[str]]:
    """Output of a Chromium with a profile of its own, and what the page wrote to the console."""
    command = [chromium(), *OPTIONS, f"--user-data-dir={folder / 'profile'}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True)
    return done.stdout, [line for line in done.stderr.splitlines() if ":CONSOLE" in line]


def layouts(page: str, widths: tuple[int, ...], folder: Path) -> list[dict]:
    """What a page looks like in windows of some widths, in pixels.

    Each is a dictionary: ``width`` and ``scroll_width`` of the page; the elements ``beyond`` its right edge, those in
    containers that scroll excepted; what is in containers that are ``scrolling``; shown widths of its ``pictures``, 0
    for one that could not be decoded; ``faults`` of scripts and forbidden requests; addresses that were ``fetched``.
    """
    guarded = page.replace("<head>", "<head>" + GUARD, 1)
    assert guarded != page
    frames = FRAMES.replace("WIDTHS", json.dumps(widths), 1).replace("PAGE", json.dumps(guarded).replace("</", r"<\/"))
    (folder / "frames.html").write_text(frames, encoding="utf-8")
    dom, console = run(folder, "--window-size=1600,1000", "--dump-dom", (folder / "frames.html").as_uri())
    told = re.search(r'<pre id="told">(.*?)</pre>', dom, re.DOTALL)
    assert told is not None, console
    return json.loads(html.unescape(told[1]))


@dataclass
class Printed:
    """One page of a PDF.

    Attributes
    ----------
    width, height : float
        Of the page, in units of poppler (1.5 to a point).
    pictures : list of tuple of float
        Upper and lower edge of each.
    lines : list of tuple
        Text, upper edge, size of the letters.
    """

    width: float
    height: float
    pictures: list[tuple[float, float]] = field(default_factory=list)
    lines: list[tuple[str, float, int]] = field(default_factory=list)

    def below(self, edge: float) -> int:
        """Number of lines and pictures that begin below an edge."""
        return sum(top > edge for _, top, _ in self.lines) + sum(top > edge for top, _ in self.pictures)


def print_page(path: Path, folder: Path) -> tuple[list[Printed], list[str]]:
    """Print a page, and tell what is on each sheet, and what the page wrote to the console."""
    pdf = folder / "page.pdf"
    _, console = run(folder, "--no-pdf-header-footer", f"--print-to-pdf={pdf}", path.as_uri())
    command = [tool("pdftohtml"), "-xml", "-q", "-hidden", "-fontfullname", str(pdf), str(folder / "printed")]
    subprocess.run(command, check=True, capture_output=True)
    root = ET.fromstring((folder / "printed.xml").read_text(encoding="utf-8"))
    sizes = {spec.get("id"): int(spec.get("size", 0)) for spec in root.iter("fontspec")}
    sheets = []
    for sheet in root.iter("page"):
        one = Printed(float(sheet.get("width", 0)), float(sheet.get("height", 0)))
        for each in sheet:
            top = float(each.get("top", 0))
            if each.tag == "image":
                one.pictures.append((top, top + float(each.get("height", 0))))
            elif each.tag == "text":
                one.lines.append(("".join(each.itertext()).strip(), top, sizes[each.get("font")]))
        sheets.append(one)
    return sheets, console
