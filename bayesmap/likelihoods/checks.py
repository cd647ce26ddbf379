"""Checks of binned data."""

from typing import Any

import numpy as np

__all__ = ["check_counts", "check_cube"]


def check_counts(name: str, counts: np.ndarray, mask: np.ndarray) -> None:
    """Raise a ValueError unless a cube has the right shape and whole, non-negative numbers inside the mask."""
    check_cube(name, "counts", counts, mask, "whole, non-negative numbers", lambda n: (n >= 0) & (n == np.floor(n)))


def check_cube(name: str, what: str, cube: np.ndarray, mask: np.ndarray, wanted: str, valid: Any) -> None:
    """Raise a ValueError unless a cube has the shape of the mask and valid, finite numbers inside it.

    Parameters
    ----------
    name, what : str
        The dataset and what is checked, for the message.
    cube, mask : numpy.ndarray
        Values, float64, and the bins that are looked at, boolean.
    wanted : str
        What is right, for the message.
    valid : callable
        Takes the values inside the mask, returns which of them are valid.
    """
    if cube.shape != mask.shape:
        raise ValueError(f"dataset {name!r}: {what} must have shape {mask.shape}, got {cube.shape}")
    inside = cube[mask]
    bad = ~np.isfinite(inside) | ~valid(inside)
    if bad.any():
        raise ValueError(
            f"dataset {name!r}: {what} must be {wanted}; {int(bad.sum())} bins inside the mask are not, for example "
            f"{inside[bad][0]}"
        )
