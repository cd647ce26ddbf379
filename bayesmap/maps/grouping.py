"""Group the bins of an axis between given edges."""

from typing import TYPE_CHECKING

import numpy as np
from astropy.table import QTable

if TYPE_CHECKING:
    from bayesmap.maps.axes import MapAxis

__all__ = ["group_table"]


def group_table(axis: "MapAxis", edges: object) -> QTable:
    """Return the table of `MapAxis.group_table`."""
    pix = np.clip(np.atleast_1d(axis.coord_to_pix(edges)), -0.5, axis.nbin - 0.5)
    # the number of the axis edge that is nearest: 0 is the lower edge of the first bin
    number = np.unique(np.round(pix + 0.5).astype(int))
    if len(number) < 2:
        raise ValueError(f"axis {axis.name!r}: no bin of {axis!r} lies between the edges {edges}")
    kinds = ["normal   "] * (len(number) - 1)
    if number[0] > 0:
        number, kinds = np.insert(number, 0, 0), ["underflow", *kinds]
    if number[-1] < axis.nbin:
        number, kinds = np.append(number, axis.nbin), [*kinds, "overflow "]
    bounds = axis.edges[number]
    return QTable(
        {
            "group_idx": np.arange(len(kinds)),
            f"{axis.name}_min": bounds[:-1],
            f"{axis.name}_max": bounds[1:],
            "idx_min": number[:-1],
            "idx_max": number[1:] - 1,
            "bin_type": kinds,
        }
    )
