"""The stored coadd, its true scene, and sources on images of one's own."""

import functools
import json

import astropy.units as u
import numpy as np
from scipy import special

from bayesmap.datasets import ImageDataset
from bayesmap.images import Box, CellCoadd, MaskedImage
from bayesmap.modeling import FluxDensitySpectralModel, PointSpatialModel, SersicSpatialModel, SkyModel
from tests.golden import shared_path


@functools.cache
def stored_coadd():
    """Not to be changed."""
    coadd = CellCoadd.read_fits(shared_path("data", "cellcoadd", "coadd.fits"))
    for plane in (coadd.image, coadd.mask, coadd.variance):
        plane.array.flags.writeable = False
    return coadd


def truth():
    return json.loads(shared_path("data", "cellcoadd", "truth.json").read_text())


def source(spatial, flux=1000.0, name="source"):
    return SkyModel(FluxDensitySpectralModel(flux=flux * u.nJy), spatial, name=name)


def true_models(wanted=None):
    models = []
    for one in truth()["sources"]:
        place = {"lon_0": one["ra"] * u.deg, "lat_0": one["dec"] * u.deg}
        if one["kind"] == "star":
            spatial = PointSpatialModel(**place)
        else:
            size, angle = one["r_eff_major_arcsec"] * u.arcsec, one["pa_deg_east_of_north"] * u.deg
            spatial = SersicSpatialModel(**place, r_eff=size, n=one["n"], q=one["q"], phi=angle)
        if wanted is None or one["id"] in wanted:
            models.append(source(spatial, one["flux_nJy"], f"s{one['id']}"))
    return models


def at(dataset, cls, x, y, **shape):
    """A shape at a pixel of the tract."""
    position = dataset.image.projection.pixel_to_sky(x=x, y=y)
    return cls(lon_0=position.ra, lat_0=position.dec, **shape)


def gaussian_kernel(sigma, half=14):
    """What a Gaussian PSF gives in pixels around a star in the centre of one."""
    edges = (np.arange(-half, half + 2) - 0.5) / (np.sqrt(2) * sigma)
    line = np.diff(special.erf(edges)) / 2
    return np.outer(line, line) / line.sum() ** 2


def empty(kernel, start=(13080, 9860), shape=(61, 61)):
    """An image with one kernel at a place of the stored coadd, of no flux and variance one."""
    part = stored_coadd()[Box.from_shape(shape, start)]
    image = MaskedImage(part.image.copy(), mask_schema=part.mask.schema)
    image.image.array, image.variance.array = 0.0, 1.0
    return ImageDataset(image, psf=kernel, name="image")
