"""Checks of what was read from a file."""

from collections.abc import Mapping

import numpy as np

from bayesmap.errors import FormatError
from bayesmap.irf.base import IRFMap
from bayesmap.irf.checks import impossible_values
from bayesmap.maps import Map

__all__ = ["check_unit", "check_values", "impossible", "unmeasured"]

#: negative OFF counts up to this fraction of the largest are round-off of the convolution that made a ring background
ROUND_OFF = 1e-6
#: unit that a component must convert to; responses check their own
UNITS = {"counts": "", "counts_off": "", "background": "", "exposure": "cm2 s", "mask_safe": "", "mask_fit": ""}


def check_unit(key: str, m: Map) -> Map:
    """Return a map if its unit is that of a component; acceptances may have any.

    Raises
    ------
    FormatError
        If the unit is of another kind.
    """
    wanted = UNITS.get(key)
    if wanted is None or m.unit.is_equivalent(wanted) or (not wanted and str(m.unit) == "ct"):
        return m
    example = "none" if not wanted else "area times time such as 'm2 s'"
    raise FormatError(f"{key} has the unit {str(m.unit)!r}; right is {example}")


def _safe_image(components: Mapping[str, object], shape: tuple[int, ...]) -> np.ndarray:
    """Pixels that are safe at any energy; all if there is no mask of that image shape."""
    mask = components.get("mask_safe")
    if not isinstance(mask, Map) or mask.data.shape[-2:] != shape[-2:]:
        return np.ones(shape[-2:], dtype=bool)
    return mask.data.reshape(-1, *shape[-2:]).any(axis=0)


def _round_off(data: np.ndarray) -> float:
    """What counts as zero beside the largest value."""
    return ROUND_OFF * float(np.max(data[np.isfinite(data)], initial=0.0))


def impossible(key: str, data: np.ndarray, counts_off: np.ndarray | None = None) -> np.ndarray:
    """Bins whose value is not finite or negative.

    Ring backgrounds come from Fourier convolutions: their OFF counts scatter around zero by round-off, and there
    an OFF acceptance calculated from them is undefined and may have any sign. Such values stay as they are.

    Parameters
    ----------
    key : str
        Name of the component.
    data : numpy.ndarray
        Its values.
    counts_off : numpy.ndarray, optional
        OFF counts, if known; for the OFF acceptance.

    Returns
    -------
    numpy.ndarray
        Booleans of the shape of ``data``.
    """
    with np.errstate(invalid="ignore"):
        negative = data < 0
        if key == "counts_off":
            negative = data < -_round_off(data)
        if key == "acceptance_off" and negative.any():
            empty = np.ones(1, bool) if counts_off is None else counts_off <= _round_off(counts_off)
            negative = negative & ~empty
    return ~np.isfinite(data) | negative


def check_values(components: Mapping[str, object], source: object) -> None:
    """Raise if counts, background, exposure, acceptances or responses are impossible where data are safe.

    Parameters
    ----------
    components : Mapping[str, object]
        What a reader returns; lazy components are left out, datasets check them when they are loaded.
    source : object
        Name of the file for the message.

    Raises
    ------
    FormatError
        Naming file, HDU, number of bins and the first of them; also where there are OFF counts and the OFF acceptance
        is zero.
    """
    mask = components.get("mask_safe")
    _check_off(components, source)
    for key in ("edisp", "psf"):
        response = components.get(key)
        if isinstance(response, IRFMap) and (wrong := impossible_values(response)):
            raise FormatError(f"{source}: HDU {key.upper()!r} is {wrong}")
    for key in ("counts", "background", "exposure", "counts_off", "acceptance", "acceptance_off"):
        m = components.get(key)
        if not isinstance(m, Map):
            continue
        off = components.get("counts_off")
        bad = impossible(key, m.data, off.data if isinstance(off, Map) else None)
        if isinstance(mask, Map) and mask.data.shape == bad.shape:
            bad &= mask.data
        else:
            bad &= _safe_image(components, bad.shape)
        if bad.any():
            first = tuple(int(i) for i in np.argwhere(bad)[0])
            raise FormatError(
                f"{source}: HDU {key.upper()!r}: {int(bad.sum())} of {bad.size} bins are negative or not finite inside "
                f"the safe range, first at index {first} with value {m.data[first]!r}"
            )


def unmeasured(counts_off: np.ndarray, acceptance: np.ndarray | None, acceptance_off: np.ndarray) -> np.ndarray:
    """Bins with OFF counts whose OFF acceptance is zero, so that the background is unknown.

    Parameters
    ----------
    counts_off, acceptance_off : numpy.ndarray
        OFF measurement.
    acceptance : numpy.ndarray or None
        That of the ON measurement; bins where it is zero have no background.

    Returns
    -------
    numpy.ndarray
        Booleans of the same shape.
    """
    blind = (counts_off > _round_off(counts_off)) & (acceptance_off == 0)
    return blind if acceptance is None else blind & (acceptance > 0)


def _check_off(components: Mapping[str, object], source: object) -> None:
    """Raise if the background is unknown in safe bins that have OFF counts."""
    maps = [components.get(key) for key in ("counts_off", "acceptance", "acceptance_off", "mask_safe")]
    off, on, acceptance, mask = (m.data if isinstance(m, Map) else None for m in maps)
    if off is None or acceptance is None or off.shape != acceptance.shape:
        return
    blind = unmeasured(off, on, acceptance)
    if mask is not None and mask.shape == blind.shape:
        blind &= mask
    if blind.any():
        first = tuple(int(i) for i in np.argwhere(blind)[0])
        raise FormatError(
            f"{source}: {int(blind.sum())} of {blind.size} bins inside the safe range have OFF counts and an OFF "
            f"acceptance (BACKSCAL of an OGIP background) of zero, first at index {first}: the background there is "
            "unknown; right is a positive number"
        )
