"""The internal units: the one place where a quantity becomes a bare number.

Inside bayesmap every array is float64 in a unit of :data:`INTERNAL`. The table is chosen so that typical values are
near one; a flux times an exposure is a number of counts without a factor.

Texts become units in :func:`parse_unit`, wherever they come from: FITS headers, tables, model files, arguments.
"""

import functools
import re
import warnings
from typing import Any

import astropy.units as u
import numpy as np

__all__ = [
    "EVENTS",
    "FLUX_DENSITY",
    "INTERNAL",
    "SPELLINGS",
    "as_quantity",
    "attach",
    "internal_unit",
    "parse_unit",
    "plain_unit",
    "scale_to_internal",
    "strip",
]

INTERNAL = tuple(
    u.Unit(s)
    for s in (
        "",
        "TeV",
        "deg",
        "s",
        "sr",
        "sr-1",
        "TeV-1",
        "TeV-2",
        "s-1",
        "d-1",
        "s-2",
        "s-3",
        "rad s-1",
        "m2",
        "1e12 cm2 s",
        "1e-12 cm-2 s-1 TeV-1",
        "1e-12 cm-2 s-1",
        "1e-12 TeV cm-2 s-1",
        "1e-12 cm-2 s-1 TeV-1 sr-1",
        "1e-12 cm-2 s-1 sr-1",
        "1e-12 TeV cm-2 s-1 sr-1",
        "nJy",
    )
)

#: unit of images of flux, in the graph and in results
FLUX_DENSITY = u.nJy

#: words for what is counted; in units they are plain numbers
EVENTS = ("ct", "cts", "count", "counts", "ph", "phot", "photon", "photons", "evt", "evts", "event", "events")
#: spellings in files that astropy does not know, beside `EVENTS` in any mixture of capitals
SPELLINGS = {
    **dict.fromkeys(("dimensionless", "unitless", "none", "None", "NONE"), ""),
    **dict.fromkeys(("KEV", "kev"), "keV"),
    **dict.fromkeys(("MEV",), "MeV"),
    **dict.fromkeys(("GEV", "gev"), "GeV"),
    **dict.fromkeys(("TEV", "tev"), "TeV"),
    **dict.fromkeys(("ERG", "Erg", "ergs", "Ergs", "ERGS"), "erg"),
    **dict.fromkeys(("sec", "secs", "seconds", "Sec", "SEC", "Second", "Seconds", "SECONDS"), "s"),
    **dict.fromkeys(("mins", "minutes", "Minutes"), "min"),
    **dict.fromkeys(("hrs", "hours", "Hours"), "h"),
    **dict.fromkeys(("days", "Days", "DAYS", "Day", "DAY"), "d"),
    **dict.fromkeys(("degrees", "Degrees", "DEGREES", "Degree", "Deg", "DEG", "degs"), "deg"),
    **dict.fromkeys(("radians", "Radians", "RAD", "Rad"), "rad"),
    **dict.fromkeys(("steradians", "Sr", "SR"), "sr"),
    **dict.fromkeys(("CM", "centimeters"), "cm"),
    **dict.fromkeys(("meters", "metres"), "m"),
}
#: longest text, largest power and largest exponent that a unit may have
LONGEST, LARGEST_POWER, LARGEST_EXPONENT = 200, 20, 99
_WORD = re.compile(r"(?<![A-Za-z0-9.])(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|([A-Za-z]+)")
_POWER = r"([-+]?(?:\d+\.?\d*|\.\d+))"
_EXPONENT = re.compile(rf"(?:\*\*|\^)\s*(?:\(\s*{_POWER}\s*(?:/\s*\d+\s*)?\)|{_POWER})(?!\s*(?:\*\*|\^)|[\d.])")
#: signs of typeset text, and what stands for them
_TYPESET = str.maketrans({"$": "", "{": "", "}": "", "\u2212": "-", "\u00b7": " ", "\u22c5": " ", "\u03bc": "\u00b5"})


def parse_unit(text: u.UnitBase | str | bytes | None) -> u.UnitBase:
    """Return the unit that a text means, with photons, counts and events as plain numbers.

    Parameters
    ----------
    text : str, bytes, `~astropy.units.Unit` or None
        A unit as astropy reads it ("cm-2 s-1 TeV-1", "1/cm2/s/TeV", "erg/cm^2/s", "10**-11 cm**(-2)"), also with the
        words of :data:`EVENTS` ("ph cm-2 s-1", "Counts", "photon/cm2/s/MeV/sr"), other words of :data:`SPELLINGS` in
        place of those of astropy ("MEV", "sec", "degrees"), and braces around exponents as in LaTeX. None, an empty
        text and "-" mean dimensionless.

    Returns
    -------
    `~astropy.units.Unit`
        The unit.

    Raises
    ------
    ValueError
        If the text means no unit, is longer than 200 characters, or has a power beyond 20.
    """
    if isinstance(text, u.UnrecognizedUnit):
        text = text.to_string()
    if isinstance(text, u.UnitBase):
        return plain_unit(text)
    if isinstance(text, bytes):
        text = text.decode("latin-1")
    if text is not None and not isinstance(text, str):
        raise ValueError(f"a unit is a text such as 'cm-2 s-1 TeV-1', got {text!r:.80}")
    return _parse(text or "")


@functools.lru_cache(maxsize=1000)
def _parse(text: str) -> u.UnitBase:
    plain = text.strip().strip("'\"").translate(_TYPESET).strip()
    if len(plain) > LONGEST:
        raise ValueError(f"a unit of {len(plain)} characters is too long: {plain:.60}...")
    plain = "" if plain == "-" else _WORD.sub(_spelled, plain)
    _check_exponents(plain, text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", u.UnitsWarning)
            first, *others = (u.Unit(part) for part in _divided(plain))
            unit = plain_unit(functools.reduce(lambda product, part: product / part, others, first))
    except (ValueError, TypeError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"{text!r} is no unit: {error}") from None
    if not isinstance(unit, u.UnitBase):
        raise ValueError(f"{text!r} is no simple unit")
    if any(abs(power) > LARGEST_POWER for power in unit.powers) or not 0 < unit.scale < np.inf:
        raise ValueError(f"{text!r} is no unit: powers go up to {LARGEST_POWER}, factors are positive")
    return unit


def _divided(text: str) -> list[str]:
    """The parts between the signs of division that stand outside of brackets; astropy takes no second one."""
    depth, parts = 0, [""]
    for sign in text:
        depth += (sign == "(") - (sign == ")")
        if sign == "/" and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    if len(parts) > 1 and not all(part.strip() for part in parts[1:]):
        raise ValueError("nothing follows a sign of division")
    return parts


def _spelled(match: re.Match[str]) -> str:
    """The word that astropy knows; a number as it is."""
    word = match[1]
    if word is None:
        return match[0]
    if word.lower() in EVENTS:
        return "ct"
    return SPELLINGS.get(word, word)


def _check_exponents(text: str, given: str) -> None:
    """Raise unless every exponent is one small number: astropy would calculate 9**9**9."""
    signs = len(re.findall(r"\*\*|\^", text))
    exponents = [one or other for one, other in _EXPONENT.findall(text)]
    if len(exponents) < signs or any(abs(float(exponent)) > LARGEST_EXPONENT for exponent in exponents):
        raise ValueError(f"{given!r} is no unit: an exponent is one number up to {LARGEST_EXPONENT}")


def plain_unit(unit: u.UnitBase) -> u.UnitBase:
    """Return a unit without photons and counts, which are plain numbers; any other unit as it is."""
    if not isinstance(unit, u.UnitBase) or not any(base in (u.ph, u.ct, u.count) for base in unit.bases):
        return unit
    kept = [
        base**power for base, power in zip(unit.bases, unit.powers, strict=True) if base not in (u.ph, u.ct, u.count)
    ]
    return u.Unit(np.prod(kept) * unit.scale if kept else u.Unit(unit.scale))


_NUMBER = re.compile(r"\s*([-+]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|nan|inf))(?![\d.])\s*(.*)", re.DOTALL)


def as_quantity(value: Any) -> u.Quantity:
    """Return a quantity from a text, a quantity or numbers; units as `parse_unit` reads them.

    Parameters
    ----------
    value : str, `~astropy.units.Quantity`, or anything that it accepts
        For example "1e-12 ph cm-2 s-1 TeV-1"; bare numbers are dimensionless.

    Returns
    -------
    `~astropy.units.Quantity`
        Photons and counts in its unit are plain numbers.

    Raises
    ------
    ValueError
        If a text is no number with a unit.
    """
    if isinstance(value, str):
        match = _NUMBER.match(value) if len(value) <= 2 * LONGEST else None
        if match is None:
            raise ValueError(f"{value!r:.80} is no number with a unit")
        return float(match[1]) * parse_unit(match[2])
    quantity = u.Quantity(value)
    unit = plain_unit(quantity.unit)
    return quantity if unit is quantity.unit else u.Quantity(quantity.value, unit)


@functools.cache
def _internal_unit(unit: u.UnitBase | str) -> tuple[u.UnitBase, float]:
    """Return the internal unit and the factor to it."""
    unit = parse_unit(unit)
    alike = [c for c in INTERNAL if unit.is_equivalent(c)]
    for candidate in [c for c in alike if c.physical_type == unit.physical_type] + alike:
        return candidate, float(unit.to(candidate))
    raise u.UnitConversionError(
        f"unit {unit.to_string()!r} has no internal unit; bayesmap knows {[str(c) for c in INTERNAL]} and what "
        "converts to them. Add a line to bayesmap.units.INTERNAL to extend the table."
    )


def internal_unit(unit: u.UnitBase | str) -> u.UnitBase:
    """Return the unit of the internal table that ``unit`` converts to.

    Parameters
    ----------
    unit : `~astropy.units.Unit` or str
        Any unit that converts to a row of :data:`INTERNAL`.

    Returns
    -------
    `~astropy.units.Unit`
        The internal unit.

    Raises
    ------
    astropy.units.UnitConversionError
        If the table has no row for this kind of quantity.
    """
    return _internal_unit(unit)[0]


def scale_to_internal(unit: u.UnitBase | str) -> float:
    """Return the factor that takes a number in ``unit`` to its internal unit."""
    return _internal_unit(unit)[1]


@functools.cache
def _from_internal(unit: str, internal: u.UnitBase) -> tuple[float, u.UnitBase]:
    parsed = parse_unit(unit)
    return float(internal.to(parsed)), parsed


def attach(numbers: Any, unit: str) -> u.Quantity:
    """Return numbers in the internal unit of ``unit`` as a quantity in ``unit``, given as text."""
    factor, parsed = _from_internal(unit, internal_unit(unit))
    return u.Quantity(np.asarray(numbers) * factor, parsed)


def strip(quantity: Any) -> np.ndarray:
    """Return float64 values of a quantity in its internal unit.

    Parameters
    ----------
    quantity : `~astropy.units.Quantity` or anything it accepts
        For example ``"1 TeV"``; a bare number is dimensionless.

    Returns
    -------
    numpy.ndarray
        The values, native-endian float64.

    Raises
    ------
    astropy.units.UnitConversionError
        If the unit is not in the internal table.
    """
    quantity = as_quantity(quantity)
    return np.asarray(quantity.to_value(internal_unit(quantity.unit)), dtype="float64")
