"""Runs beside lsst-images, without bayesmap: reads what bayesmap wrote, compares, and writes it once more.

Arguments are a folder and the file that its content comes from. In the folder are ``whole.fits``, ``part.fits`` (local
slices [50:125, 70:130], with a description of the projection that bayesmap made), ``lossy.fits``, and for the first
release ``dataset.fits``, an image dataset with HDUs of its own.
"""

import sys
from pathlib import Path

import numpy as np
from lsst.images import Box
from lsst.images.cells import CellCoadd

folder, original = map(Path, sys.argv[1:])
read = getattr(CellCoadd, "read", None) or CellCoadd.read_fits
write = getattr(CellCoadd, "write", None) or CellCoadd.write_fits


def projection(coadd):
    return coadd.sky_projection if hasattr(coadd, "sky_projection") else coadd.projection


def tables(coadd):
    return coadd.provenance.inputs, coadd.provenance.contributions


def compare(mine, theirs, lossless=True):
    assert mine.bbox == theirs.bbox
    assert (mine.unit, mine.variance.unit, mine.band, mine.tract) == (
        theirs.unit,
        theirs.variance.unit,
        theirs.band,
        theirs.tract,
    )
    assert np.array_equal(mine.image.array, theirs.image.array, equal_nan=True) or not lossless
    assert np.array_equal(mine.variance.array, theirs.variance.array)
    assert np.array_equal(mine.mask.array, theirs.mask.array)
    assert mine.mask.schema == theirs.mask.schema
    assert mine.mask_fractions.keys() == theirs.mask_fractions.keys()
    # the first release does not cut these
    for name, plane in mine.mask_fractions.items():
        assert np.array_equal(plane[mine.bbox].array, theirs.mask_fractions[name][mine.bbox].array)
    for one, two in zip(mine.noise_realizations, theirs.noise_realizations, strict=True):
        assert np.array_equal(one[mine.bbox].array, two[mine.bbox].array, equal_nan=True)
    assert dict(mine.metadata) == dict(theirs.metadata)
    assert mine.patch == theirs.patch
    assert mine.grid == theirs.grid
    for cell in mine.bounds.cell_indices():
        assert np.array_equal(mine.psf[cell].array, theirs.psf[cell].array)
    box = mine.bbox
    x, y = np.array([box.x.min, box.x.max, 0.0]), np.array([box.y.max, box.y.min, 18000.0])
    one, two = (projection(coadd).pixel_to_sky(x=x, y=y) for coadd in (mine, theirs))
    assert one.separation(two).arcsec.max() < 1e-9
    assert np.allclose(mine.fits_wcs.wcs.crpix, theirs.fits_wcs.wcs.crpix, rtol=0, atol=1e-9)
    for ours, others in zip(tables(mine), tables(theirs), strict=True):
        assert sorted(ours.colnames) == sorted(others.colnames)
        # the first release repeats inputs in parts
        for name in ours.colnames if mine.bbox == whole.bbox else ():
            assert list(ours[name]) == list(others[name]), name


whole = read(original)
compare(read(folder / "whole.fits"), whole)
compare(read(folder / "part.fits"), whole.local[50:125, 70:130])
compare(read(folder / "lossy.fits"), whole, lossless=False)
if (folder / "dataset.fits").exists():
    compare(read(folder / "dataset.fits"), whole)
bbox = Box.factory[13070:13145, 9850:9910]
compare(read(folder / "whole.fits", bbox=bbox), whole[bbox])
write(read(folder / "whole.fits"), str(folder / "again.fits"))
sys.stdout.write(f"read and written: {whole}\n")
