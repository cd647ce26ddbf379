"""A scene of stars and galaxies on a coadd with a kernel for each cell, beside GalSim and pysersic.

    python benchmarks/scene.py --galsim PYTHON [--pysersic PYTHON] [--data FOLDER] [--repeats 30]

PYTHON is the interpreter of an environment that has the other program; neither is needed by bayesmap. FOLDER holds
``coadd.fits`` and ``truth.json``. The image of the true scene is drawn again and again, moved by a hundredth of a pixel
each time, on one thread: by bayesmap as a compiled function of all 96 parameters, also with the gradient of a sum of
pixels. Differences are given in standard deviations of the noise of each pixel. "Light lost" is the largest difference
of the sum over all cells of one galaxy alone from that by GalSim. pysersic has one kernel per image: it draws single
galaxies on one cell.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clock import Clock, one_thread, timed

one_thread()

import astropy.units as u  # noqa: E402
import numpy as np  # noqa: E402
import pytensor  # noqa: E402
import pytensor.tensor as pt  # noqa: E402
from astropy.table import QTable  # noqa: E402
from peer import PeerProcess  # noqa: E402

from bayesmap.datasets import ImageDataset, sources_from_table  # noqa: E402
from bayesmap.graph.scene import Scene  # noqa: E402
from bayesmap.images import CellCoadd, MaskedImage  # noqa: E402

__all__ = ["Drawn", "dataset_of", "for_peers"]

PIXEL = 0.2  # arcsec
#: distance in pixels, along the axes, within which a saturated star's kernel ends
RING = 14


def dataset_of(folder: Path) -> tuple[ImageDataset, list[dict[str, Any]]]:
    """The coadd with its true scene, and the truth."""
    truth = json.loads((folder / "truth.json").read_text())["sources"]
    names = {"r_eff": "r_eff_major_arcsec", "q": "q", "phi": "pa_deg_east_of_north", "n": "n"}
    columns: dict[str, Any] = {key: [one.get(name, np.nan) for one in truth] for key, name in names.items()}
    table = QTable({"ra": [one["ra"] for one in truth] * u.deg, "dec": [one["dec"] for one in truth] * u.deg})
    table["flux"] = [one["flux_nJy"] for one in truth] * u.nJy
    table["r_eff"], table["phi"] = columns["r_eff"] * u.arcsec, columns["phi"] * u.deg
    table["q"], table["n"] = columns["q"], columns["n"]
    return ImageDataset(CellCoadd.read_fits(folder / "coadd.fits"), sources_from_table(table), name="r"), truth


def for_peers(dataset: ImageDataset, truth: list[dict[str, Any]]) -> list[dict[str, float]]:
    """The sources in pixels of the image."""
    start, sources = dataset.image.bbox.start, []
    for one in truth:
        source = {"x": one["x"] - start.x, "y": one["y"] - start.y, "flux": one["flux_nJy"]}
        if one["kind"] == "sersic":
            # North is up and East to the left
            source |= {"r_eff": one["r_eff_major_arcsec"] / PIXEL, "phi": 90 + one["pa_deg_east_of_north"]}
            source |= {"n": one["n"], "q": one["q"]}
        sources.append(source)
    return sources


class Drawn:
    """The image of a dataset's models as a compiled function of their parameters.

    Parameters
    ----------
    dataset : ImageDataset
        With models.
    gradient : bool
        Whether it also returns the gradient of a weighted sum of the pixels.
    """

    def __init__(self, dataset: ImageDataset, gradient: bool = False) -> None:
        models = list(dataset.models or [])
        self.parameters = [p for model in models for p in model.parameters]
        self._source = [i for i, model in enumerate(models) for _ in model.parameters]
        inputs = [pt.dscalar() for _ in self.parameters]
        scene = Scene(dataset.scene_arrays(), models)
        image = scene.image(dict(zip(self.parameters, inputs, strict=True)))
        outputs: list[Any] = [image]
        if gradient:
            weights = np.random.default_rng(1).normal(size=dataset.data.shape)
            outputs = [image, *pytensor.grad((image * weights).sum(), inputs)]
        clock = Clock()
        self.function = pytensor.function(inputs, outputs, mode="NUMBA")
        self(0.0)
        self.compilation = clock.lap()

    def __call__(self, shift: float, only: int | None = None) -> Any:
        """Image with all sources moved along x by some pixels, or with one of them; a gradient stands behind it."""
        lat = next(p.quantity.to_value("rad") for p in self.parameters if p.name == "lat_0")
        step = np.deg2rad(-shift * PIXEL / 3600) / np.cos(lat)
        values = [p.internal + step * (p.name == "lon_0") for p in self.parameters]
        if only is not None:
            values = [
                0.0 if p.name == "flux" and source != only else value
                for p, source, value in zip(self.parameters, self._source, values, strict=True)
            ]
        return self.function(*values)


def milliseconds(seconds: dict[str, Any]) -> float:
    """Median of the CPU times of calls."""
    return 1000 * float(np.median(seconds["cpu"]))


def opened(peer: PeerProcess, dataset: ImageDataset, sources: list[dict[str, float]], folder: Path) -> str:
    """Hand the scene over; return the version of the program."""
    arrays = dataset.scene_arrays()
    np.savez(folder / "scene.npz", boxes=arrays.boxes, kernels=arrays.kernels)
    answer = peer.ask("open", path=str(folder / "scene.npz"), shape=list(dataset.data.shape), sources=sources)
    return str(answer["version"])


def beside_galsim(
    dataset: ImageDataset, truth: list[dict[str, Any]], python: str, repeats: int, folder: Path, say: Callable
) -> None:
    """Time, differences and light of the whole scene."""
    shifts = [0.01 * i for i in range(repeats + 1)]
    plain, full = Drawn(dataset), Drawn(dataset, gradient=True)
    ours = plain(0.0)[0]
    say(f"bayesmap: compiled in {plain.compilation['cpu']:.0f} and {full.compilation['cpu']:.0f} CPU s")
    say(f"bayesmap: image {milliseconds(timed(plain, shifts[1:])):.1f} ms")
    say(f"bayesmap: image and gradient {milliseconds(timed(full, shifts[1:])):.1f} ms")
    sources, path = for_peers(dataset, truth), folder / "image.npy"
    y, x = np.mgrid[: ours.shape[0], : ours.shape[1]]
    brightest = max(sources, key=lambda source: source["flux"])
    outside = dataset.mask & (np.maximum(abs(x - brightest["x"]), abs(y - brightest["y"])) > RING)
    with PeerProcess(python, folder / "galsim.log", "peer_scene.py", "galsim") as peer:
        say(f"GalSim {opened(peer, dataset, sources, folder)}")
        for accuracy in ("default", "fine"):
            seconds = peer.ask("render", shifts=shifts, accuracy=accuracy, path=str(path))
            theirs = np.load(path)
            away = np.where(dataset.mask, (ours - theirs) / np.where(dataset.mask, dataset.sigma, 1), 0)
            say(
                f"  {accuracy}: image {milliseconds(seconds):.0f} ms; differences: rms {away[dataset.mask].std():.5f} "
                f"sigma, largest {abs(away).max():.3f}, outside of the saturated star {abs(away[outside]).max():.3f}; "
                f"of all light {ours.sum() / theirs.sum() - 1:.1e}"
            )
        galaxies = [i for i, source in enumerate(sources) if "r_eff" in source]
        lost = {}
        for i in galaxies:
            opened(peer, dataset, [sources[i]], folder)
            peer.ask("render", shifts=shifts[:1], accuracy="fine", path=str(path))
            lost[i] = 1 - plain(0.0, only=i)[0].sum() / np.load(path).sum()
        worst = max(lost, key=lambda i: abs(lost[i]))
        say(f"  light lost: {lost[worst]:.1e} (source {worst}, n = {sources[worst]['n']})")


def beside_pysersic(
    dataset: ImageDataset,
    truth: list[dict[str, Any]],
    pythons: dict[str, str],
    repeats: int,
    folder: Path,
    say: Callable,
) -> None:
    """Time and differences of single galaxies on an image of one cell, both beside GalSim."""
    shifts, path = [0.01 * i for i in range(repeats + 1)], folder / "image.npy"
    coadd: Any = dataset.image
    for index in (14, 17):
        place = truth[index]
        cell = coadd.grid.index_of(x=round(place["x"]), y=round(place["y"]))
        x, y = round(place["x"]), round(place["y"])
        part = coadd.absolute[y - 29 : y + 30, x - 29 : x + 30]
        image = MaskedImage(part.image, mask=part.mask, variance=part.variance)
        one = ImageDataset(image, [list(dataset.models or [])[index]], psf=coadd.psf[cell].array, name="one")
        drawn, sources = Drawn(one), for_peers(one, [place])
        images, texts = {"bayesmap": drawn(0.0)[0]}, {"bayesmap": f"{milliseconds(timed(drawn, shifts[1:])):.2f} ms"}
        for program, accuracies in (("galsim", ["fine"]), ("pysersic", ["Fourier", "hybrid", "pixel"])):
            with PeerProcess(pythons[program], folder / f"{program}.log", "peer_scene.py", program) as peer:
                version = opened(peer, one, sources, folder)
                for accuracy in accuracies:
                    seconds = peer.ask("render", shifts=shifts, accuracy=accuracy, path=str(path))
                    key = f"{program} {version} {accuracy}"
                    images[key], texts[key] = np.load(path), f"{milliseconds(seconds):.2f} ms"
        right = next(image for key, image in images.items() if key.startswith("galsim"))
        sigma = np.sqrt(np.median(one.variance[one.mask]))
        say(f"one galaxy of n = {place['n']}, flux {place['flux_nJy']:.0f} nJy, noise {sigma:.1f} nJy, 59 x 59 pixels")
        for key, found in images.items():
            away = (found - right) / sigma
            say(f"  {key}: {texts[key]}; largest difference {abs(away).max():.3f} sigma, rms {away.std():.4f}")


def main() -> None:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    shared = os.environ.get("BAYESMAP_SHARED", str(Path(__file__).resolve().parents[2] / "shared"))
    parser.add_argument("--data", type=Path, default=Path(shared) / "data" / "cellcoadd")
    parser.add_argument("--galsim", required=True, metavar="PYTHON")
    parser.add_argument("--pysersic", metavar="PYTHON")
    parser.add_argument("--repeats", type=int, default=30)
    arguments = parser.parse_args()
    dataset, truth = dataset_of(arguments.data)

    def say(text: str) -> None:
        print(text, flush=True)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if arguments.pysersic:
            pythons = {"galsim": arguments.galsim, "pysersic": arguments.pysersic}
            beside_pysersic(dataset, truth, pythons, arguments.repeats, folder, say)
        beside_galsim(dataset, truth, arguments.galsim, arguments.repeats, folder, say)


if __name__ == "__main__":
    main()
