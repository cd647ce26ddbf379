"""The examples of the user guide run."""

import re
import shutil
from pathlib import Path

from tests.images.conftest import data_file

PAGE = Path(__file__).parents[2] / "docs" / "user-guide" / "coadds.md"


def test_examples_of_the_user_guide(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(data_file("coadd.fits"), "coadd.fits")
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)
    names = {}
    for block in blocks:
        exec(block, names)
    printed = capsys.readouterr().out
    promised = [
        line.split("# ")[1].strip(" .")
        for block in blocks
        for line in block.splitlines()
        if "print(" in line and "# " in line
    ]
    assert len(promised) == 5
    for text in promised:
        assert text.removesuffix("...").strip() in printed
    sizes = {path.stem: path.stat().st_size for path in tmp_path.iterdir()}
    assert sizes.keys() == {"coadd", "new", "new-schema", "lossy", "r", "datasets", "scene"}
    assert (names["usable"].mean()).round(2) == 0.91
