"""Good time intervals."""

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.time import Time

from bayesmap.data import GTI
from bayesmap.errors import FormatError


@pytest.fixture
def gti():
    return GTI.create([0, 100, 400] * u.s, [60, 200, 500] * u.s, reference_time="2010-01-01T00:00:00")


def test_times(gti):
    assert len(gti) == 3
    np.testing.assert_allclose(gti.time_sum.to_value("s"), 260)
    np.testing.assert_allclose(gti.time_delta.to_value("s"), [60, 100, 100])
    np.testing.assert_allclose(gti.met_start.value, [0, 100, 400], atol=1e-6)
    assert gti.time_start[0] == Time("2010-01-01")
    assert gti.time_intervals[1][1].isclose(Time("2010-01-01") + 200 * u.s, atol=1 * u.us)
    assert "3" in str(gti)
    assert "260" in repr(gti)


def test_empty_and_scalar():
    empty = GTI.create([] * u.s, [] * u.s)
    assert empty.time_sum == 0 * u.s
    assert len(empty.union()) == 0
    assert len(GTI.create(0 * u.s, 1 * u.h)) == 1
    assert GTI.from_table_hdu(empty.to_table_hdu()).time_sum == 0 * u.s


def test_union(gti):
    other = GTI.create([50, 200, 450] * u.s, [70, 210, 460] * u.s, reference_time="2010-01-01T00:00:00")
    gti.stack(other)
    assert len(gti) == 6
    union = gti.union()
    np.testing.assert_allclose(union.met_start.value, [0, 100, 400], atol=1e-6)
    np.testing.assert_allclose(union.met_stop.value, [70, 210, 500], atol=1e-6)
    with pytest.raises(ValueError, match="overlap"):
        gti.union(overlap_ok=False)
    touching = GTI.create([0, 64] * u.s, [64, 128] * u.s)
    assert len(touching.union()) == 1
    assert len(touching.union(merge_equal=False)) == 2


def test_stack_keeps_times_of_another_reference_and_scale(gti):
    other = GTI.create(0 * u.s, 10 * u.s, reference_time=Time(55000.5, format="mjd", scale="tt"))
    both = GTI.from_stack([gti, other])
    assert both.time_ref == gti.time_ref
    assert abs(both.time_start[-1] - other.time_start[0]) < 1 * u.us
    np.testing.assert_allclose(both.time_sum.value, 270)


def test_select_time(gti):
    start = gti.time_ref
    part = gti.select_time([start + 30 * u.s, start + 150 * u.s])
    np.testing.assert_allclose(part.met_start.value, [30, 100], atol=1e-6)
    np.testing.assert_allclose(part.met_stop.value, [60, 150], atol=1e-6)
    np.testing.assert_allclose(gti.time_sum.to_value("s"), 260)


def test_files_round_trip(gti, tmp_path):
    gti.write(tmp_path / "gti.fits", checksum=True)
    again = GTI.read(tmp_path / "gti.fits", checksum=True)
    assert np.all(np.abs((again.time_start - gti.time_start).to_value("s")) < 1e-7)
    assert again.time_ref == gti.time_ref
    np.testing.assert_allclose(again.copy().time_sum.value, gti.time_sum.value)
    again = GTI.from_time_intervals(gti.time_intervals)
    assert again.time_ref.isclose(gti.time_start[0], atol=1 * u.us)


def test_bad_tables_are_refused(gti, tmp_path):
    with pytest.raises(ValueError, match="START and STOP"):
        GTI(Table({"START": [1.0]}))
    with pytest.raises(ValueError, match="reference_time"):
        GTI(Table({"START": [1.0] * u.s, "STOP": [2.0] * u.s}))
    with pytest.raises(ValueError, match="ends before it starts"):
        GTI.create(5 * u.s, 3 * u.s)
    hdu = gti.to_table_hdu()
    del hdu.header["MJDREFI"]
    with pytest.raises(FormatError, match="'GTI'.*MJDREFI"):
        GTI.from_table_hdu(hdu)
    with pytest.raises(FormatError, match="START and STOP"):
        GTI.from_table_hdu(fits.BinTableHDU(Table({"A": [1.0]}), name="GTI"))
    fits.HDUList([fits.PrimaryHDU()]).writeto(tmp_path / "none.fits")
    with pytest.raises(FormatError, match="no HDU 'GTI'"):
        GTI.read(tmp_path / "none.fits")


def test_time_zero_is_added(gti):
    """FITS adds TIMEZERO, in TIMEUNIT, to all times of a table."""
    hdu = gti.to_table_hdu()
    hdu.header["TIMEZERO"] = 1000.0
    shift = GTI.from_table_hdu(hdu).time_start - gti.time_start
    np.testing.assert_allclose(shift.to_value("s"), 1000, atol=1e-6)
    np.testing.assert_allclose(GTI.from_table_hdu(hdu).time_sum.to_value("s"), 260)
