"""Maps of predicted counts on a part of the bins of a dataset, or on others."""

import astropy.units as u
import numpy as np
import pytest

from bayesmap.datasets import MapDataset
from bayesmap.graph import signal_counts
from bayesmap.maps import Map, MapAxis, WcsGeom
from bayesmap.modeling import TemplateNPredModel

ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)


def geom(npix=21, binsz=0.1, axis=ENERGY, center=(83.63, 22.01)):
    return WcsGeom.create(npix=npix, binsz=binsz, skydir=center, frame="icrs", proj="TAN", axes=[axis])


def numbered(where):
    return Map.from_geom(where, data=np.arange(1.0, 1 + np.prod(where.data_shape)).reshape(where.data_shape), unit="")


def predicted(counts, where=None):
    dataset = MapDataset(counts=Map.from_geom(where or geom(), unit=""), name="d")
    return signal_counts(dataset, [TemplateNPredModel(counts, name="t")])["t"]


def test_a_smaller_map_keeps_its_counts():
    counts = numbered(geom(11))
    np.testing.assert_array_equal(predicted(counts)[:, 5:16, 5:16], counts.data)
    assert predicted(counts).sum() == counts.data.sum()


def test_a_larger_map_is_cut_out_pixel_by_pixel():
    """Cutouts at a corner too: pixel coordinates on the edge are rounded differently."""
    counts = numbered(geom(21))
    for width, position in (("0.5 deg", geom().center_skydir), ("1.1 deg", geom().pix_to_coord((2, 3, 0))[:2])):
        small = counts.cutout(position if not isinstance(position, tuple) else _sky(position), width)
        np.testing.assert_array_equal(predicted(counts, small.geom), small.data)
        assert predicted(small).sum() == small.data.sum()


def _sky(lonlat):
    from astropy.coordinates import SkyCoord

    return SkyCoord(*lonlat, frame="icrs")


def test_a_part_of_the_energies():
    counts = numbered(geom())
    part = counts.slice_by_idx({"energy": slice(1, 3)})
    np.testing.assert_array_equal(predicted(counts, part.geom), part.data)
    np.testing.assert_array_equal(predicted(part)[1:], part.data)
    assert predicted(part)[0].sum() == 0


def test_elsewhere_on_the_same_grid_there_are_none():
    far = numbered(geom(41)).cutout(_sky([c[0] * u.deg for c in ([84.6], [22.9])]), "0.3 deg")
    near = geom(41).cutout(geom().center_skydir, "0.5 deg")
    assert predicted(far, near).sum() == 0


def test_other_grids_are_refused():
    with pytest.raises(ValueError, match="model 't': its map has other pixels than dataset 'd'.*Map.downsample"):
        predicted(numbered(geom(42, 0.05)))
    with pytest.raises(ValueError, match="has other pixels"):
        predicted(numbered(geom(20)))
    other = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
    with pytest.raises(ValueError, match="model 't': the energy bins of its map are not those of dataset 'd'"):
        predicted(numbered(geom(axis=other)))
