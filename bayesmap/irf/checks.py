"""What the values of a response may be."""

from typing import Any

import numpy as np

__all__ = ["check_probabilities", "impossible_values"]

#: a row of an energy dispersion may sum to this much more than one: tables of real instruments do, by up to 0.2 %
EXCESS = 0.02
#: negative values below this fraction of the largest are round-off of an interpolation or a Fourier transform
ROUND_OFF = 1e-6


def impossible_values(response: Any) -> str:
    """Return what is impossible in the values of a response, or an empty text.

    Densities and probabilities are finite and not negative, and those of an energy dispersion sum to one, or to less
    where photons are not reconstructed. NaN stands for an unknown response: in pixels that hold nothing else, and at
    energies where the exposure of the response is zero.

    Parameters
    ----------
    response : IRFMap
        A point spread function or an energy dispersion.

    Returns
    -------
    str
        What is wrong, in how many bins, and the index and value of the first.
    """
    data = response._irf_map.data
    if data.size == 0:
        return ""
    low, high = float(data.min()), float(data.max())
    if not (low >= -ROUND_OFF * abs(high) and high < np.inf):  # rare, and NaN compares false
        with np.errstate(invalid="ignore"):
            negative = data < -ROUND_OFF * np.nanmax(data, initial=0.0, where=np.isfinite(data))
        unknown = ~np.isfinite(data) & ~(np.isnan(data) & _may_be_unknown(response))
        for bad, what in ((negative, "negative"), (unknown, "not finite")):
            if bad.any():
                first = tuple(int(i) for i in np.argwhere(bad)[0])
                return (
                    f"{what} in {int(bad.sum())} of {bad.size} bins, first at index {first} with value {data[first]!r}"
                )
    sums = response.row_sums()
    if sums is not None and np.nanmax(sums, initial=0.0) > 1 + EXCESS:
        return _too_large(sums)
    return ""


def _too_large(sums: np.ndarray) -> str:
    """What is said of rows that sum to more than one."""
    bad = np.nan_to_num(sums) > 1 + EXCESS
    first = tuple(int(i) for i in np.argwhere(bad)[0])
    return (
        f"no probability: {int(bad.sum())} of {bad.size} rows of true energy sum to more than one, first at index "
        f"{first} to {sums[first]:.4g}"
    )


def _may_be_unknown(response: Any) -> np.ndarray:
    """Bins that may be NaN, an array that broadcasts to the data."""
    data, exposure = response._irf_map.data, response.exposure_map
    empty = np.isnan(data).all(axis=tuple(range(data.ndim - 2)), keepdims=True)
    empty = empty & ~empty.all()
    if exposure is None or exposure.data.ndim != data.ndim:
        return empty
    return empty | ~(exposure.data > 0)


def check_probabilities(matrix: np.ndarray, used: np.ndarray, name: str) -> None:
    """Raise a ValueError unless a matrix holds probabilities of reconstructed energy.

    Parameters
    ----------
    matrix : numpy.ndarray
        Shape ``(n_reco, n_true)``.
    used : numpy.ndarray
        Booleans, shape ``(n_true,)``: true energies that count.
    name : str
        Name of the dataset, for the message.
    """
    columns = matrix[:, used]
    if not np.isfinite(columns).all() or columns.min(initial=0.0) < -ROUND_OFF:
        raise ValueError(f"dataset {name!r}: edisp has values that are negative or not finite")
    if columns.sum(axis=0).max(initial=0.0) > 1 + EXCESS:
        raise ValueError(f"dataset {name!r}: edisp is {_too_large(columns.sum(axis=0))}")
