"""Values that cannot be: refused where they count, kept where they are round-off."""

import numpy as np
import pytest

from bayesmap.datasets import MapDatasetOnOff
from bayesmap.errors import FormatError
from bayesmap.io import write_components
from bayesmap.io.checks import impossible
from bayesmap.maps import Map
from tests.golden import shared_path


def test_impossible():
    """OFF counts may be negative by round-off, and the OFF acceptance where they are."""
    data = np.array([1.0, 0.0, -1e-7, -1.0, np.nan, np.inf])
    assert impossible("counts", data).tolist() == [False, False, True, True, True, True]
    assert impossible("counts_off", data[:5]).tolist() == [False, False, False, True, True]
    counts_off = np.array([5.0, 5.0, 0.0, 1e-7])
    acceptance = np.array([1.0, -1.0, -1.0, -1.0])
    assert impossible("acceptance_off", acceptance, counts_off).tolist() == [False, True, False, False]
    assert not impossible("acceptance_off", acceptance).any()  # decided when the counts are known
    assert impossible("acceptance_off", np.array([np.nan]), np.zeros(1)).all()


def test_ring_backgrounds_of_gammapy():
    """All files open, with the values that are in them."""
    folder = shared_path("data", "hess-dl3-dr1-reduced")
    files = sorted(folder.glob("*onoff-ring*.fits.gz"))
    assert len(files) == 4
    for path in files:
        dataset = MapDatasetOnOff.read(path)
        assert dataset.mask_safe.data.dtype == bool
        assert dataset.counts_off.data.sum() > 1e5

        lazy = MapDatasetOnOff.read(path, lazy=True)
        assert lazy.loaded("counts_off") is None
        np.testing.assert_array_equal(lazy.acceptance_off.data, dataset.acceptance_off.data)


@pytest.mark.parametrize("key", ["counts_off", "acceptance", "acceptance_off"])
def test_negative_values_are_refused(components, tmp_path, key):
    """On assignment by the dataset, in a file by its reader."""
    geom = components["counts"].geom
    del components["background"]
    for name in ("counts_off", "acceptance", "acceptance_off"):
        components[name] = Map.from_geom(geom, data=np.ones(geom.data_shape), unit="")
    dataset = MapDatasetOnOff(**components)
    bad = components[key].copy()
    bad.data[1, 2, 3] = -1
    with pytest.raises(ValueError, match=rf"dataset 'tiny': {key} is negative .* index \(1, 2, 3\)"):
        setattr(dataset, key, bad)
    write_components(components | {key: bad}, tmp_path / "bad.fits")
    with pytest.raises(FormatError, match=rf"bad\.fits: HDU '{key.upper()}': 1 of 60 bins are negative"):
        MapDatasetOnOff.read(tmp_path / "bad.fits")
