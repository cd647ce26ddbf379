"""Whether the data and responses of a dataset can be fitted."""

from typing import Any

import numpy as np

from bayesmap.datasets.checks import warn_correlated_off
from bayesmap.graph import FoldArrays
from bayesmap.io.checks import impossible
from bayesmap.irf.checks import impossible_values
from bayesmap.likelihoods import Likelihood
from bayesmap.likelihoods.checks import check_cube

__all__ = ["check_counts", "check_off", "check_off_counts", "check_responses", "unmeasured_bins"]


def check_counts(arrays: FoldArrays, likelihood: Likelihood) -> None:
    """Raise a ValueError unless there are counts, and counts, background and exposure are what they should be."""
    name = arrays.name
    if arrays.counts is None:
        raise ValueError(f"dataset {name!r} has no counts: set them, or draw some with dataset.fake()")
    if not arrays.mask.any():
        raise ValueError(f"dataset {name!r}: the masks leave no bin; look at mask_safe and mask_fit")
    likelihood.check(name, arrays.counts, arrays.mask)
    for what, values in (("background", arrays.background), ("exposure", arrays.exposure)):
        if values is None:
            continue
        inside = values[arrays.mask] if what == "background" else values
        if not np.isfinite(inside).all() or (what == "exposure" and inside.min() < 0):
            raise ValueError(f"dataset {name!r}: {what} has NaN, infinite or negative values inside the mask")


def check_responses(arrays: FoldArrays) -> None:
    """Raise a ValueError if PSF or energy dispersion were changed to something impossible."""
    for what in ("psf", "edisp"):
        response = getattr(arrays, what)
        if response is not None and (wrong := impossible_values(response)):
            raise ValueError(f"dataset {arrays.name!r}: {what} is {wrong}")


def check_off(dataset: Any, mask: np.ndarray) -> None:
    """Raise a ValueError unless there is a measurement of the background in each bin of the mask.

    Parameters
    ----------
    dataset : `~bayesmap.datasets.MapDatasetOnOff`
        The dataset.
    mask : numpy.ndarray
        Bins that are looked at, a boolean cube.

    Warns
    -----
    UserWarning
        If OFF counts of neighbouring pixels are correlated.
    """
    name = dataset.name
    missing = [key for key in ("counts_off", "acceptance", "acceptance_off") if getattr(dataset, key) is None]
    if missing:
        raise ValueError(
            f"dataset {name!r} has no {', '.join(missing)}: without them nothing is known of the background"
        )
    check_off_counts(name, np.asarray(dataset.counts_off.data, dtype="float64"), mask)
    warn_correlated_off(dataset, mask, stacklevel=7)
    blind = mask & unmeasured_bins(dataset)
    if blind.any():
        first = tuple(int(i) for i in np.argwhere(blind)[0])
        raise ValueError(
            f"dataset {name!r}: {int(blind.sum())} bins inside the mask have no OFF acceptance, first (energy, lat, "
            f"lon) = {first}: their background is unknown; exclude them with mask_safe or mask_fit"
        )


def unmeasured_bins(dataset: Any) -> np.ndarray | None:
    """Bins of an ON/OFF dataset with ON and without OFF acceptance, a boolean cube; None if these are not known."""
    if dataset.acceptance is None or dataset.acceptance_off is None:
        return None
    blind: np.ndarray = (dataset.acceptance.data > 0) & ~(dataset.acceptance_off.data > 0)
    return blind


def check_off_counts(name: str, counts: np.ndarray, mask: np.ndarray) -> None:
    """Raise a ValueError unless OFF counts are non-negative; those of a ring are a convolution, with its round-off."""
    check_cube(name, "counts_off", counts, mask, "non-negative numbers", lambda n: ~impossible("counts_off", n))
