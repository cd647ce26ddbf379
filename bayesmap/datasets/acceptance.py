"""The OFF acceptance of joined bins or datasets."""

from typing import TYPE_CHECKING, TypeGuard

import numpy as np

from bayesmap.maps import Map

if TYPE_CHECKING:
    from bayesmap.datasets.base import Dataset
    from bayesmap.datasets.onoff import MapDatasetOnOff

__all__ = ["is_on_off", "off_acceptance"]


def is_on_off(dataset: "Dataset") -> "TypeGuard[MapDatasetOnOff]":
    """Whether the background of a dataset is measured."""
    return "counts_off" in dataset.components


def off_acceptance[M: Map](acceptance: M, counts_off: Map, background: Map, plain: Map) -> M:
    r"""OFF acceptance for which the background of joined bins is the sum of the backgrounds.

    .. math::
        a_\mathrm{off} = a \, \frac{\sum n_\mathrm{off}}{\sum \alpha n_\mathrm{off}}

    Parameters
    ----------
    acceptance : Map
        ON acceptance of the joined bins.
    counts_off : Map
        Sum of the OFF counts.
    background : Map
        Sum of alpha times the OFF counts.
    plain : Map
        OFF acceptance of what was joined, on the scale of ``acceptance``; used in bins without OFF counts.

    Returns
    -------
    Map
        On the geometry of ``acceptance``. Where ``plain`` is used and is no acceptance (OFF acceptances of a ring
        background are undefined where its OFF counts are round-off), the ratio of the acceptances is the average of the
        whole map, weighted with the OFF counts.

    Notes
    -----
    Gammapy takes the average in all bins without OFF counts, which changes the ratio of a single run.
    """
    on, off, expected, kept = (m.data.astype("float64") for m in (acceptance, counts_off, background, plain))
    known = np.isfinite(off) & np.isfinite(expected)
    total, total_expected = off[known].sum(), expected[known].sum()
    with np.errstate(invalid="ignore"):
        measured = off * expected > 0
        undefined = ~measured & ~(kept >= 0)
    result = np.divide(on * off, expected, out=kept.copy(), where=measured)
    if total_expected > 0:
        result[undefined] = on[undefined] * total / total_expected
    return acceptance.copy(data=result.astype(np.result_type(acceptance.data, "float32")))
