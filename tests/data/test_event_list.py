"""Event lists: selections, stacks, keywords, figures."""

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import pytest
from astropy.table import Table

from bayesmap.data import GTI, EventList
from bayesmap.maps import Map, MapAxis

N = 300
KEYWORDS = {"RA_PNT": 83.0, "DEC_PNT": 22.0, "TSTART": 0.0, "TSTOP": 200.0, "DEADC": 0.9, "LIVETIME": 150.0}


def events(seed=0, **keywords):
    rng = np.random.default_rng(seed)
    columns = {
        "EVENT_ID": np.arange(N),
        "TIME": rng.uniform(0, 200, N) * u.s,
        "RA": rng.normal(83, 0.5, N) * u.deg,
        "DEC": rng.normal(22, 0.5, N) * u.deg,
        "ENERGY": (rng.pareto(1.5, N) + 0.1) * u.TeV,
        "MC_ID": rng.integers(0, 3, N),
    }
    gti = GTI.create([0, 100] * u.s, [60, 200] * u.s, reference_time="2020-01-01")
    return EventList(Table(columns, meta=KEYWORDS | keywords), gti)


def test_selections():
    one = events()
    energy, offset = one.energy, one.offset
    assert len(one.select_energy([1, 10] * u.TeV)) == np.count_nonzero((energy >= 1 * u.TeV) & (energy < 10 * u.TeV))
    assert len(one.select_energy(["1 TeV", "10 TeV"])) == len(one.select_energy([1, 10] * u.TeV))
    assert len(one.select_offset(["0 deg", "0.3 deg"])) == np.count_nonzero(offset < 0.3 * u.deg)
    inside = one.select_region("icrs;circle(83,22,0.3)")
    assert abs(len(inside) - np.count_nonzero(offset < 0.3 * u.deg)) <= 1
    assert len(one.select_parameter("MC_ID", [0, 2], is_range=False)) == np.count_nonzero(one.table["MC_ID"] != 1)
    assert len(one.select_parameter("ENERGY", (1 * u.TeV, 2 * u.TeV))) == len(one.select_energy([1, 2] * u.TeV))
    with pytest.raises(KeyError, match="no column 'MCID'.*did you mean 'MC_ID'"):
        one.select_parameter("MCID", [1])
    with pytest.raises(ValueError, match="energy_range must have a lower and an upper end, got 3"):
        one.select_energy([1, 2, 3] * u.TeV)


def test_mask_selects_what_it_counts():
    one = events()
    mask = Map.create(skydir=(83, 22), width=0.6, binsz=0.1, axes=[MapAxis.from_energy_edges([0.3, 5] * u.TeV)])
    mask.data = np.ones(mask.data.shape, dtype=bool)
    counts = Map.from_geom(mask.geom)
    counts.fill_events(one)
    assert len(one.select_mask(mask)) == counts.data.sum() > 0


def test_time_and_intervals_are_cut_together():
    one = events()
    start, stop = (one.time_ref + seconds * u.s for seconds in (50, 150))
    inside, outside = one.select_time((start, stop)), one.select_time((start, stop), inverted=True)
    assert len(inside) + len(outside) == N
    np.testing.assert_allclose([inside.gti.time_sum.value, outside.gti.time_sum.value], [60, 100])
    np.testing.assert_allclose(one.gti.time_sum.value, 160)


def test_stack_keeps_times():
    """Lists with other reference times are joined at the right times; keywords of one do not speak for all."""
    one, two = events(), events(1, MJDREFI=58849, MJDREFF=0.5, TIMESYS="utc")
    assert two.time_ref.iso.startswith("2020-01-01 12:00")
    joined = EventList.from_stack([one, two])
    times = np.concatenate([one.time.mjd, two.time.mjd])
    np.testing.assert_allclose(joined.time.mjd, times, rtol=0, atol=1e-9)
    assert "RA_PNT" not in joined.table.meta
    one.stack(two)
    assert len(one) == 2 * N
    np.testing.assert_allclose(one.gti.time_sum.value, 320)


def test_keywords(tmp_path):
    one = events()
    one.write(tmp_path / "events.fits")
    read = EventList.read(tmp_path / "events.fits")
    np.testing.assert_allclose(read.observation_time_duration.to_value("s"), 200)
    np.testing.assert_allclose(read.observation_live_time_duration.to_value("s"), 150)
    np.testing.assert_allclose(read.observation_dead_time_fraction, 0.1)
    assert read.is_pointed_observation
    assert "Number of events : 300" in str(read)
    with pytest.raises(KeyError, match="no keywords .'GEOLON', 'GEOLAT'"):
        _ = read.observatory_earth_location
    with pytest.raises(ValueError, match="without good time intervals needs the keyword MJDREFI"):
        EventList(one.table)
    with pytest.raises(AttributeError, match="select_rad_max of Gammapy needs a table RAD_MAX"):
        _ = one.select_rad_max


def test_groups_of_intervals():
    gti = events().gti
    start = gti.time_ref
    table = gti.group_table([(start, start + 60 * u.s)])
    assert list(table["group_idx"]) == [0, -1]
    assert list(table["bin_type"]) == ["", "overflow"]


def test_figures():
    one = events()
    axes = one.peek()
    assert len(axes) == 5
    assert axes[3].get_ylabel() == "counts"
    assert len(one.peek(allsky=True)) == 3
    heights = one.plot_energy(ax=plt.figure().add_subplot()).patches[0]
    assert heights is not None
    plt.close("all")
