"""Light curves as tables: what Gammapy writes is read, and comes back."""

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import pytest
from astropy.table import Table

from bayesmap.datasets import FluxPointsDataset
from bayesmap.errors import FormatError
from bayesmap.estimators import FluxPoints
from bayesmap.maps import TimeMapAxis

FLUX = np.array([[7.8e-13, 9.7e-14], [3.0e-13, 5.6e-14], [9.3e-13, 2.0e-13]])


def table():
    """Three intervals and two energies, in the form that Gammapy 2.1 writes."""
    energies = {"e_ref": [1.732, 5.477], "e_min": [1, 3], "e_max": [3, 10]}
    columns = {"time_min": [58849.0, 58851.0, 58854.0], "time_max": [58850.0, 58853.0, 58855.0]}
    columns |= {name: np.tile(values, (3, 1)) * u.TeV for name, values in energies.items()}
    unit = u.Unit("cm-2 s-1")
    columns |= {"flux": FLUX * unit, "flux_err": 0.1 * FLUX * unit, "flux_ul": 1.2 * FLUX * unit}
    columns["is_ul"] = [[False, False], [True, False], [False, False]]
    meta = {"SED_TYPE": "flux", "UL_CONF": 0.9544997, "MJDREFI": 0, "MJDREFF": 0.0, "TIMESYS": "utc", "TIMEUNIT": "d"}
    return Table(columns, meta=meta)


def test_table_comes_back(tmp_path):
    curve = FluxPoints.from_table(table())
    np.testing.assert_allclose(curve.flux.quantity[..., 0, 0].to_value("cm-2 s-1"), FLUX)
    assert curve.geom.axes.names == ["energy", "time"]
    for suffix in ("fits", "ecsv"):
        curve.write(tmp_path / f"curve.{suffix}")
        again = FluxPoints.read(tmp_path / f"curve.{suffix}").to_table()
        for name in ("time_min", "time_max", "e_min", "flux", "flux_err", "flux_ul", "is_ul"):
            np.testing.assert_allclose(again[name], table()[name], rtol=1e-12, atol=0)
    assert curve.to_table(sed_type="e2dnde")["e2dnde"].unit == "erg cm-2 s-1"


def test_times_are_those_of_the_table():
    """Days since MJD 0 in UTC do not go through TAI, which would move them by 37 s."""
    axis = FluxPoints.from_table(table()).geom.axes["time"]
    np.testing.assert_allclose(axis.time_min.utc.mjd, [58849, 58851, 58854], rtol=0, atol=1e-9)
    assert not axis.is_contiguous
    inside = axis.coord_to_idx(axis.time_mid)
    np.testing.assert_array_equal(inside, [0, 1, 2])
    assert axis.coord_to_idx(axis.time_max[0] + 1 * u.h) == -1


def test_slices():
    curve = FluxPoints.from_table(table())
    one = curve.slice_by_idx({"time": 1})
    assert one.geom.axes.names == ["energy"]
    np.testing.assert_allclose(one.flux.data.ravel(), FLUX[1])
    np.testing.assert_allclose(curve.slice_by_energy("1 TeV", "3 TeV").flux.data.ravel(), FLUX[:, 0])
    axis = curve.geom.axes["time"]
    later = curve.slice_by_time(axis.time_min[1], axis.time_max[2])
    np.testing.assert_allclose(later.flux.data[..., 0, 0], FLUX[1:])
    np.testing.assert_allclose([part.flux.data.sum() for part in curve.iter_by_axis("time")], FLUX.sum(axis=1))
    assert set(curve.to_maps("flux")) == {"flux", "flux_err", "flux_ul", "is_ul"}
    with pytest.raises(ValueError, match="no interval of"):
        curve.slice_by_time(axis.time_max[2], axis.time_max[2] + 1 * u.d)
    with pytest.raises(ValueError, match="take one interval of a light curve"):
        FluxPointsDataset(data=curve)


def test_stack_of_points():
    curve = FluxPoints.from_table(table())
    parts = list(curve.iter_by_axis("time"))
    again = FluxPoints.from_stack(parts, curve.geom.axes["time"])
    np.testing.assert_allclose(again.dnde.data, curve.dnde.data)
    with pytest.raises(ValueError, match="3 sets of flux points need as many intervals, the axis has 1"):
        FluxPoints.from_stack(parts, curve.geom.axes["time"].slice(0))


def test_wrong_tables():
    broken = table()
    broken["time_min"][1] = 58849.5
    with pytest.raises(FormatError, match="intervals must have a length, rise and not overlap"):
        FluxPoints.from_table(broken)
    broken.remove_column("time_max")
    with pytest.raises(FormatError, match="time_max.* missing"):
        FluxPoints.from_table(broken)
    with pytest.raises(ValueError, match="2 starts and 1 stops"):
        TimeMapAxis([0, 1] * u.d, [1] * u.d, "2020-01-01")


def test_figure():
    curve = FluxPoints.from_table(table())
    for time_format in ("iso", "mjd"):
        ax = curve.plot(ax=plt.figure().add_subplot(), sed_type="flux", time_format=time_format)
        assert len(ax.containers) == 2
    plt.close("all")


def test_figure_says_the_year_and_keeps_the_legend_off_the_points():
    curve = FluxPoints.from_table(table())
    ax = curve.plot(sed_type="flux")
    ax.figure.canvas.draw()
    written = [label.get_text() for label in ax.get_xticklabels()] + [ax.xaxis.get_offset_text().get_text()]
    assert any("2020" in text for text in written)
    bottom = ax.get_legend().get_window_extent().transformed(ax.transData.inverted()).y0
    for container in ax.containers:
        bars = np.concatenate([np.asarray(bars.get_segments())[..., 1].ravel() for bars in container.lines[2]])
        assert bars.max() < bottom
    plt.close("all")


def test_quantities_have_names():
    """Fluxes are attributes that completion finds; what is not there says what is."""
    curve = FluxPoints.from_table(table())
    assert {"dnde_err", "e2dnde_ul", "flux_ref", "npred_excess_err"} <= set(dir(curve))
    np.testing.assert_allclose(curve["flux"].data, curve.flux.data)
    with pytest.raises(AttributeError, match="no counts; they have .'norm'"):
        _ = curve.counts
    with pytest.raises(AttributeError, match="recompute_ul of Gammapy takes limits"):
        _ = curve.recompute_ul
