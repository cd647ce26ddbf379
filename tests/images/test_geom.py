"""Intervals, boxes and cells."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayesmap.errors import BoundsError, NoOverlapError
from bayesmap.images import XY, YX, Box, CellGrid, CellGridBounds, CellIJ, Interval, PatchDefinition

BOX = Box.factory[10:14, 3:9]


def intervals(low=-50, high=50):
    return st.tuples(st.integers(low, high), st.integers(1, 30)).map(lambda pair: Interval.from_size(pair[1], pair[0]))


@given(intervals(), intervals())
def test_intervals_are_sets_of_integers(one, two):
    elements = set(one.range)
    assert set(one.arange.tolist()) == elements
    assert one.contains(two) == (set(two.range) <= elements)
    assert {n for n in range(-100, 100) if n in one} == elements
    assert set(Interval.hull(one, two).range) == set(
        range(min(elements | set(two.range)), max(elements | set(two.range)) + 1)
    )
    common = elements & set(two.range)
    if common:
        assert set(one.intersection(two).range) == common
    else:
        with pytest.raises(NoOverlapError, match=f"{one} and {two}"):
            one.intersection(two)


@given(intervals(), st.floats(-100, 100))
def test_a_coordinate_lies_in_the_pixel_around_it(interval, x):
    edges = interval.start - 0.5, interval.stop - 0.5
    assert interval.contains(x) == (edges[0] <= x < edges[1])
    assert interval.contains(edges[0])
    assert not interval.contains(edges[1])


@given(intervals(), st.integers(-40, 40), st.integers(-40, 40))
def test_slices_of_intervals(parent, start, stop):
    values = parent.arange
    try:
        assert list(parent.local[start:stop].range) == values[start:stop].tolist()
    except IndexError:
        assert not values[start:stop].size
    try:
        inside = parent.absolute[start:stop]
    except IndexError:
        assert start < parent.start or stop > parent.stop or start >= stop
    else:
        assert values[inside.slice_within(parent)].tolist() == list(range(start, stop))


def test_interval():
    interval = Interval(3, 10)
    assert (interval.min, interval.max, interval.size, interval.center) == (3, 9, 7, 6.0)
    assert interval + 2 == Interval(5, 12)
    assert interval - 3 == Interval(0, 7)
    assert interval.padded(2) == interval.dilated_by(2) == Interval(1, 12)
    assert Interval.hull(3, 9) == interval
    assert interval.linspace().tolist() == [3, 4, 5, 6, 7, 8, 9]
    assert interval.linspace(3).tolist() == [3, 6, 9]
    assert interval.linspace(step=2).tolist() == [3, 5, 7, 9]
    assert interval.linspace(step=4).tolist() == [3, 6, 9]
    assert interval.contains(np.array([[2.4, 2.5], [9.4, np.nan]])).tolist() == [[False, True], [True, False]]
    assert str(interval) == "3:10"
    assert Interval(np.int64(1), np.uint8(2)) == Interval(1, 2)
    for start, stop in ((3, 3), (4, 2)):
        with pytest.raises(IndexError, match="at least one"):
            Interval(start, stop)
    with pytest.raises(TypeError):
        Interval(0.5, 2)
    with pytest.raises(TypeError, match="got both"):
        interval.linspace(3, step=1)


def test_pairs():
    assert YX(1, 2).xy == XY(2, 1)
    assert XY(2, 1).yx == YX(1, 2)
    assert Box.from_shape(XY(x=6, y=4), XY(x=3, y=10)) == Box.from_shape((4, 6), (10, 3)) == BOX
    with pytest.raises(ValueError, match="two numbers"):
        Box.from_shape((1, 2, 3))


def test_box():
    assert BOX.shape == YX(4, 6)
    assert BOX.start == YX(10, 3)
    assert BOX.bbox is BOX
    assert str(BOX) == "[y=10:14, x=3:9]"
    assert BOX.padded(1) == Box.factory[9:15, 2:10]
    assert list(BOX.boundary()) == [YX(10, 3), YX(10, 8), YX(13, 8), YX(13, 3)]
    assert BOX.intersection(Box.factory[12:20, :5]) == Box.factory[12:14, 3:5]
    assert BOX.contains(Box.factory[10:12, 4:9])
    assert not BOX.contains(Box.factory[9:12, 4:9])
    assert BOX.contains(x=8.4, y=9.5)
    assert BOX.contains(x=np.array([2.4, 2.5, 8.5]), y=11).tolist() == [False, True, False]
    assert BOX.absolute[..., 4:] == Box.factory[10:14, 4:9]
    x, y = BOX.meshgrid()
    assert x.shape == y.shape == (4, 6)
    assert (x[0, -1], y[-1, 0]) == (8, 13)
    assert BOX.meshgrid(2).x.tolist() == [[3, 8], [3, 8]]
    assert BOX.meshgrid((3, 2)).y[:, 0].tolist() == [10, 11.5, 13]
    assert pickle.loads(pickle.dumps(BOX)) == BOX
    with pytest.raises(IndexError, match="not inside"):
        BOX.slice_within(Box.factory[:12, :12])
    with pytest.raises(NoOverlapError):
        BOX.intersection(Box.factory[:10, :20])
    for wrong in ({}, {"x": 1}, {"other": BOX, "x": 1, "y": 1}):
        with pytest.raises(TypeError, match="a box, or both"):
            BOX.contains(**wrong)
    with pytest.raises(TypeError, match="two intervals"):
        Box((1, 2), (3, 4))


@pytest.mark.parametrize(
    ("make", "key", "error"),
    [
        (Box.factory, (slice(None), slice(0, 1)), IndexError),
        (BOX.local, slice(0, 1), TypeError),
        (BOX.local, (slice(0, 1),) * 3, TypeError),
        (BOX.local, (slice(0, 4, 2), slice(None)), ValueError),
        (BOX.absolute, (11, slice(None)), TypeError),
        (BOX.absolute, (slice(9, None), slice(None)), IndexError),
        (BOX.absolute, (slice(-2, None), slice(None)), IndexError),
        (BOX.local, (slice(7, 9), slice(None)), IndexError),
    ],
)
def test_slices_that_make_no_box(make, key, error):
    with pytest.raises(error):
        make[key]


GRID = CellGrid(Box.factory[100:140, 200:260], YX(20, 20))


def test_grid():
    assert GRID.grid_size == CellIJ(2, 3)
    assert GRID.index_of(y=119, x=220) == CellIJ(0, 1)
    assert GRID.index_of(y=99, x=0) == CellIJ(-1, -10)
    assert GRID.bbox_of(CellIJ(1, 2)) == Box.factory[120:140, 240:260]
    assert CellIJ(1, 2) + CellIJ(0, 1) - CellIJ(1, 1) == CellIJ(0, 2)
    assert sorted([CellIJ(1, 0), CellIJ(0, 5)]) == [CellIJ(0, 5), CellIJ(1, 0)]
    with pytest.raises(ValueError, match="do not fill"):
        CellGrid(GRID.bbox, YX(20, 25))
    with pytest.raises(ValueError, match="do not fill"):
        CellGrid(GRID.bbox, (0, 20))
    patch = PatchDefinition(1, (0, 2), GRID.bbox.padded(-10), GRID)
    assert patch.outer_bbox == GRID.bbox
    assert patch.index == YX(0, 2)


def test_bounds():
    bounds = CellGridBounds(GRID, Box.factory[100:140, 220:260], {CellIJ(1, 1)})
    assert (bounds.subgrid_start, bounds.subgrid_stop, bounds.subgrid_size) == (
        CellIJ(0, 1),
        CellIJ(2, 3),
        CellIJ(2, 2),
    )
    assert list(bounds.cell_indices()) == [CellIJ(0, 1), CellIJ(0, 2), CellIJ(1, 2)]
    assert list(bounds.missing_boxes()) == [Box.factory[120:140, 220:240]]
    assert bounds.contains(x=220, y=119.4)
    assert not bounds.contains(x=220, y=119.5)
    assert bounds.contains(x=np.array([219.4, 219.5, 239.4, 239.5]), y=130).tolist() == [False, False, False, True]
    assert [bounds.contains_cell(cell) for cell in (CellIJ(0, 0), CellIJ(1, 1), CellIJ(1, 2))] == [False, False, True]
    part = bounds[Box.factory[101:102, 239:241]]
    assert part.bbox == Box.factory[100:120, 220:260]
    assert part.missing == frozenset()
    assert bounds.intersection(Box.factory[0:200, 0:230]) == CellGridBounds(
        GRID, Box.factory[100:140, 220:240], {CellIJ(1, 1)}
    )
    other = CellGridBounds(GRID, GRID.bbox, {CellIJ(0, 2), CellIJ(0, 0)})
    assert bounds.intersection(other).missing == {CellIJ(1, 1), CellIJ(0, 2)}
    assert pickle.loads(pickle.dumps(bounds)) == bounds
    with pytest.raises(ValueError, match="not inside"):
        bounds[Box.factory[100:101, 219:221]]
    with pytest.raises(ValueError, match="two grids"):
        bounds.intersection(CellGridBounds(CellGrid(GRID.bbox, YX(10, 10)), GRID.bbox))
    with pytest.raises(ValueError, match="does not consist of cells"):
        CellGridBounds(GRID, Box.factory[100:110, 220:260])
    with pytest.raises(ValueError, match="does not consist of cells"):
        CellGridBounds(GRID, Box.factory[80:120, 220:260])
    with pytest.raises(ValueError, match="outside"):
        CellGridBounds(GRID, Box.factory[100:120, 200:220], {CellIJ(1, 1)})
    with pytest.raises(BoundsError, match="missing cells"):
        bounds.check_cell(CellIJ(1, 1))
    with pytest.raises(BoundsError, match="go from"):
        bounds.check_cell(CellIJ(0, 0))
