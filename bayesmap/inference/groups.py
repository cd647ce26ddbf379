"""Data in groups: whole datasets, energies, blocks of the sky, or any that the user names."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from bayesmap._util import check_option
from bayesmap.inference.observations import Observation
from bayesmap.inference.streaming import Draw

__all__ = ["GROUPS", "GroupLogLikelihood", "block_labels", "group_labels"]

GROUPS = ("dataset", "energy", "block")


class GroupLogLikelihood:
    """Reducer: the log-likelihood of each group of data at each draw.

    Parameters
    ----------
    labels : numpy.ndarray
        Number of the group of each datum that is looked at, shape ``(n,)``.
    number : int
        Number of groups.
    """

    def __init__(self, labels: np.ndarray, number: int) -> None:
        self.labels, self.number = labels, number

    def start(self, observed: Observation, num_draws: int) -> None:
        """Begin a pass over the draws."""
        self.rows = np.empty((num_draws, self.number))
        self.summed = observed.summed(self.labels, self.number)
        self.place = 0

    def add(self, draw: Draw) -> None:
        """Take one draw."""
        self.rows[self.place] = self.summed(*draw.arguments)
        self.place += 1

    def result(self) -> np.ndarray:
        """Log-likelihoods, shape ``(num_draws, number)``."""
        return self.rows


def group_labels(
    observed: Observation, shape: tuple[int, ...], groups: str | Mapping[str, Any], num_blocks: int
) -> tuple[np.ndarray, list[str]]:
    """Sort the data of one dataset into groups.

    Parameters
    ----------
    observed : Observation
        The dataset.
    shape : tuple of int
        Shape of its data.
    groups : {"dataset", "energy", "block"} or mapping of str to numpy.ndarray
        Kind of the groups, or for each dataset whole numbers of the shape of the data.
    num_blocks : int
        Number of blocks of the sky, at most.

    Returns
    -------
    labels : numpy.ndarray
        Number of the group of each datum that is looked at, shape ``(n,)``.
    names : list of str
        Of all groups, also of empty ones.

    Raises
    ------
    ValueError
        If the data have no energies or no sky, or labels have another shape.
    """
    name = observed.name
    mask = np.ones(shape, dtype=bool) if observed.mask is None else np.asarray(observed.mask)
    if isinstance(groups, Mapping):
        if name not in groups:
            raise ValueError(f"groups has no labels for dataset {name!r}, only for {sorted(groups)}")
        given = np.asarray(groups[name])
        if given.shape != shape:
            raise ValueError(f"dataset {name!r}: labels of groups have the shape {given.shape}, the data {shape}")
        values, labels = np.unique(given[mask], return_inverse=True)
        return labels, [f"{name} {value}" for value in values]
    check_option("groups", groups, GROUPS)
    if groups == "dataset":
        return np.zeros(int(mask.sum()), dtype=int), [name]
    axis = {1: "energy", 2: "block"}.get(len(shape), groups)
    if axis != groups:
        raise ValueError(f"dataset {name!r} holds {observed.content}, which has no groups of the kind {groups!r}")
    if groups == "energy":
        places = np.broadcast_to(np.arange(shape[0]).reshape(-1, *[1] * (len(shape) - 1)), shape)[mask]
        return places, [f"{name} energy {i}" for i in range(shape[0])]
    image = mask if len(shape) == 2 else mask.any(axis=0)
    blocks = block_labels(image.astype("float64"), max(image.sum() / num_blocks, 1.0))
    return np.broadcast_to(blocks, shape)[mask], [f"{name} block {i}" for i in range(int(blocks.max()) + 1)]


def block_labels(weights: np.ndarray, least: float) -> np.ndarray:
    """Cut an image into rectangles by halving, again and again, across the longer side.

    Parameters
    ----------
    weights : numpy.ndarray
        What is shared out, not negative, shape ``(n_lat, n_lon)``.
    least : float
        Each rectangle holds at least as much, if the image does.

    Returns
    -------
    numpy.ndarray
        Number of the rectangle of each pixel, from zero, shape of the image. A cut is the line that halves the weights
        best; a rectangle stays as it is if one of its halves would hold less than ``least``.
    """
    labels = np.zeros(weights.shape, dtype=int)
    todo, number = [(slice(0, weights.shape[0]), slice(0, weights.shape[1]))], 0
    while todo:
        box = todo.pop()
        parts = _halves(weights[box], least, box)
        if parts:
            todo += parts
        else:
            labels[box] = number
            number += 1
    return labels


def _halves(weights: np.ndarray, least: float, box: tuple[slice, slice]) -> list[tuple[slice, slice]]:
    """Two parts of a box that hold enough each; none if there are no such ones."""
    total = weights.sum()
    if total < 2 * least:
        return []
    for axis in np.argsort([-n for n in weights.shape], kind="stable"):
        if weights.shape[axis] < 2:
            continue
        below = np.cumsum(weights.sum(axis=1 - axis))[:-1]
        cut = int(np.argmin(np.abs(below - total / 2)))
        if min(below[cut], total - below[cut]) >= least:
            start = box[axis].start
            first, second = list(box), list(box)
            first[axis] = slice(start, start + cut + 1)
            second[axis] = slice(start + cut + 1, box[axis].stop)
            return [(first[0], first[1]), (second[0], second[1])]
    return []
