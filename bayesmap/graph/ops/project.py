"""The heavy kernel: images of sources on the sky become counts in bins.

:class:`Project` takes one image per source and true energy (a *stamp*: the fraction of the photons that falls into each
pixel of a window), multiplies with flux, exposure and energy dispersion and returns the predicted counts in the
selected bins that lie inside a window, and the weighted total over all bins. It knows no likelihood. Its gradient is
the adjoint kernel :class:`ProjectAdjoint`. Both cost in proportion to the windows, not to the cube.
"""

from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType, disconnected_type
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op

from bayesmap.graph.ops._numba import kernel, register_kernel

__all__ = ["Project", "ProjectAdjoint", "project"]


@kernel
def _bands(edisp):
    """First and one-past-last true energy that reach each reconstructed energy of each source."""
    n_source, n_reco, n_true = edisp.shape
    bands = np.zeros((n_source, n_reco, 2), dtype=np.int64)
    for s in range(n_source):
        for e in range(n_reco):
            first, last = n_true, 0
            for j in range(n_true):
                if edisp[s, e, j] != 0.0:
                    if first == n_true:
                        first = j
                    last = j + 1
            bands[s, e, 0], bands[s, e, 1] = first, last
    return bands


@kernel
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


@kernel
def _row_range(columns, start, stop, x_min, x_max):
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


@kernel
def _limits(start, size, half, n):
    """Pixels of the map within ``half`` of the middle of a window: first, and one past the last."""
    low = max(start + max(size // 2 - half, 0), 0)
    high = min(start + min(size // 2 + half + 1, size), n)
    return low, high


@kernel
def _widest(halves, s, j_min, j_max):
    """Largest half width of the energies of a band."""
    half = 0
    for j in range(j_min, j_max):
        half = max(half, halves[s, j])
    return half


@kernel
def _reach(halves, bands, s, j):
    """Half width of the pixels in which a true energy is looked at: the widest band that it is part of."""
    half = halves[s, j]
    for e in range(bands.shape[1]):
        if bands[s, e, 0] <= j < bands[s, e, 1]:
            half = max(half, _widest(halves, s, bands[s, e, 0], bands[s, e, 1]))
    return half


@kernel
def _one_class(classes, y_min, y_max, x_min, x_max):
    """Whether all pixels of a window have the same weights."""
    for y in range(y_min, y_max):
        for x in range(x_min, x_max):
            if classes[y, x] != classes[y_min, x_min]:
                return False
    return True


@kernel
def _run_end(classes, y, x, x_max, uniform):
    """One past the last pixel of the run of equal class that starts at x."""
    if uniform:
        return x_max
    end = x + 1
    while end < x_max and classes[y, end] == classes[y, x]:
        end += 1
    return end


@kernel
def _project(stamps, windows, halves, flux, edisp, exposure, classes, class_weights, columns, rows):
    n_source, n_reco, n_true = edisp.shape
    n_y, n_x = exposure.shape[1], exposure.shape[2]
    bands = _bands(edisp)
    # Windows of several sources may share bins; one source needs no book-keeping over all bins.
    slot = np.full(columns.size if n_source > 1 else 0, -1, dtype=np.int32)
    visits = np.empty(columns.size * n_source, dtype=np.int32)
    n_visit = 0
    touched = np.empty(columns.size, dtype=np.int64)
    counts = np.empty(columns.size)
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
        for j in range(n_true):
            y_low, y_high = _limits(y0, height, halves[s, j], n_y)
            x_low, x_high = _limits(x0, width, halves[s, j], n_x)
            part = 0.0
            for y in range(y_low, y_high):
                x = x_low
                while x < x_high:
                    end = _run_end(classes, y, x, x_high, uniform)
                    row_part = 0.0
                    for i in range(x, end):
                        row_part += stamp[j, y - y0, i - x0] * exposure[j, y, i]
                    part += response[classes[y, x], j] * row_part
                    x = end
            total += flux[s, j] * part
        weight = np.empty(n_true)
        for e in range(n_reco):
            j_min, j_max = bands[s, e, 0], bands[s, e, 1]
            for j in range(j_min, j_max):
                weight[j] = edisp[s, e, j] * flux[s, j]
            half = _widest(halves, s, j_min, j_max)
            y_low, y_high = _limits(y0, height, half, n_y)
            x_low, x_high = _limits(x0, width, half, n_x)
            for y in range(y_low, y_high):
                row = e * n_y + y
                if rows[row] == rows[row + 1]:
                    continue
                first, last = _row_range(columns, rows[row], rows[row + 1], x_low, x_high)
                for b in range(first, last):
                    x = columns[b]
                    value = 0.0
                    for j in range(j_min, j_max):
                        value += weight[j] * stamp[j, y - y0, x - x0] * exposure[j, y, x]
                    place = slot[b] if n_source > 1 else -1
                    if place < 0:
                        place = n_touched
                        touched[place] = b
                        counts[place] = 0.0
                        if n_source > 1:
                            slot[b] = place
                        n_touched += 1
                    counts[place] += value
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
    n_visit = 0
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
        # First the derivative of the result by (stamp x flux), without the exposure.
        uniform = _one_class(classes, y_min, y_max, x_min, x_max)
        for j in range(n_true):
            y_low, y_high = _limits(y0, height, halves[s, j], n_y)
            x_low, x_high = _limits(x0, width, halves[s, j], n_x)
            for y in range(y_low, y_high):
                x = x_low
                while x < x_high:
                    end = _run_end(classes, y, x, x_high, uniform)
                    value = g_total * response[classes[y, x], j]
                    for i in range(x, end):
                        g_stamp[j, y - y0, i - x0] = value
                    x = end
        for e in range(n_reco):
            j_min, j_max = bands[s, e, 0], bands[s, e, 1]
            half = _widest(halves, s, j_min, j_max)
            y_low, y_high = _limits(y0, height, half, n_y)
            x_low, x_high = _limits(x0, width, half, n_x)
            for y in range(y_low, y_high):
                row = e * n_y + y
                if rows[row] == rows[row + 1]:
                    continue
                first, last = _row_range(columns, rows[row], rows[row + 1], x_low, x_high)
                for b in range(first, last):
                    x = columns[b]
                    sensitivity = g_counts[visits[n_visit]]
                    n_visit += 1
                    for j in range(j_min, j_max):
                        g_stamp[j, y - y0, x - x0] += sensitivity * edisp[s, e, j]
        # Then the exposure and the flux, and the flux gradient on the way.
        for j in range(n_true):
            y_low, y_high = _limits(y0, height, _reach(halves, bands, s, j), n_y)
            x_low, x_high = _limits(x0, width, _reach(halves, bands, s, j), n_x)
            total = 0.0
            for y in range(y_low, y_high):
                for x in range(x_low, x_high):
                    value = g_stamp[j, y - y0, x - x0] * exposure[j, y, x]
                    total += value * stamp[j, y - y0, x - x0]
                    g_stamp[j, y - y0, x - x0] = value * flux[s, j]
            g_flux[s, j] = total
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
                    g_edisp[s, e, j] += g_total * class_weights[c, e] * exposed[c, j]
            half = _widest(halves, s, bands[s, e, 0], bands[s, e, 1])
            y_low, y_high = _limits(y0, height, half, n_y)
            x_low, x_high = _limits(x0, width, half, n_x)
            for y in range(y_low, y_high):
                row = e * n_y + y
                if rows[row] == rows[row + 1]:
                    continue
                first, last = _row_range(columns, rows[row], rows[row + 1], x_low, x_high)
                for b in range(first, last):
                    x = columns[b]
                    sensitivity = g_counts[visits[n_visit]]
                    n_visit += 1
                    for j in range(n_true):
                        g_edisp[s, e, j] += sensitivity * stamp[j, y - y0, x - x0] * exposure[j, y, x]
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

    def make_node(self, *inputs: Any) -> Apply:
        inputs = tuple(pt.as_tensor_variable(x) for x in inputs)
        if self.wrt == "edisp":
            return Apply(self, inputs, [pt.tensor3(dtype="float64")])
        return Apply(self, inputs, [pt.vector(dtype="float64"), pt.matrix(dtype="float64")])

    def perform(self, node: Apply, inputs: Any, outputs: Any) -> None:
        *first, g_total = inputs
        if self.wrt == "edisp":
            outputs[0][0] = _project_adjoint_edisp(*first, float(g_total))
        else:
            outputs[0][0], outputs[1][0] = _project_adjoint(*first, float(g_total))

    def infer_shape(self, node: Apply, shapes: Any) -> Any:
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

    def make_node(self, *inputs: Any) -> Apply:
        inputs = tuple(pt.as_tensor_variable(x) for x in inputs)
        outputs = [pt.lvector(), pt.vector(dtype="float64"), pt.scalar(dtype="float64"), pt.ivector()]
        return Apply(self, inputs, outputs)

    def perform(self, node: Apply, inputs: Any, outputs: Any) -> None:
        for output, value in zip(outputs, _project(*inputs), strict=True):
            output[0] = value

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        floats = {0, 3, 4}
        return [[False, i in floats, i in floats, False] for i in range(len(node.inputs))]

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
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


@kernel
def _adjoint_numba(
    stamps, windows, halves, flux, edisp, exposure, classes, class_weights, columns, rows, visits, g_counts, g_total
):
    return _project_adjoint(
        stamps,
        windows,
        halves,
        flux,
        edisp,
        exposure,
        classes,
        class_weights,
        columns,
        rows,
        visits,
        g_counts,
        g_total.item(),
    )


@kernel
def _adjoint_edisp_numba(
    stamps, windows, halves, flux, edisp, exposure, classes, class_weights, columns, rows, visits, g_counts, g_total
):
    return _project_adjoint_edisp(
        stamps,
        windows,
        halves,
        flux,
        edisp,
        exposure,
        classes,
        class_weights,
        columns,
        rows,
        visits,
        g_counts,
        g_total.item(),
    )


register_kernel(Project, lambda op: _project)
register_kernel(ProjectAdjoint, lambda op: _adjoint_edisp_numba if op.wrt == "edisp" else _adjoint_numba)
