"""GalSim or pysersic on the same scene: a worker that answers requests, one JSON object per line.

Started by ``scene.py`` as ``python peer_scene.py galsim|pysersic`` with the Python of an environment that has it::

    {"task": "open", "path": npz with boxes and kernels of cells, "shape": [n_y, n_x], "sources": [...]}
    {"task": "render", "shifts": [0.0, 0.01, ...], "accuracy": "default", "path": where to save the first image}

Sources have ``x`` and ``y`` (pixels from the centre of the first), ``flux``, and galaxies ``r_eff`` (major axis, in
pixels), ``n``, ``q`` and ``phi`` (deg from the x axis to the y axis). Shifts move all of them along x.
"""

import importlib.metadata
import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from clock import one_thread, timed

one_thread()

__all__ = ["GalSim", "PySersic"]

#: pixels by which a star reaches beyond a cell: half a kernel and half a Lanczos filter
REACH = 18


class GalSim:
    """Each source times each kernel: stars by Lanczos-5 interpolation of it, galaxies by Fourier transforms."""

    def open(self, path: str, shape: list[int], sources: list[dict[str, float]]) -> dict[str, Any]:
        """Keep cells and sources."""
        with np.load(path) as stored:
            self.boxes, self.kernels = stored["boxes"], stored["kernels"]
        self.shape, self.sources = shape, sources
        return {"version": importlib.metadata.version("galsim")}

    def renderer(self, accuracy: str) -> Callable[[float], np.ndarray]:
        """Function of a shift that draws the image; accuracy "default" or "fine"."""
        import galsim

        fine = {"folding_threshold": 1e-4, "maxk_threshold": 1e-4, "kvalue_accuracy": 1e-6, "maximum_fft_size": 16384}
        settings = galsim.GSParams(**(fine if accuracy == "fine" else {}))
        kernels = [
            galsim.InterpolatedImage(
                galsim.Image(np.array(kernel)), scale=1.0, x_interpolant="lanczos5", flux=1.0, gsparams=settings
            )
            for kernel in self.kernels
        ]

        def galaxy(source: dict[str, float]) -> Any:
            round_size = source["r_eff"] * np.sqrt(source["q"])
            profile = galsim.Sersic(source["n"], half_light_radius=round_size, flux=source["flux"], gsparams=settings)
            return profile.shear(q=source["q"], beta=source["phi"] * galsim.degrees)

        def render(shift: float) -> np.ndarray:
            result = np.zeros(self.shape)
            galaxies = [(source, galaxy(source)) for source in self.sources if "r_eff" in source]
            for (y0, y1, x0, x1), kernel in zip(self.boxes.tolist(), kernels, strict=True):
                image = galsim.Image(x1 - x0, y1 - y0, dtype=float, xmin=x0, ymin=y0, scale=1.0)
                drawn = [(source, galsim.Convolve(profile, kernel)) for source, profile in galaxies]
                for source in self.sources:
                    near = x0 - REACH < source["x"] < x1 + REACH and y0 - REACH < source["y"] < y1 + REACH
                    if near and "r_eff" not in source:
                        drawn.append((source, kernel.withFlux(source["flux"])))
                for source, profile in drawn:
                    place = galsim.PositionD(source["x"] + shift, source["y"])
                    profile.drawImage(image=image, center=place, method="no_pixel", add_to_image=True)
                result[y0:y1, x0:x1] = image.array
            return result

        return render


class PySersic:
    """Galaxies on an image with one kernel, by sums of Gaussians in Fourier space."""

    def open(self, path: str, shape: list[int], sources: list[dict[str, float]]) -> dict[str, Any]:
        """Keep the kernel and sources; 64 bits."""
        import jax

        jax.config.update("jax_enable_x64", True)
        with np.load(path) as stored:
            (self.kernel,) = stored["kernels"]
        self.shape, self.sources = shape, sources
        return {"version": importlib.metadata.version("pysersic")}

    def renderer(self, accuracy: str) -> Callable[[float], np.ndarray]:
        """Function of a shift that draws the image; accuracy "Fourier", "hybrid" or "pixel"."""
        import jax
        from pysersic import rendering

        classes = {"Fourier": "FourierRenderer", "hybrid": "HybridRenderer", "pixel": "PixelRenderer"}
        renderer = getattr(rendering, classes[accuracy])(tuple(self.shape), jax.numpy.asarray(self.kernel))

        def parameters(source: dict[str, float], shift: float) -> dict[str, float]:
            # its angles go from the y axis away from the x axis
            angle = np.deg2rad(source["phi"] - 90)
            place = {"xc": source["x"] + shift, "yc": source["y"], "theta": angle, "ellip": 1 - source["q"]}
            return place | {key: source[key] for key in ("flux", "r_eff", "n")}

        draw = jax.jit(lambda values: renderer.render_source(values, "sersic"))
        return lambda shift: sum(np.asarray(draw(parameters(source, shift))) for source in self.sources)


def render(peer: GalSim | PySersic, shifts: list[float], accuracy: str, path: str) -> dict[str, Any]:
    """Draw once to be ready and save it, then time the others."""
    draw = peer.renderer(accuracy)
    np.save(path, draw(shifts[0]))
    return timed(draw, shifts[1:])


def main() -> None:
    """Answer requests until the input ends."""
    peer = {"galsim": GalSim, "pysersic": PySersic}[sys.argv[1]]()
    for line in sys.stdin:
        request = json.loads(line)
        task = request.pop("task")
        answer = peer.open(**request) if task == "open" else render(peer, **request)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
