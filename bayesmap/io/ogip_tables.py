"""Tables of OGIP spectral files as plain arrays: SPECTRUM, EBOUNDS, SPECRESP and MATRIX.

References
----------
OGIP/92-007 (spectra) and CAL/GEN/92-002 (responses), https://heasarc.gsfc.nasa.gov/docs/heasarc/ofwg/ofwg_recomm.html;
https://gamma-astro-data-formats.readthedocs.io/en/latest/spectra/ogip/index.html
"""

import warnings
from dataclasses import dataclass

import astropy.units as u
import numpy as np
from astropy.io import fits

from bayesmap.errors import FormatError

__all__ = [
    "CHECKSUMS",
    "Matrix",
    "Spectrum",
    "column_unit",
    "energy_edges",
    "read_ebounds",
    "read_matrix",
    "read_spectrum",
]

#: keywords, of our own, of a PHA file: checksums of the files that it names, so that mixed sets are noticed
CHECKSUMS = {"arf": "BMARFCRC", "rmf": "BMRMFCRC", "bkg": "BMBKGCRC"}

#: relative agreement of neighbouring bin edges; many files store them in single precision
EDGE_TOLERANCE = 1e-5


@dataclass(frozen=True)
class Spectrum:
    """What the table SPECTRUM says per channel.

    Parameters
    ----------
    channel : numpy.ndarray
        Channel numbers, consecutive.
    counts, backscal, areascal : numpy.ndarray
        Counts, BACKSCAL and AREASCAL per channel.
    good : numpy.ndarray
        Whether QUALITY is 0.
    grouping : numpy.ndarray or None
        GROUPING per channel (1 starts a group, -1 continues it), None if there is no grouping.
    exposure : float or None
        Live time in s.
    """

    channel: np.ndarray
    counts: np.ndarray
    backscal: np.ndarray
    areascal: np.ndarray
    good: np.ndarray
    grouping: np.ndarray | None
    exposure: float | None


@dataclass(frozen=True)
class Matrix:
    """A redistribution matrix.

    Parameters
    ----------
    edges : `~astropy.units.Quantity`
        Edges of true energy, ``n_true + 1``.
    data : numpy.ndarray
        Probabilities, shape ``(n_true, n_channel)``.
    """

    edges: u.Quantity
    data: np.ndarray


def _require_columns(hdu: fits.BinTableHDU, names: tuple[str, ...]) -> None:
    if not isinstance(hdu, fits.BinTableHDU):
        raise FormatError(f"HDU {hdu.name!r} must be a table")
    missing = [name for name in names if name not in hdu.columns.names]
    if missing:
        raise FormatError(f"HDU {hdu.name!r} lacks the column {missing[0]!r}; it has {hdu.columns.names}")


def column_unit(hdu: fits.BinTableHDU, name: str, kind: str) -> u.UnitBase:
    """Unit of a column, which must convert to ``kind``.

    Raises
    ------
    FormatError
        If it is missing, unknown or of another kind.
    """
    text = hdu.columns[name].unit
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", u.UnitsWarning)
            unit = u.Unit(text or "")
    except ValueError:
        unit = None
    if unit is None or not unit.is_equivalent(kind):
        raise FormatError(
            f"HDU {hdu.name!r}: column {name!r} has the unit {text!r}; right is one that converts to {kind}"
        )
    return unit


def energy_edges(hdu: fits.BinTableHDU, low: str, high: str) -> u.Quantity:
    """Edges of energy bins from two columns.

    Raises
    ------
    FormatError
        If a column or its unit is missing or wrong, or if the bins leave gaps, overlap or descend.
    """
    _require_columns(hdu, (low, high))
    unit = column_unit(hdu, low, "keV")
    lows = np.asarray(hdu.data[low], dtype="float64")
    highs = (np.asarray(hdu.data[high], dtype="float64") * column_unit(hdu, high, "keV")).to_value(unit)
    edges = np.append(lows, highs[-1:])
    if not len(lows) or not np.all(np.isfinite(edges)) or edges[0] <= 0 or np.any(np.diff(edges) <= 0):
        raise FormatError(f"HDU {hdu.name!r}: {low} and {high} must be positive and rise from bin to bin")
    gap = ~np.isclose(highs[:-1], lows[1:], rtol=EDGE_TOLERANCE, atol=0)
    if gap.any():
        first = int(np.argmax(gap))
        raise FormatError(
            f"HDU {hdu.name!r}: bin {first} ends at {highs[first]:g} {unit}, the next begins at {lows[first + 1]:g}"
        )
    return edges * unit


def _consecutive(hdu: fits.BinTableHDU) -> np.ndarray:
    """Channel numbers, which must rise by one."""
    channel = np.asarray(hdu.data["CHANNEL"], dtype="int64")
    if channel.ndim != 1:
        raise FormatError(f"HDU {hdu.name!r} holds several spectra (type II); only one per file can be read")
    if np.any(np.diff(channel) != 1):
        raise FormatError(f"HDU {hdu.name!r}: channel numbers must rise by one")
    return channel


def read_ebounds(hdu: fits.BinTableHDU) -> tuple[np.ndarray, u.Quantity]:
    """Channel numbers and edges of reconstructed energy from the table EBOUNDS."""
    _require_columns(hdu, ("CHANNEL", "E_MIN", "E_MAX"))
    return _consecutive(hdu), energy_edges(hdu, "E_MIN", "E_MAX")


def _column_or_keyword(hdu: fits.BinTableHDU, name: str, size: int) -> np.ndarray | None:
    """Value per channel; a keyword stands for a constant column. None if there is neither."""
    if name in hdu.columns.names:
        return np.array(hdu.data[name])
    value = hdu.header.get(name)
    return None if value is None or value == "" else np.full(size, value)


def read_spectrum(hdu: fits.BinTableHDU) -> Spectrum:
    """Counts and what belongs to them from the table SPECTRUM.

    Raises
    ------
    FormatError
        If a column is missing, COUNTS are negative, or BACKSCAL is nowhere.
    """
    _require_columns(hdu, ("CHANNEL",))
    if "COUNTS" not in hdu.columns.names:
        what = "rates; the statistics here need COUNTS" if "RATE" in hdu.columns.names else "no COUNTS"
        raise FormatError(f"HDU {hdu.name!r} holds {what}; its columns are {hdu.columns.names}")
    channel = _consecutive(hdu)
    size = len(channel)
    counts = np.asarray(hdu.data["COUNTS"], dtype="float64")
    if not np.all(np.isfinite(counts) & (counts >= 0)):
        raise FormatError(f"HDU {hdu.name!r}: COUNTS are negative or not finite")
    backscal = _column_or_keyword(hdu, "BACKSCAL", size)
    if backscal is None:
        raise FormatError(f"HDU {hdu.name!r} has neither a column nor a keyword BACKSCAL, so the acceptance is unknown")
    areascal = _column_or_keyword(hdu, "AREASCAL", size)
    quality = _column_or_keyword(hdu, "QUALITY", size)
    grouping = _column_or_keyword(hdu, "GROUPING", size)
    exposure = hdu.header.get("EXPOSURE")
    return Spectrum(
        channel=channel,
        counts=counts,
        backscal=backscal.astype("float64"),
        areascal=np.ones(size) if areascal is None else areascal.astype("float64"),
        good=np.ones(size, dtype=bool) if quality is None else quality == 0,
        grouping=None if grouping is None or not np.any(grouping == -1) else grouping.astype("int64"),
        exposure=None if exposure is None else float(exposure),
    )


def _first_channel(matrix: fits.BinTableHDU, channel: np.ndarray) -> int:
    """Number of the first channel as F_CHAN counts: the keyword TLMIN of that column, else as in EBOUNDS."""
    number = matrix.columns.names.index("F_CHAN") + 1
    stated = matrix.header.get(f"TLMIN{number}")
    if stated is not None and int(stated) != channel[0]:
        raise FormatError(
            f"HDU {matrix.name!r}: TLMIN{number} says that channels begin at {stated}, the table EBOUNDS begins at "
            f"{channel[0]}"
        )
    return int(channel[0])


def read_matrix(hdu: fits.BinTableHDU, channel: np.ndarray) -> Matrix:
    """Redistribution matrix, unpacked.

    Parameters
    ----------
    hdu : `~astropy.io.fits.BinTableHDU`
        Table MATRIX: per true energy N_GRP groups of N_CHAN channels from F_CHAN on.
    channel : numpy.ndarray
        Channel numbers in EBOUNDS.

    Raises
    ------
    FormatError
        If groups lie outside the channels (a wrong offset), do not fit the stored values, or values are impossible.
    """
    _require_columns(hdu, ("N_GRP", "F_CHAN", "N_CHAN", "MATRIX"))
    if str(hdu.header.get("HDUCLAS3", "")).strip().upper() == "FULL":
        raise FormatError(f"HDU {hdu.name!r} includes the effective area (HDUCLAS3 = FULL); a pure RMF is needed")
    edges = energy_edges(hdu, "ENERG_LO", "ENERG_HI")
    first = _first_channel(hdu, channel)
    data = np.zeros((len(hdu.data), len(channel)))
    columns = [hdu.data[name] for name in ("N_GRP", "F_CHAN", "N_CHAN", "MATRIX")]
    for row, (n_groups, starts, sizes, values) in enumerate(zip(*columns, strict=True)):
        _unpack(data[row], int(n_groups), np.atleast_1d(starts) - first, np.atleast_1d(sizes), np.atleast_1d(values))
    if not np.all(np.isfinite(data) & (data >= 0)):
        raise FormatError(f"HDU {hdu.name!r}: probabilities are negative or not finite")
    return Matrix(edges, data)


def _unpack(row: np.ndarray, n_groups: int, starts: np.ndarray, sizes: np.ndarray, values: np.ndarray) -> None:
    """Write the groups of one true energy into a row of the matrix."""
    if len(starts) < n_groups or len(sizes) < n_groups:
        raise FormatError(f"HDU 'MATRIX': N_GRP is {n_groups}, but there are {len(starts)} values in F_CHAN")
    used = 0
    for start, size in zip(starts[:n_groups].astype(int), sizes[:n_groups].astype(int), strict=True):
        if size == 0:
            continue
        if start < 0 or start + size > len(row):
            raise FormatError(
                f"HDU 'MATRIX': a group covers the channels {start} to {start + size - 1} counted from the first, "
                f"there are {len(row)}: the channel offset (TLMIN of F_CHAN) is wrong"
            )
        if used + size > len(values):
            raise FormatError(f"HDU 'MATRIX': groups of {used + size} channels, but {len(values)} values")
        row[start : start + size] = values[used : used + size]
        used += size
