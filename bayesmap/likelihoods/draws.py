"""Random counts."""

import numpy as np

__all__ = ["draw_poisson"]

#: mean above which a normal number is drawn: there it differs from a Poisson number by less than 1e-7 of its spread
LARGE = 1e15


def draw_poisson(mean: np.ndarray, rng: np.random.Generator, what: str = "predicted counts") -> np.ndarray:
    """Draw Poisson counts of any size.

    Parameters
    ----------
    mean : numpy.ndarray
        Expected counts, any shape.
    rng : numpy.random.Generator
        Source of randomness.
    what : str
        What the mean is, for the message.

    Returns
    -------
    numpy.ndarray
        Whole numbers as float64, shape of ``mean``.

    Raises
    ------
    ValueError
        If a mean is negative or not finite.
    """
    mean = np.asarray(mean, dtype="float64")
    lowest, highest = mean.min(initial=0.0), mean.max(initial=0.0)  # NaN if there is one
    if not (lowest >= 0 and highest < np.inf):
        bad = ~(mean >= 0) | ~np.isfinite(mean)
        raise ValueError(f"cannot draw counts: {int(bad.sum())} {what} are negative or not finite")
    if highest <= LARGE:
        return np.asarray(rng.poisson(mean), dtype="float64")
    large = mean > LARGE
    counts: np.ndarray = rng.poisson(np.where(large, 0.0, mean)).astype("float64")
    counts[large] = np.rint(rng.normal(mean[large], np.sqrt(mean[large])))
    return counts
