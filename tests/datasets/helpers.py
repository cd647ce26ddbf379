"""Comparison with the stored numbers of Gammapy."""

import functools

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord

from bayesmap.datasets import MapDataset
from bayesmap.modeling import Models, PointSpatialModel
from tests.golden import shared_path

GC = SkyCoord(0, 0, unit="deg", frame="galactic")


@functools.cache
def read(*parts, name=None):
    """One dataset per file and session; copy it before changing it."""
    return MapDataset.read(shared_path("data", *parts), name=name)


@functools.cache
def cta_cutout(width):
    """Cutout around the Galactic centre."""
    full = read("cta-1dc-gc", "cta-1dc-gc.fits.gz", name="cta")
    return full.cutout(GC, width * u.deg, name="cta")


def models_from(dicts):
    """Models from the dictionaries stored with a case."""
    return Models.from_dict({"components": dicts})


def assert_info_close(info, golden, skip=(), rtol=2e-6):
    """Compare an info dict with a stored one, entry by entry."""
    assert set(golden) - set(skip) <= set(info)
    for key, want in golden.items():
        if key in skip:
            continue
        got = info[key]
        if isinstance(want, dict):
            got, want = got.to_value(want["unit"]), want["value"]
        if isinstance(want, str):
            assert got == want, key
        else:
            np.testing.assert_allclose(got, want, rtol=rtol, atol=1e-9, err_msg=key)


def assert_text_close(text, golden, rtol=2e-6, skip=()):
    """Compare printed summaries line by line: equal words, numbers to a relative tolerance or one last digit."""
    lines, wanted = text.splitlines(), golden.splitlines()
    assert len(lines) == len(wanted), text
    for line, want in zip(lines, wanted, strict=True):
        if line == want or any(word in want for word in skip):
            continue
        label, _, value = line.partition(" : ")
        want_label, _, want_value = want.partition(" : ")
        assert label == want_label
        np.testing.assert_allclose(float(value.split()[0]), float(want_value.split()[0]), rtol=rtol, atol=0.011)


class PinnedEDisp:
    """The energy dispersion of one position for all positions."""

    def __init__(self, edisp, position):
        self.edisp, self.position, self.edisp_map = edisp, position, edisp.edisp_map

    def get_edisp_kernel(self, position=None, energy_axis=None):
        return self.edisp.get_edisp_kernel(position=self.position, energy_axis=energy_axis)


def bilinear_signal(dataset, model):
    """Bilinear average of our predictions for sources at the four pixel centres around a point source.

    This is what Gammapy predicts for a point source between pixel centres. The energy dispersion is that at the source,
    as in Gammapy: the corners may fall into other pixels of the response.
    """
    geom = dataset.counts.geom.to_image()
    if not isinstance(model.spatial_model, PointSpatialModel):
        dataset.models = model
        return dataset.npred_signal().data
    x, y = (float(np.squeeze(v)) for v in geom.coord_to_pix(model.spatial_model.position))
    total, edisp = np.zeros(dataset.data_shape), dataset.edisp
    dataset.__dict__["edisp"] = PinnedEDisp(edisp, model.spatial_model.position)
    for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
        px, py = np.floor(x) + i, np.floor(y) + j
        weight = (1 - abs(x - px)) * (1 - abs(y - py))
        if weight < 1e-9:
            continue
        corner = model.copy(name=model.name)
        lon, lat = (float(np.squeeze(u.Quantity(v).to_value("deg"))) for v in geom.pix_to_coord((px, py)))
        corner.spatial_model.position = SkyCoord(lon, lat, unit="deg", frame=geom.frame)
        corner.spatial_model.position = corner.spatial_model.position.transform_to(model.spatial_model.frame)
        dataset.models = corner
        total += weight * dataset.npred_signal().data
    dataset.__dict__["edisp"] = edisp
    return total


def cash(counts, npred):
    """Cash statistic per bin with the truncation of Gammapy."""
    npred = np.maximum(npred, 1e-25)
    return 2 * (npred - counts * np.log(npred))
