"""Run the code of a tutorial and render its figures, so that text and pictures come from the same lines.

    python docs/make_figures.py docs/tutorials/cta_gc.md FOLDER_WITH_THE_DATA

The Python blocks of the page run one after the other in the folder given. When a block has drawn something, the figure
is saved under the name of the next picture in the page. What the blocks print appears on standard output.
"""

import argparse
import io
import os
import re
import sys
import time
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
from PIL import Image

PATTERN = re.compile(r"^```python\n(?P<code>.*?)^```$|^!\[.*?\]\((?P<picture>.*?)\)", re.DOTALL | re.MULTILINE)
COLORS = 128  # of the palette: enough for plots, and a third of the size


def steps(text):
    """Return the code blocks of a page, each with the picture that follows before the next block, or None."""
    found = []
    for match in PATTERN.finditer(text):
        if match["code"] is not None:
            found.append([match["code"], None])
        elif found and found[-1][1] is None:
            found[-1][1] = match["picture"]
    return found


def save(path):
    """Save the last figure as a small PNG and close all."""
    buffer = io.BytesIO()
    plt.gcf().savefig(buffer, dpi=75, bbox_inches="tight")
    plt.close("all")
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.open(buffer).convert("RGB").quantize(COLORS).save(path, optimize=True)


def main():
    """Run the page named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("page", type=Path)
    parser.add_argument("data", type=Path)
    options = parser.parse_args()
    page = options.page.resolve()
    os.chdir(options.data)
    namespace = {"__name__": "__tutorial__"}
    for number, (code, picture) in enumerate(steps(page.read_text()), start=1):
        started = time.perf_counter()
        exec(compile(code, f"{page.name}, block {number}", "exec"), namespace)
        sys.stdout.write(f"--- block {number}: {time.perf_counter() - started:.1f} s, picture: {picture}\n")
        sys.stdout.flush()
        if plt.get_fignums():
            if picture is None:
                raise SystemExit(f"block {number} draws, but no picture follows it in the page")
            save(page.parent / picture)
        elif picture is not None:
            raise SystemExit(f"block {number} draws nothing, but {picture} follows it in the page")


if __name__ == "__main__":
    main()
