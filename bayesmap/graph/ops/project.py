"""The heavy kernel: images of sources on the sky become counts in bins.

:class:`Project` takes one image per source and true energy (a *stamp*: the fraction of the photons that falls into each
pixel of a window), multiplies with flux, exposure and energy dispersion and returns the predicted counts in the
selected bins that lie inside a window, and the weighted total over all bins. It knows no likelihood. Its gradient is
the adjoint kernel :class:`ProjectAdjoint`. Both cost in proportion to the windows, not to the cube.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType, disconnected_type
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op

from bayesmap._backend.kernels import inner_kernel, kernel, register_kernel
from bayesmap._types import Tensor

__all__ = ["Project", "ProjectAdjoint", "energy_bands", "project", "row_range"]


@inner_kernel
def _energy_band(row):
    """First and one-past-last true energy that reach a reconstructed energy; the last is zero if there are none."""
    first, last = row.size, 0
    for j in range(row.size):
        if row[j] != 0.0:
            first = min(first, j)
            last = j + 1
    return first, last


# Numbers are assigned one by one here: for the assignment of an array numba compiles a message about wrong shapes,
# which takes longer than all the rest.
@inner_kernel
def energy_bands(edisp):
    """First and one-past-last true energy that reach each reconstructed energy, from ``(n_reco, n_true)``."""
    bands = np.empty((edisp.shape[0], 2), dtype=np.int64)
    for e in range(edisp.shape[0]):
        bands[e, 0], bands[e, 1] = _energy_band(edisp[e])
    return bands


@inner_kernel
def _bands(edisp):
    """The same for each source: ``(n_source, n_reco, 2)``."""
    bands = np.empty((edisp.shape[0], edisp.shape[1], 2), dtype=np.int64)
    for s in range(edisp.shape[0]):
        for e in range(edisp.shape[1]):
            bands[s, e, 0], bands[s, e, 1] = _energy_band(edisp[s, e])
    return bands


@inner_kernel
def _class_response(edisp, class_weights, s):
    """Sum over reconstructed energies of weight times dispersion, per class of pixels: shape (class, true energy)."""
    n_class, n_reco = class_weights.shape
    n_true = edisp.shape[2]
    response = np.zeros((n_class, n_true))
    for c in range(n_class):
        for e in range(n_reco):
            if class_weights[c, e] != 0.0:
                for j in range(n_true):
                    response[c, j] += class_weights[c, e] * edisp[s, e, j]
    return response


@inner_kernel
def row_range(columns, start, stop, x_min, x_max):
    """Bins start:stop of one image row are sorted by column; return those with x_min <= column < x_max."""
    low, high = start, stop
    while low < high:
        middle = (low + high) // 2
        if columns[middle] < x_min:
            low = middle + 1
        else:
            high = middle
    first = low
    while low < stop and columns[low] < x_max:
        low += 1
    return first, low


@inner_kernel
def _limits(start, size, half, n):
    """Pixels of the map within ``half`` of the middle of a window: first, and one past the last."""
    low = max(start + max(size // 2 - half, 0), 0)
    high = min(start + min(size // 2 + half + 1, size), n)
    return low, high


@inner_kernel
def _widest(halves, s, j_min, j_max):
    """Largest half width of the energies of a band."""
    half = 0
    for j in range(j_min, j_max):
        half = max(half, halves[s, j])
    return half


@inner_kernel
def _reach(halves, bands, s, j):
    """Half width of the pixels in which a true energy is looked at: the widest band that it is part of."""
    half = halves[s, j]
    for e in range(bands.shape[1]):
        if bands[s, e, 0] <= j < bands[s, e, 1]:
            half = max(half, _widest(halves, s, bands[s, e, 0], bands[s, e, 1]))
    return half


@inner_kernel
def _one_class(classes, y_min, y_max, x_min, x_max):
    """Whether all pixels of a window have the same weights."""
    for y in range(y_min, y_max):
        for x in range(x_min, x_max):
            if classes[y, x] != classes[y_min, x_min]:
                return False
    return True


@inner_kernel
def _run_end(classes, y, x, x_max, uniform):
    """One past the last pixel of the run of equal class that starts at x."""
    if uniform:
        return x_max
    end = x + 1
    while end < x_max and classes[y, end] == classes[y, x]:
        end += 1
    return end


@inner_kernel
def _local_bins(windows, rows, n_reco, n_y):
    """Where the selected bins of the image rows that any window reaches stand in a list of them.

    Bin ``b`` of energy ``e`` is number ``b + shift[e]`` of ``size``: memory in proportion to the windows.
    """
    y_first, y_last = n_y, 0
    for s in range(windows.shape[0]):
        y_first = min(y_first, max(windows[s, 0], 0))
        y_last = max(y_last, min(windows[s, 0] + windows[s, 2], n_y))
    shift = np.zeros(n_reco, dtype=np.int64)
    size = 0
    if y_first < y_last:
        for e in range(n_reco):
            shift[e] = size - rows[e * n_y + y_first]
            size += rows[e * n_y + y_last] - rows[e * n_y + y_first]
    return shift, size


@inner_kernel
def _boxes(halves, bands, windows, s, n_y, n_x):
    """Pixels of source s as ``y_low, y_high, x_low, x_high``.

    Per true energy those that count in the total, and those that are looked at; per reconstructed energy those with
    counts.
    """
    y0, x0, height, width = windows[s, 0], windows[s, 1], windows[s, 2], windows[s, 3]
    n_true, n_reco = halves.shape[1], bands.shape[1]
    total, seen = np.empty((n_true, 4), np.int64), np.empty((n_true, 4), np.int64)
    counted = np.empty((n_reco, 4), np.int64)
    for j in range(n_true):
        total[j, 0], total[j, 1] = _limits(y0, height, halves[s, j], n_y)
        total[j, 2], total[j, 3] = _limits(x0, width, halves[s, j], n_x)
        reach = _reach(halves, bands, s, j)
        seen[j, 0], seen[j, 1] = _limits(y0, height, reach, n_y)
        seen[j, 2], seen[j, 3] = _limits(x0, width, reach, n_x)
    for e in range(n_reco):
        half = _widest(halves, s, bands[s, e, 0], bands[s, e, 1])
        counted[e, 0], counted[e, 1] = _limits(y0, height, half, n_y)
        counted[e, 2], counted[e, 3] = _limits(x0, width, half, n_x)
    return total, seen, counted


@kernel
def _project(stamps, windows, halves, flux, edisp, exposure, classes, class_weights, columns, rows):
    n_source, n_reco, n_true = edisp.shape
    n_y, n_x = exposure.shape[1], exposure.shape[2]
    bands = _bands(edisp)
    shift, n_local = _local_bins(windows, rows, n_reco, n_y)
    slot = np.full(n_local if n_source > 1 else 0, -1, dtype=np.int32)
    visits = np.empty(n_local * n_source, dtype=np.int32)
    n_visit = 0
    touched = np.empty(n_local, dtype=np.int64)
    counts = np.empty(n_local)
    n_touched = 0
    total = 0.0
    offset = 0
    for s in range(n_source):
        y0, x0, height, width = windows[s, 0], windows[s, 1], windows[s, 2], windows[s, 3]
        y_min, y_max = max(y0, 0), min(y0 + height, n_y)
        x_min, x_max = max(x0, 0), min(x0 + width, n_x)
        stamp = stamps[offset : offset + n_true * height * width].reshape((n_true, height, width))
        offset += n_true * height * width
        if x_min >= x_max or y_min >= y_max:
            continue
        response = _class_response(edisp, class_weights, s)
        uniform = _one_class(classes, y_min, y_max, x_min, x_max)
        in_total, looked_at, counted = _boxes(halves, bands, windows, s, n_y, n_x)
        seen = np.empty((n_true, x_max - x_min))
        row = np.empty(x_max - x_min)
        for y in range(y_min, y_max):
            for j in range(n_true):
                if not looked_at[j, 0] <= y < looked_at[j, 1]:
                    continue
                low, high = looked_at[j, 2], looked_at[j, 3]
                seen_j, factor = seen[j, low - x_min : high - x_min], flux[s, j]
                stamp_j, exposure_j = stamp[j, y - y0, low - x0 : high - x0], exposure[j, y, low:high]
                for i in range(high - low):
                    seen_j[i] = factor * stamp_j[i] * exposure_j[i]
                if not in_total[j, 0] <= y < in_total[j, 1]:
                    continue
                x = in_total[j, 2]
                while x < in_total[j, 3]:
                    end = _run_end(classes, y, x, in_total[j, 3], uniform)
                    part = 0.0
                    for i in range(x - low, end - low):
                        part += seen_j[i]
                    total += response[classes[y, x], j] * part
                    x = end
            for e in range(n_reco):
                if not counted[e, 0] <= y < counted[e, 1]:
                    continue
                low, high = counted[e, 2], counted[e, 3]
                first, last = row_range(columns, rows[e * n_y + y], rows[e * n_y + y + 1], low, high)
                if first == last:
                    continue
                # All pixels of the row together vectorise: faster than only those with counts.
                row_e = row[: high - low]
                row_e[:] = 0.0
                for j in range(bands[s, e, 0], bands[s, e, 1]):
                    weight, seen_j = edisp[s, e, j], seen[j, low - x_min : high - x_min]
                    for i in range(high - low):
                        row_e[i] += weight * seen_j[i]
                for b in range(first, last):
                    place = slot[b + shift[e]] if n_source > 1 else -1
                    if place < 0:
                        place = n_touched
                        touched[place] = b
                        counts[place] = 0.0
                        if n_source > 1:
                            slot[b + shift[e]] = place
                        n_touched += 1
                    counts[place] += row_e[columns[b] - low]
                    visits[n_visit] = place
                    n_visit += 1
    return touched[:n_touched].copy(), counts[:n_touched].copy(), np.asarray(total), visits[:n_visit].copy()


@kernel
def _project_adjoint(
    stamps, windows, halves, flux, edisp, exposure, classes, class_weights, columns, rows, visits, g_counts, g_total
):
    n_source, n_reco, n_true = edisp.shape
    n_y, n_x = exposure.shape[1], exposure.shape[2]
    bands = _bands(edisp)
    n_visit = 0  # the walk is that of _project
    g_stamps = np.zeros(stamps.size)
    g_flux = np.zeros((n_source, n_true))
    offset = 0
    for s in range(n_source):
        y0, x0, height, width = windows[s, 0], windows[s, 1], windows[s, 2], windows[s, 3]
        y_min, y_max = max(y0, 0), min(y0 + height, n_y)
        x_min, x_max = max(x0, 0), min(x0 + width, n_x)
        stamp = stamps[offset : offset + n_true * height * width].reshape((n_true, height, width))
        g_stamp = g_stamps[offset : offset + n_true * height * width].reshape((n_true, height, width))
        offset += n_true * height * width
        if x_min >= x_max or y_min >= y_max:
            continue
        response = _class_response(edisp, class_weights, s)
        uniform = _one_class(classes, y_min, y_max, x_min, x_max)
        in_total, looked_at, counted = _boxes(halves, bands, windows, s, n_y, n_x)
        g_seen = np.empty((n_true, x_max - x_min))
        by_flux = np.zeros((n_true, x_max - x_min))  # summed over rows; sums along rows would not vectorise
        row = np.empty(x_max - x_min)
        for y in range(y_min, y_max):
            # First the derivative of the result by (stamp x flux x exposure).
            g_seen[:] = 0.0
            for j in range(n_true):
                if not in_total[j, 0] <= y < in_total[j, 1]:
                    continue
                x = in_total[j, 2]
                while x < in_total[j, 3]:
                    end = _run_end(classes, y, x, in_total[j, 3], uniform)
                    g_seen[j, x - x_min : end - x_min] = g_total.item() * response[classes[y, x], j]
                    x = end
            for e in range(n_reco):
                if not counted[e, 0] <= y < counted[e, 1]:
                    continue
                low, high = counted[e, 2], counted[e, 3]
                first, last = row_range(columns, rows[e * n_y + y], rows[e * n_y + y + 1], low, high)
                if first == last:
                    continue
                row_e = row[: high - low]
                row_e[:] = 0.0
                for b in range(first, last):
                    row_e[columns[b] - low] = g_counts[visits[n_visit]]
                    n_visit += 1
                for j in range(bands[s, e, 0], bands[s, e, 1]):
                    weight, g_seen_j = edisp[s, e, j], g_seen[j, low - x_min : high - x_min]
                    for i in range(high - low):
                        g_seen_j[i] += weight * row_e[i]
            # Then the exposure and the flux, and the flux gradient on the way.
            for j in range(n_true):
                if not looked_at[j, 0] <= y < looked_at[j, 1]:
                    continue
                low, high = looked_at[j, 2], looked_at[j, 3]
                g_seen_j, exposure_j = g_seen[j, low - x_min : high - x_min], exposure[j, y, low:high]
                stamp_j, g_stamp_j = stamp[j, y - y0, low - x0 : high - x0], g_stamp[j, y - y0, low - x0 : high - x0]
                by_flux_j, factor = by_flux[j, low - x_min : high - x_min], flux[s, j]
                for i in range(high - low):
                    value = g_seen_j[i] * exposure_j[i]
                    by_flux_j[i] += value * stamp_j[i]
                    g_stamp_j[i] = value * factor
        for j in range(n_true):
            for i in range(x_max - x_min):
                g_flux[s, j] += by_flux[j, i]
    return g_stamps, g_flux


@kernel
def _project_adjoint_edisp(
    stamps, windows, halves, flux, edisp, exposure, classes, class_weights, columns, rows, visits, g_counts, g_total
):
    n_source, n_reco, n_true = edisp.shape
    n_y, n_x = exposure.shape[1], exposure.shape[2]
    n_class = class_weights.shape[0]
    bands = _bands(edisp)
    n_visit = 0
    g_edisp = np.zeros((n_source, n_reco, n_true))
    offset = 0
    for s in range(n_source):
        y0, x0, height, width = windows[s, 0], windows[s, 1], windows[s, 2], windows[s, 3]
        y_min, y_max = max(y0, 0), min(y0 + height, n_y)
        x_min, x_max = max(x0, 0), min(x0 + width, n_x)
        stamp = stamps[offset : offset + n_true * height * width].reshape((n_true, height, width))
        offset += n_true * height * width
        if x_min >= x_max or y_min >= y_max:
            continue
        exposed = np.zeros((n_class, n_true))
        for j in range(n_true):
            for y in range(y_min, y_max):
                for x in range(x_min, x_max):
                    exposed[classes[y, x], j] += stamp[j, y - y0, x - x0] * exposure[j, y, x]
        for e in range(n_reco):
            for c in range(n_class):
                for j in range(n_true):
                    g_edisp[s, e, j] += g_total.item() * class_weights[c, e] * exposed[c, j]
        _, _, counted = _boxes(halves, bands, windows, s, n_y, n_x)
        for y in range(y_min, y_max):  # the walk is that of _project
            for e in range(n_reco):
                if not counted[e, 0] <= y < counted[e, 1]:
                    continue
                row = e * n_y + y
                first, last = row_range(columns, rows[row], rows[row + 1], counted[e, 2], counted[e, 3])
                for b in range(first, last):
                    x = columns[b]
                    sensitivity = g_counts[visits[n_visit]]
                    n_visit += 1
                    for j in range(n_true):
                        g_edisp[s, e, j] += sensitivity * stamp[j, y - y0, x - x0] * exposure[j, y, x]
        for e in range(n_reco):
            for j in range(n_true):
                g_edisp[s, e, j] *= flux[s, j]
    return g_edisp


class ProjectAdjoint(Op):
    """Gradient of :class:`Project` by the stamps and the flux, or (``wrt="edisp"``) by the energy dispersion.

    Inputs are those of :class:`Project`, its visits, and the cotangents of counts and total.
    """

    __props__ = ("wrt",)

    def __init__(self, wrt: str = "source") -> None:
        self.wrt = wrt

    def make_node(self, *inputs: Tensor) -> Apply:
        inputs = tuple(pt.as_tensor_variable(x) for x in inputs)
        if self.wrt == "edisp":
            return Apply(self, inputs, [pt.tensor3(dtype="float64")])
        return Apply(self, inputs, [pt.vector(dtype="float64"), pt.matrix(dtype="float64")])

    def perform(self, node: Apply, inputs: Sequence[np.ndarray], outputs: Sequence[list[np.ndarray]]) -> None:
        *first, g_total = inputs
        if self.wrt == "edisp":
            outputs[0][0] = _project_adjoint_edisp(*first, np.asarray(g_total))
        else:
            outputs[0][0], outputs[1][0] = _project_adjoint(*first, np.asarray(g_total))

    def infer_shape(self, node: Apply, shapes: Sequence[tuple[Tensor, ...]]) -> list[tuple[Tensor, ...]]:
        return [shapes[4]] if self.wrt == "edisp" else [shapes[0], shapes[3]]


class Project(Op):
    """Counts of sources in selected bins, and their weighted total.

    Inputs
        stamps : (sum of n_true * height * width,) float
            Fraction of each source's photons per pixel, sources one after another, each ``(n_true, height, width)``.
        windows : (n_source, 4) int
            ``y0, x0, height, width`` of each stamp in pixels of the map; may reach outside of the map.
        halves : (n_source, n_true) int
            The stamp of each energy is zero further than this from the middle of its window.
        flux : (n_source, n_true) float
            Photon flux per true-energy bin, internal unit 1e-12 cm-2 s-1.
        edisp : (n_source, n_reco, n_true) float
            Energy dispersion of each source.
        exposure : (n_true, n_y, n_x) float
            Internal unit 1e12 cm2 s.
        classes, class_weights : (n_y, n_x) int, (n_class, n_reco) float
            Weights of the total: pixel ``(y, x)`` has weights ``class_weights[classes[y, x]]``.
        columns, rows : (n_bin,) int, (n_reco * n_y + 1,) int
            The selected bins sorted by energy, y, x: their x, and the first bin of each image row.

    Outputs
        touched : (n,) int
            Which of the selected bins any window reaches, each once.
        counts : (n,) float
            Predicted counts there.
        total : () float
            Sum over all bins of weight times predicted counts.
        visits : (n_visit,) int
            Which entry of counts each visit of a source to a bin went to, in the order of the kernel; for the adjoint.

    Notes
    -----
    The formula is
    ``counts[e, y, x] = sum_s sum_j edisp[s, e, j] flux[s, j] exposure[j, y, x] stamp[s][j, y - y0, x - x0]``,
    the order flux, PSF, exposure, energy dispersion. Responses in reconstructed energy (RecoPSFMap) use the same Op
    with a stamp per reconstructed energy and the identity as dispersion.
    """

    __props__ = ()

    def make_node(self, *inputs: Tensor) -> Apply:
        inputs = tuple(pt.as_tensor_variable(x) for x in inputs)
        outputs = [pt.lvector(), pt.vector(dtype="float64"), pt.scalar(dtype="float64"), pt.ivector()]
        return Apply(self, inputs, outputs)

    def perform(self, node: Apply, inputs: Sequence[np.ndarray], outputs: Sequence[list[np.ndarray]]) -> None:
        for output, value in zip(outputs, _project(*inputs), strict=True):
            output[0] = value

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        floats = {0, 3, 4}
        return [[False, i in floats, i in floats, False] for i in range(len(node.inputs))]

    def pullback(
        self, inputs: Sequence[Tensor], outputs: Sequence[Tensor], cotangents: Sequence[Tensor]
    ) -> list[Tensor]:
        _, g_counts, g_total, _ = cotangents
        g_counts = pt.zeros_like(outputs[1]) if isinstance(g_counts.type, DisconnectedType) else g_counts
        g_total = pt.zeros_like(outputs[2]) if isinstance(g_total.type, DisconnectedType) else g_total
        arguments = (*inputs, outputs[3], g_counts, g_total)
        g_stamps, g_flux = ProjectAdjoint()(*arguments)
        g_edisp = ProjectAdjoint("edisp")(*arguments)
        gradients: list[Any] = [disconnected_type() for _ in inputs]
        gradients[0], gradients[3], gradients[4] = g_stamps, g_flux, g_edisp
        return gradients


project = Project()


register_kernel(Project, lambda op: _project)
register_kernel(ProjectAdjoint, lambda op: _project_adjoint_edisp if op.wrt == "edisp" else _project_adjoint)
