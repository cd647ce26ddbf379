"""Axes: construction, coordinates, bad input."""

import astropy.units as u
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from bayesmap.maps import MapAxes, MapAxis

INTERPS = ("lin", "log", "sqrt")


@st.composite
def axes(draw, min_bins=1):
    steps = draw(st.lists(st.floats(0.05, 10), min_size=min_bins + 1, max_size=12))
    kwargs = {"interp": draw(st.sampled_from(INTERPS)), "name": "energy", "unit": "TeV"}
    return MapAxis.from_edges(np.cumsum(steps), **kwargs)


@given(axes(), st.floats(-0.5, 11.5))
def test_pixel_and_coordinate_are_inverse(axis, pix):
    pix = min(pix, axis.nbin - 0.5)
    assert_allclose(axis.coord_to_pix(axis.pix_to_coord(pix)), pix, atol=1e-7)


@given(axes())
def test_edges_center_and_index_agree(axis):
    assert_array_equal(axis.coord_to_idx(axis.center), np.arange(axis.nbin))
    assert np.all((axis.edges_min < axis.center) & (axis.center < axis.edges_max))
    assert_allclose(axis.bin_width.sum().value, (axis.bounds[1] - axis.bounds[0]).value)
    assert_array_equal(axis.coord_to_idx([0.999 * axis.edges[0].value, 1.001 * axis.edges[-1].value]), [-1, -1])
    assert_array_equal(axis.coord_to_idx([0, 1e9], clip=True), [0, axis.nbin - 1])


@given(axes(min_bins=2), st.integers(1, 4))
def test_upsample_then_downsample_is_the_same_axis(axis, factor):
    assert axis.upsample(factor).downsample(factor) == axis


@given(axes(min_bins=2), st.integers(0, 3))
def test_pad_then_slice_is_the_same_axis(axis, width):
    if axis.interp == "log":
        assert axis.pad(width).slice(slice(width, width + axis.nbin)) == axis


@given(axes(min_bins=2))
def test_grouping_to_own_edges_keeps_every_bin(axis):
    table = axis.group_table(axis.edges)
    assert_array_equal(table["idx_min"], np.arange(axis.nbin))
    assert_array_equal(table["idx_max"], np.arange(axis.nbin))
    assert set(table["bin_type"]) == {"normal   "}
    assert axis.resample(axis) == axis


def test_decreasing_axis():
    axis = MapAxis.from_edges([3, 2, 1, 0])
    assert_allclose(axis.coord_to_pix([2.5, 0.5]), [0, 2])
    assert_array_equal(axis.coord_to_idx([2.5, 0.5, 4, -1]), [0, 2, -1, -1])


def test_energy_bounds():
    axis = MapAxis.from_energy_bounds(1 * u.TeV, 10 * u.TeV, nbin=3, per_decade=True)
    assert (axis.nbin, axis.name, axis.interp, axis.unit) == (3, "energy", "log", u.TeV)
    loose = MapAxis.from_energy_bounds("1 TeV", "20 TeV", nbin=2, per_decade=True, strict_bounds=False)
    assert_allclose(loose.bounds[1].value, 10**1.5)
    assert axis.nbin_per_decade == 3
    assert MapAxis.from_energy_bounds(1, 10, nbin=2, unit="GeV", name="energy_true").unit == u.GeV


def test_from_bounds_scales():
    assert_allclose(MapAxis.from_bounds(1, 9, 2, interp="sqrt").edges, [1, 4, 9])
    assert_allclose(MapAxis.from_bounds(1, 100, 2, interp="log").edges, [1, 10, 100])
    assert_allclose(MapAxis.from_bounds(1, 3, 3, node_type="center").center, [1, 2, 3])


def test_from_stack_and_concatenate():
    first, second = (MapAxis.from_energy_edges(edges * u.TeV) for edges in ([1, 3, 10], [10, 30]))
    assert MapAxis.from_stack([first, second]) == MapAxis.from_energy_edges([1, 3, 10, 30] * u.TeV)
    with pytest.raises(ValueError, match="not contiguous"):
        second.concatenate(first)


def test_coordinates_convert_units():
    axis = MapAxis.from_energy_edges([1, 10] * u.TeV)
    assert_allclose(axis.coord_to_pix(3000 * u.GeV), axis.coord_to_pix(3))
    assert_allclose(axis.coord_to_pix("3 TeV"), axis.coord_to_pix(3))
    with pytest.raises(u.UnitConversionError, match="axis 'energy'"):
        axis.coord_to_pix(1 * u.deg)


def test_copy_with_another_unit_keeps_the_axis():
    axis = MapAxis.from_energy_edges([1, 10] * u.TeV)
    converted = axis.copy(unit="GeV")
    assert_allclose(converted.edges.value, [1000, 10000])
    assert converted == axis


@pytest.mark.parametrize(
    ("nodes", "kwargs", "message"),
    [
        ([1], {}, "at least two"),
        ([1, 1, 2], {}, "strictly increasing"),
        ([1, np.nan], {}, "finite"),
        ([-1, 1], {"interp": "log"}, "positive"),
        ([1, 2], {"interp": "cubic"}, "interp must be one of"),
        ([1, 2], {"node_type": "edge"}, "did you mean 'edges'"),
    ],
)
def test_bad_nodes(nodes, kwargs, message):
    with pytest.raises(ValueError, match=message):
        MapAxis(nodes, **kwargs)


def test_bad_arguments():
    axis = MapAxis.from_edges([1, 2, 3, 4], name="x")
    with pytest.raises(u.UnitConversionError, match="unit of energy"):
        MapAxis.from_energy_edges([1, 2] * u.deg)
    with pytest.raises(ValueError, match="not a multiple of the factor 2"):
        axis.downsample(2)
    with pytest.raises(ValueError, match="selects none"):
        axis.slice(slice(5, 7))
    with pytest.raises(ValueError, match="no bin"):
        axis.group_table([10, 20])
    with pytest.raises(ValueError, match="at least 1"):
        MapAxis.from_bounds(0, 1, 0)
    with pytest.raises(ValueError, match="'y' is needed"):
        axis.assert_name("y")


def test_text():
    axis = MapAxis.from_energy_edges([1, 3, 10] * u.TeV)
    assert repr(axis) == "<MapAxis 'energy': 2 log bins, 1 to 10 TeV>"
    assert axis.as_plot_labels == ["1 TeV - 3 TeV", "3 TeV - 10 TeV"]
    assert "N bins     : 2" in str(axis)


def test_collection():
    energy = MapAxis.from_energy_bounds("1 TeV", "10 TeV", 4, name="energy_true")
    rad = MapAxis.from_bounds(0, 1, 5, name="rad", unit="deg")
    both = MapAxes([rad, energy])
    assert both.names == ["rad", "energy_true"]
    assert both.shape == (5, 4)
    assert both["rad"] is rad
    assert "rad" in both
    assert rad in both
    assert both.index_data("rad") == 1
    assert both.squash("rad").is_unidimensional
    assert both.squash("rad").primary_axis == energy
    assert both.drop("rad").names == ["energy_true"]
    assert both.bin_volume().shape == (4, 5)
    assert_allclose(both.bin_volume().sum().to_value("deg TeV"), 9.0)
    assert both.get_coord("edges", "rad")["rad"].shape == (1, 6)
    assert both.slice_by_idx({"rad": 2, "energy_true": slice(1, 3)}).shape == (2,)
    assert both.rename_axes("rad", "theta").names == ["theta", "energy_true"]
    both.assert_names(["rad"], allow_extra=True)
    with pytest.raises(ValueError, match="axes \\['rad'\\] are needed"):
        both.assert_names(["rad"])
    with pytest.raises(KeyError, match="did you mean 'energy_true'"):
        both["energy_tru"]
    with pytest.raises(ValueError, match="unique"):
        MapAxes([rad, rad])
    with pytest.raises(ValueError, match="no primary axis"):
        both.primary_axis  # noqa: B018
