"""Masked images as Astropy's images, and back."""

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import CCDData, StdDevUncertainty, VarianceUncertainty

from bayesmap.images import Box, MaskedImage


def test_there_and_back(coadd):
    data = coadd.to_nddata(mask_planes=["NO_DATA", "SATURATED"])
    assert data.data is coadd.image.array
    assert data.unit == u.nJy
    assert isinstance(data.uncertainty, VarianceUncertainty)
    assert np.array_equal(data.uncertainty.array, coadd.variance.array)
    assert np.array_equal(data.mask, coadd.mask.get("NO_DATA") | coadd.mask.get("SATURATED"))
    assert data.wcs.wcs.crpix.tolist() == coadd.fits_wcs.wcs.crpix.tolist()
    assert data.meta["origin"] == "synthetic"
    again = MaskedImage.from_nddata(data, start=coadd.bbox.start, frame=coadd.projection.pixel_frame)
    assert again.image == coadd.image
    assert again.variance == coadd.variance
    assert again.projection == coadd.projection
    assert again.metadata == coadd.metadata
    assert np.array_equal(again.mask.get("MASKED"), data.mask)
    with pytest.raises(KeyError, match="did you mean 'SATURATED'"):
        coadd.to_nddata(mask_planes=["SATURATE"])


def test_other_uncertainties():
    deviation = StdDevUncertainty(np.full((2, 3), 2.0), unit="uJy")
    image = MaskedImage.from_nddata(CCDData(np.ones((2, 3)), uncertainty=deviation, unit="nJy"))
    assert image.variance.array == pytest.approx(np.full((2, 3), 4e6))
    assert image.bbox == Box.factory[:2, :3]
    assert image.projection is None
    assert not image.mask.array.any()
    with pytest.raises(ValueError, match="no uncertainty"):
        MaskedImage.from_nddata(CCDData(np.ones((2, 3)), unit="nJy"))
