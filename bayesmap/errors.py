"""Exceptions of our own; each is also a built-in one."""

__all__ = [
    "BoundsError",
    "FormatError",
    "GeometryMismatchError",
    "ModelFileError",
    "NoOverlapError",
    "UnexplainedCountsError",
]

#: what wrong data raise in a line that is right; another exception of a line of this package is a mistake in it
WRONG_DATA = (ValueError, TypeError, LookupError, ArithmeticError, OSError, EOFError, Warning)


class GeometryMismatchError(ValueError):
    """Two maps that must share a geometry do not."""


class FormatError(ValueError):
    """A file is damaged or does not follow the format that it claims."""


class ModelFileError(ValueError):
    """A model file is wrong; the message gives file, line and path inside the file, as far as they are known."""


class BoundsError(ValueError):
    """A point or cell lies where nothing is known, for instance in a cell of a coadd without PSF."""


class NoOverlapError(ValueError):
    """Two intervals or boxes have no pixel in common."""


class UnexplainedCountsError(ValueError):
    """Bins hold counts, and no model predicts any there, whatever its parameters are."""
