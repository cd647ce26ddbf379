"""Run a notebook of the tutorials and store it with its outputs, small and without traces of the machine.

GAMMAPY_DATA=/path/to/gammapy-data python docs/run_notebook.py docs/tutorials/datasets.ipynb
"""

import argparse
import base64
import io
import re
import tempfile

import nbformat
from nbclient import NotebookClient
from PIL import Image

#: colours of a stored picture
COLORS = 128


def smaller(png):
    """A picture with a palette, base64 in and out."""
    image = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    stored = io.BytesIO()
    image.quantize(COLORS, dither=Image.Dither.NONE).save(stored, "png", optimize=True)
    return base64.b64encode(stored.getvalue()).decode()


def tidy(outputs):
    """Join what was printed in pieces, and remove what differs from run to run."""
    tidied = []
    for output in outputs:
        if tidied and output.output_type == tidied[-1].output_type == "stream" and output.name == tidied[-1].name:
            tidied[-1].text += output.text
            continue
        data = output.get("data", {})
        if "image/png" in data:
            data["image/png"] = smaller(data["image/png"])
        for kind in data.keys() & {"text/html"}:
            data[kind] = re.sub(r'id="table\d+"', 'id="table"', data[kind])
        tidied.append(output)
    return tidied


def main():
    """Run the notebook in place."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebook")
    path = parser.parse_args().notebook
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        NotebookClient(notebook, timeout=600, kernel_name="python3", resources=resources).execute()
    notebook.metadata["language_info"] = {"name": "python"}
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = tidy(cell.outputs)
    nbformat.write(notebook, path)


if __name__ == "__main__":
    main()
