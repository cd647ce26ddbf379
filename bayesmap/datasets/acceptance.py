"""The OFF acceptance of joined bins or datasets."""

import numpy as np

from bayesmap.maps import Map

__all__ = ["off_acceptance"]


def off_acceptance(acceptance: Map, counts_off: Map, background: Map, plain: Map) -> Map:
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
        OFF acceptance to use where there are no OFF counts at all.

    Returns
    -------
    Map
        On the geometry of ``acceptance``. In bins without OFF counts the ratio of the acceptances is the average of the
        whole map, weighted with the OFF counts, as in Gammapy; if no bin has OFF counts, ``plain``.
    """
    off, expected = (m.data.astype("float64") for m in (counts_off, background))
    keep = np.isfinite(off) & np.isfinite(expected)
    total, total_expected = off[keep].sum(), expected[keep].sum()
    if total_expected <= 0:
        return plain
    ratio = np.full(off.shape, total / total_expected)
    np.divide(off, expected, out=ratio, where=off * expected > 0)
    return acceptance.copy(data=(acceptance.data * ratio).astype(np.result_type(acceptance.data, "float32")))
