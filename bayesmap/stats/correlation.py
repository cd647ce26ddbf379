"""Whether counts of neighbouring pixels are independent."""

import numpy as np

__all__ = ["neighbours_share_counts"]

#: expected sum of squares below which nothing can be said (about fifty counts)
LEAST = 300.0
#: OFF counts of a ring come from a Fourier convolution and are whole numbers up to its round-off
ROUND_OFF = 1e-2


def neighbours_share_counts(counts: np.ndarray, mask: np.ndarray | None = None) -> bool:
    r"""Return whether counts vary less from pixel to pixel than independent Poisson numbers do.

    OFF counts that are summed in a ring around each pixel hold the same events in neighbouring pixels. For
    independent counts the second differences along longitude obey

    .. math::
        \left\langle (2 n_i - n_{i-1} - n_{i+1})^2 \right\rangle \geq
        \left\langle 4 n_i + n_{i-1} + n_{i+1} \right\rangle,

    with equality where the brightness is a straight line; for the ring background of H.E.S.S. runs the left side is
    0.06 to 0.3 of the right one.

    Parameters
    ----------
    counts : numpy.ndarray
        Shape ``(..., n_lon)``.
    mask : numpy.ndarray, optional
        Boolean, of the same shape: pixels to be looked at.

    Returns
    -------
    bool
        Whether the left side is less than half of the right one. False for fewer than about fifty counts, and for
        counts that are no whole numbers: an expectation may be smooth.
    """
    n = np.asarray(counts, dtype="float64")
    use = np.isfinite(n) if mask is None else np.isfinite(n) & mask
    if np.any(np.abs(n[use] - np.rint(n[use])) > ROUND_OFF):
        return False
    left, middle, right = n[..., :-2], n[..., 1:-1], n[..., 2:]
    whole = use[..., :-2] & use[..., 1:-1] & use[..., 2:]
    variance = float((4 * middle + left + right)[whole].sum())
    return variance > LEAST and float(((2 * middle - left - right)[whole] ** 2).sum()) < 0.5 * variance
