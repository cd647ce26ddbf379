"""Integrals of spectra over energy: Gauss-Legendre nodes in ln(energy), in panels that end where a spectrum breaks."""

from collections.abc import Callable, Sequence

import numpy as np

from bayesmap._lazy import pt
from bayesmap._types import Tensor
from bayesmap.modeling.spectral.interpolate import at_least, at_most

__all__ = ["gauss_legendre", "integrate_graph", "integrate_numbers", "panels"]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(10)
_ACCURACY, _MAX_DIVISIONS = 1e-11, 16  # of numbers; graphs have fixed panels
_PANEL = 1.0  # widest panel in ln(energy): ten nodes reach 1e-12 for cut-off spectra there


def gauss_legendre(energy_min: Tensor, energy_max: Tensor) -> tuple[Tensor, Tensor]:
    """Return nodes and weights for integrals over energy bins, one panel each.

    Parameters
    ----------
    energy_min, energy_max : numpy.ndarray or TensorVariable
        Edges of the bins.

    Returns
    -------
    tuple
        Energies and weights (in energy) with ten nodes on a new last axis: the integral over each bin is
        ``(weights * f(energies)).sum(axis=-1)``.
    """
    symbolic = not all(isinstance(edge, np.ndarray | float) for edge in (energy_min, energy_max))
    log, exp = (pt.log, pt.exp) if symbolic else (np.log, np.exp)
    low, high = (pt.as_tensor_variable(e) if symbolic else np.asarray(e) for e in (energy_min, energy_max))
    mid, half = 0.5 * (log(high) + log(low)), 0.5 * (log(high) - log(low))
    energy = exp(mid[..., None] + half[..., None] * _NODES)
    return energy, half[..., None] * _WEIGHTS * energy


def panels(energy_min: np.ndarray, energy_max: np.ndarray, breaks: Sequence[float] = ()) -> tuple[np.ndarray, ...]:
    """Divide energy bins where a spectrum breaks, and into pieces of at most 1 in ln(energy).

    Parameters
    ----------
    energy_min, energy_max : numpy.ndarray
        Edges of the bins, shape ``(n,)``.
    breaks : sequence of float
        Energies where the spectrum, or its slope, jumps.

    Returns
    -------
    tuple of numpy.ndarray
        Lower and upper edges of the panels, and the bin that each belongs to, shape ``(n_panels,)``, by bin.
    """
    inner = np.unique(np.asarray(breaks, dtype="float64"))
    first = np.searchsorted(inner, energy_min, side="right")
    n_piece = 1 + np.maximum(np.searchsorted(inner, energy_max, side="left") - first, 0)
    owner, k = _repeated(n_piece)
    padded = np.append(inner, np.nan)  # so that an index past the last break can be read, though it is not used
    start = np.where(k == 0, energy_min[owner], padded[np.maximum(first[owner] + k - 1, 0)])
    stop = np.where(k == n_piece[owner] - 1, energy_max[owner], padded[np.minimum(first[owner] + k, len(inner))])
    width = np.log(stop) - np.log(start)
    n_panel = np.maximum(np.ceil(width / _PANEL), 1).astype("int64")
    piece, k = _repeated(n_panel)
    step = width[piece] / n_panel[piece]
    low = start[piece] * np.exp(step * k)
    high = np.where(k == n_panel[piece] - 1, stop[piece], start[piece] * np.exp(step * (k + 1)))
    return low, high, owner[piece]


def _repeated(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Index of each of n things as often as it occurs, and which occurrence it is."""
    owner = np.repeat(np.arange(len(numbers)), numbers)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(numbers) - numbers, numbers)


def integrate_numbers(
    function: Callable[[np.ndarray], np.ndarray],
    energy_min: np.ndarray,
    energy_max: np.ndarray,
    breaks: Sequence[float] = (),
    power: int = 0,
) -> np.ndarray:
    """Return integrals of ``energy**power * function(energy)`` over bins; panels are halved until that changes nothing.

    Parameters
    ----------
    function : callable
        Takes energies of shape ``(n,)``, returns numbers of shape ``(..., n)``.
    energy_min, energy_max : numpy.ndarray
        Edges of the bins, shape ``(n,)``.
    breaks : sequence of float
        Energies where the spectrum breaks.
    power : int
        Power of the energy.

    Returns
    -------
    numpy.ndarray
        Shape ``(..., n)``.
    """
    low, high, owner = panels(energy_min, energy_max, breaks)
    # One call for the panels and for their halves: most spectra need no more.
    n, halves = len(low), _halves(low, high)
    both = _sum_numbers(function, np.append(low, halves[0]), np.append(high, halves[1]), power)
    sums, parts = both[..., :n], both[..., n:]
    total = np.zeros((*sums.shape[:-1], len(energy_min)))
    np.add.at(total.T, owner, sums.T)
    tolerance = _ACCURACY * np.abs(total)
    for _ in range(_MAX_DIVISIONS):
        with np.errstate(invalid="ignore"):  # an infinite flux gives NaN, as it must
            change = parts[..., 0::2] + parts[..., 1::2] - sums
        np.add.at(total.T, owner, change.T)
        open_ = np.any(np.abs(change) > tolerance[..., owner], axis=tuple(range(change.ndim - 1)))
        if not np.any(open_):
            break
        keep = np.repeat(open_, 2)
        low, high = halves[0][keep], halves[1][keep]
        sums, owner, halves = parts[..., keep], np.repeat(owner[open_], 2), _halves(low, high)
        parts = _sum_numbers(function, *halves, power)
    return total


def _halves(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Edges of the halves of panels, those of one panel after another."""
    middle = np.sqrt(low * high)
    return np.stack([low, middle], axis=1).ravel(), np.stack([middle, high], axis=1).ravel()


def _sum_numbers(
    function: Callable[[np.ndarray], np.ndarray], low: np.ndarray, high: np.ndarray, power: int
) -> np.ndarray:
    """Gauss-Legendre sums over panels, shape ``(..., n_panels)``."""
    energy, weight = gauss_legendre(low, high)
    values = function(energy.ravel())
    total: np.ndarray = (values.reshape(*values.shape[:-1], *energy.shape) * weight * energy**power).sum(axis=-1)
    return total


def _membership(owner: np.ndarray, n: int) -> np.ndarray:
    """One where a panel (columns) belongs to a bin (rows)."""
    return (np.arange(n)[:, None] == owner[None, :]).astype("float64")


def integrate_graph(
    function: Callable[[Tensor], Tensor], energy_min: Tensor, energy_max: Tensor, breaks: Sequence[Tensor] = ()
) -> Tensor:
    """Return the symbolic integral of a function over bins.

    Parameters
    ----------
    function : callable
        Takes energies of any shape, returns a tensor of that shape.
    energy_min, energy_max : numpy.ndarray or TensorVariable
        Edges of the bins, shape ``(n,)``. Arrays are divided at the breaks that are numbers.
    breaks : sequence of float or TensorVariable
        Energies where the function breaks.

    Returns
    -------
    TensorVariable
        Shape ``(n,)``. Symbolic breaks move inside of a bin without a jump of the integral or of its gradient.
    """
    if not all(isinstance(edge, np.ndarray) for edge in (energy_min, energy_max)):
        low, high = pt.as_tensor_variable(energy_min), pt.as_tensor_variable(energy_max)
        return _sum_panels(function, low, high, breaks)
    fixed = [float(b) for b in breaks if isinstance(b, int | float | np.number)]
    moving = [b for b in breaks if not isinstance(b, int | float | np.number)]
    low, high, owner = panels(energy_min, energy_max, fixed)
    total = _sum_panels(function, low, high, moving)
    if len(owner) == len(energy_min):
        return total
    return pt.dot(_membership(owner, len(energy_min)), total)


def _sum_panels(function: Callable[[Tensor], Tensor], low: Tensor, high: Tensor, breaks: Sequence[Tensor]) -> Tensor:
    """Integral over each panel, divided at the breaks inside of it; the parts beyond its edges have no width."""
    if breaks:
        inner = pt.stack([pt.as_tensor_variable(b) for b in breaks])
        inner = pt.sort(inner) if len(breaks) > 1 else inner
        inner = at_most(at_least(inner[None, :], low[:, None]), high[:, None])
        edges = pt.concatenate([low[:, None] * pt.ones((1, 1)), inner, high[:, None] * pt.ones((1, 1))], axis=1)
        low, high = edges[:, :-1], edges[:, 1:]
    energy, weight = gauss_legendre(low, high)
    return (weight * function(energy)).sum(axis=tuple(range(1, weight.ndim)))
