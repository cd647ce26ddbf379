"""Elliptical shapes on an image: the sum of their Fourier transforms, and its convolution with the kernels of cells."""

import math
from collections.abc import Sequence

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import disconnected_type
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from scipy import fft

from bayesmap._backend.kernels import inner_kernel, kernel, python_kernel, register_kernel, register_python_kernel
from bayesmap._types import Tensor

__all__ = ["CellConvolution", "SpectrumSum"]


@inner_kernel
def _phases(place, waves):
    """Real and imaginary part of the phase along one axis, shape (2, n)."""
    result = np.empty((2, waves.size))
    for i in range(waves.size):
        result[0, i] = math.cos(waves[i] * place)
        result[1, i] = -math.sin(waves[i] * place)
    return result


@inner_kernel
def _is_on_plane(x, y, n_y, n_x):
    """Whether a centre is on the plane: the transform is periodic, and would draw it there wherever it is."""
    return -0.5 <= x < 2 * (n_x - 1) - 0.5 and -0.5 <= y < n_y - 0.5


@inner_kernel
def _cells(table):
    """Coefficients of the cubic between each pair of nodes, shape (n_node - 3, 4)."""
    result = np.empty((table.size - 3, 4))
    for i in range(table.size - 3):
        a, b, c, d = table[i], table[i + 1], table[i + 2], table[i + 3]
        result[i] = b, 0.5 * (c - a), 0.5 * (2 * a - 5 * b + 4 * c - d), 0.5 * (3 * (b - c) + d - a)
    return result


@inner_kernel
def _along_row(metric, k_y, scale, wave_x, width, squares, places):
    """Squared wave numbers along the major axis for one row of waves, and their places in the table."""
    m_xx, mixed, rest = metric[0], 2.0 * metric[1] * k_y, metric[2] * k_y**2
    for j in range(width):
        squares[j] = abs((m_xx * wave_x[j] + mixed) * wave_x[j] + rest)
        places[j] = scale * math.sqrt(math.sqrt(squares[j]))


# Rows are done in short loops of one thing each: those that look nothing up in a table become vector instructions.


@kernel
def _spectrum(flux, x, y, metric, tables, tops, wave_x, wave_y, widths):
    n_y, n_x, n_node = wave_y.size, wave_x.size, tables.shape[1]
    result = np.zeros((2, n_y, n_x))
    last = n_node - 3.001
    squares, places, values = np.empty(n_x), np.empty(n_x), np.empty(n_x)
    for s in range(flux.size):
        if not _is_on_plane(x[s], y[s], n_y, n_x):
            continue
        along, across = _phases(x[s], wave_x), flux[s] * _phases(y[s], wave_y)
        cosine, sine, axes = along[0], along[1], metric[:, s]
        scale, cells = (n_node - 3) / math.sqrt(tops[s]), _cells(tables[s])
        for i in range(n_y):
            width = widths[i]
            _along_row(axes, wave_y[i], scale, wave_x, width, squares, places)
            for j in range(width):
                place = min(places[j], last)
                n = int(place)
                t = place - n
                values[j] = cells[n, 0] + t * (cells[n, 1] + t * (cells[n, 2] + t * cells[n, 3]))
            re, im, real, imaginary = across[0, i], across[1, i], result[0, i], result[1, i]
            for j in range(width):
                real[j] += values[j] * (cosine[j] * re - sine[j] * im)
                imaginary[j] += values[j] * (cosine[j] * im + sine[j] * re)
    return result


@kernel
def _spectrum_adjoint(flux, x, y, metric, tables, tops, wave_x, wave_y, widths, above):
    n_y, n_x, n_node = wave_y.size, wave_x.size, tables.shape[1]
    result = np.zeros((flux.size, 6 + n_node))
    last = n_node - 3.001
    squares, places, values, slopes = np.empty(n_x), np.empty(n_x), np.empty(n_x), np.empty(n_x)
    weights, turns = np.empty(n_x), np.empty(n_x)
    for s in range(flux.size):
        if not _is_on_plane(x[s], y[s], n_y, n_x):
            continue
        along, across = _phases(x[s], wave_x), _phases(y[s], wave_y)
        cosine, sine, axes = along[0], along[1], metric[:, s]
        scale, cells = (n_node - 3) / math.sqrt(tops[s]), _cells(tables[s])
        moments = np.zeros(cells.shape)
        by_x = by_y = by_xx = by_xy = by_yy = 0.0
        for i in range(n_y):
            width, k_y = widths[i], wave_y[i]
            _along_row(axes, k_y, scale, wave_x, width, squares, places)
            re, im, g_real, g_imaginary = across[0, i], across[1, i], above[0, i], above[1, i]
            for j in range(width):
                real, imaginary = cosine[j] * re - sine[j] * im, cosine[j] * im + sine[j] * re
                weights[j] = g_real[j] * real + g_imaginary[j] * imaginary
                turns[j] = g_real[j] * imaginary - g_imaginary[j] * real
            for j in range(width):
                place = min(places[j], last)
                n = int(place)
                t = place - n
                b, c, d = cells[n, 1], cells[n, 2], cells[n, 3]
                values[j], slopes[j] = cells[n, 0] + t * (b + t * (c + t * d)), b + t * (2 * c + t * 3 * d)
                weight, moment = weights[j], moments[n]
                moment[0] += weight
                moment[1] += weight * t
                moment[2] += weight * t * t
                moment[3] += weight * t * t * t
            for j in range(width):
                turns[j] *= values[j]
                inside = squares[j] > 0.0 and places[j] < last
                slopes[j] = slopes[j] * weights[j] * places[j] / squares[j] if inside else 0.0
            turn = turn_x = slope = slope_x = slope_xx = 0.0
            for j in range(width):
                k_x = wave_x[j]
                turn += turns[j]
                turn_x += k_x * turns[j]
                slope += slopes[j]
                slope_x += k_x * slopes[j]
                slope_xx += k_x * k_x * slopes[j]
            by_x += turn_x
            by_y += k_y * turn
            by_xx += slope_xx
            by_xy += k_y * slope_x
            by_yy += k_y * k_y * slope
        quarter = 0.25 * flux[s]
        result[s, 0] = (moments * cells).sum()
        result[s, 1:6] = flux[s] * by_x, flux[s] * by_y, quarter * by_xx, 2 * quarter * by_xy, quarter * by_yy
        for n in range(len(moments)):
            m_0, m_1, m_2, m_3 = flux[s] * moments[n]
            nodes = result[s, 6 + n :]
            nodes[0] += 0.5 * (2 * m_2 - m_1 - m_3)
            nodes[1] += m_0 + 0.5 * (3 * m_3 - 5 * m_2)
            nodes[2] += 0.5 * (m_1 + 4 * m_2 - 3 * m_3)
            nodes[3] += 0.5 * (m_3 - m_2)
    return result


class SpectrumSumAdjoint(Op):
    """Gradient of :class:`SpectrumSum`: flux, x, y, three of the metric and the table, ``(n_source, 6 + n_node)``."""

    __props__ = ()

    def make_node(self, *inputs: Tensor) -> Apply:
        return Apply(self, [pt.as_tensor_variable(x) for x in inputs], [pt.matrix(dtype="float64")])

    def perform(self, node: Apply, inputs: Sequence[np.ndarray], outputs: Sequence[list[np.ndarray]]) -> None:
        outputs[0][0] = _spectrum_adjoint(*inputs)

    def infer_shape(self, node: Apply, shapes: Sequence[tuple[Tensor, ...]]) -> list[tuple[Tensor, ...]]:
        return [(shapes[0][0], 6 + shapes[4][1])]


class SpectrumSum(Op):
    """Sum of the Fourier transforms of elliptical shapes, as real and imaginary part.

    Inputs
        flux, x, y : (n_source,) float
            Positions in pixels of the plane; a source whose centre is not on it gives nothing.
        metric : (3, n_source) float
            ``m_xx, m_xy, m_yy``, with which ``m_xx k_x^2 + 2 m_xy k_x k_y + m_yy k_y^2`` is the squared wave number
            along the major axis.
        tables : (n_source, n_node) float
            Transforms along the major axis: node ``j`` is at the wave number ``top ((j - 1) / (n_node - 3))^2``.
        tops : (n_source,) float
            Largest wave numbers along the major axis.
        wave_x, wave_y : (n_x,), (n_y,) float
            Wave numbers of the grid in rad per pixel.
        widths : (n_y,) int
            For each ``wave_y`` how many of ``wave_x`` are needed; the others are zero.

    Outputs
        (2, n_y, n_x) float
            What ``scipy.fft.irfft2`` makes an image of.
    """

    __props__ = ()

    def make_node(self, *inputs: Tensor) -> Apply:
        return Apply(self, [pt.as_tensor_variable(x) for x in inputs], [pt.tensor3(dtype="float64")])

    def perform(self, node: Apply, inputs: Sequence[np.ndarray], outputs: Sequence[list[np.ndarray]]) -> None:
        outputs[0][0] = _spectrum(*inputs)

    def infer_shape(self, node: Apply, shapes: Sequence[tuple[Tensor, ...]]) -> list[tuple[Tensor, ...]]:
        return [(pt.constant(2), shapes[7][0], shapes[6][0])]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True]] * 5 + [[False]] * 4

    def pullback(
        self, inputs: Sequence[Tensor], outputs: Sequence[Tensor], cotangents: Sequence[Tensor]
    ) -> list[Tensor]:
        gradient = SpectrumSumAdjoint()(*inputs, cotangents[0])
        parts = [gradient[:, 0], gradient[:, 1], gradient[:, 2], gradient[:, 3:6].T, gradient[:, 6:]]
        return [*parts, *(disconnected_type() for _ in range(4))]


def _widths(spectrum: np.ndarray) -> tuple[int, int]:
    return spectrum.shape[1], 2 * (spectrum.shape[2] - 1)


def _windows(transforms: np.ndarray, boxes: np.ndarray, layout: np.ndarray) -> tuple[tuple[int, int], list[tuple]]:
    """Size of the transforms, and for each cell its pixels, its window and its place in the window."""
    pad, reach_y, reach_x = (int(v) for v in layout[2:])
    size = transforms.shape[1], 2 * (transforms.shape[2] - 1)
    windows = []
    for y0, y1, x0, x1 in boxes.tolist():
        pixels = slice(y0, y1), slice(x0, x1)
        window = slice(pad + y0 - reach_y, pad + y1 + reach_y), slice(pad + x0 - reach_x, pad + x1 + reach_x)
        place = slice(2 * reach_y, 2 * reach_y + y1 - y0), slice(2 * reach_x, 2 * reach_x + x1 - x0)
        windows.append((pixels, window, place))
    return size, windows


def _convolve(spectrum: np.ndarray, transforms: np.ndarray, boxes: np.ndarray, layout: np.ndarray) -> np.ndarray:
    scene = fft.irfft2(spectrum[0] + 1j * spectrum[1], s=_widths(spectrum))
    size, windows = _windows(transforms, boxes, layout)
    image = np.zeros((int(layout[0]), int(layout[1])))
    for transform, (pixels, window, place) in zip(transforms, windows, strict=True):
        image[pixels] = fft.irfft2(fft.rfft2(scene[window], s=size) * transform, s=size)[place]
    return image


def _correlate(
    above: np.ndarray, spectrum: np.ndarray, transforms: np.ndarray, boxes: np.ndarray, layout: np.ndarray
) -> np.ndarray:
    size, windows = _windows(transforms, boxes, layout)
    whole = _widths(spectrum)
    scene = np.zeros(whole)
    for transform, (pixels, window, place) in zip(transforms, windows, strict=True):
        part = np.zeros(size)
        part[place] = above[pixels]
        back = fft.irfft2(fft.rfft2(part) * transform.conj(), s=size)
        rows, columns = window
        scene[window] += back[: rows.stop - rows.start, : columns.stop - columns.start]
    result = fft.rfft2(scene) / scene.size
    result[:, 1:-1] *= 2  # of conjugate pairs one is held
    return np.ascontiguousarray(np.stack([result.real, result.imag]))


class CellConvolution(Op):
    """The image of a spectrum, each pixel convolved with the kernel of its own cell.

    Inputs
        spectrum : (2, n_y, n_x) float
            From :class:`SpectrumSum`; of a scene that begins ``pad`` pixels before the image.
        transforms : (n_cell, height, width // 2 + 1) complex
            Fourier transforms of the kernels, of windows that hold the largest cell and a kernel.
        boxes : (n_cell, 4) int
            First and last (excluded) row, first and last column of each cell in the image.
        layout : (5,) int
            Shape of the image (2), ``pad``, half the height and half the width of a kernel.

    Outputs
        (image height, image width) float
            Zero outside of the cells. With ``adjoint=True`` the first input is the gradient by this image, before the
            others, and the output that by the spectrum.
    """

    __props__ = ("adjoint",)

    def __init__(self, adjoint: bool = False) -> None:
        self.adjoint = adjoint

    def make_node(self, *inputs: Tensor) -> Apply:
        output = pt.tensor3(dtype="float64") if self.adjoint else pt.matrix(dtype="float64")
        return Apply(self, [pt.as_tensor_variable(x) for x in inputs], [output])

    def perform(self, node: Apply, inputs: Sequence[np.ndarray], outputs: Sequence[list[np.ndarray]]) -> None:
        outputs[0][0] = (_correlate if self.adjoint else _convolve)(*inputs)

    def infer_shape(self, node: Apply, shapes: Sequence[tuple[Tensor, ...]]) -> list[tuple[Tensor, ...]]:
        return [shapes[1]] if self.adjoint else [(node.inputs[3][0], node.inputs[3][1])]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True], *([False] for _ in node.inputs[1:])]

    def pullback(
        self, inputs: Sequence[Tensor], outputs: Sequence[Tensor], cotangents: Sequence[Tensor]
    ) -> list[Tensor]:
        others = inputs[2:] if self.adjoint else inputs
        gradient = CellConvolution(not self.adjoint)(cotangents[0], *others)
        return [gradient, *(disconnected_type() for _ in inputs[1:])]


# SciPy's FFT has no Numba version: a call back into Python, whose cost is small against the transforms.
_KERNELS = {False: python_kernel(_convolve, "float64", 2), True: python_kernel(_correlate, "float64", 3)}
register_kernel(SpectrumSum, lambda op: _spectrum)
register_kernel(SpectrumSumAdjoint, lambda op: _spectrum_adjoint)
register_python_kernel(CellConvolution, lambda op: _KERNELS[op.adjoint])
