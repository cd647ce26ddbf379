"""Names for what formulas and methods take: for readers and type checkers, nothing is loaded for them."""

import os
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    import astropy.units as u
    import matplotlib.axes
    import regions
    import xarray as xr
    from astropy.time import Time
    from pytensor.tensor import TensorVariable

__all__ = [
    "Axes",
    "FileName",
    "Intervals",
    "Numbers",
    "QuantityLike",
    "RandomState",
    "Region",
    "Spectrum",
    "Tensor",
    "TimeLike",
    "Tree",
]

#: symbolic expression, float64 in an internal unit; where it is constant, an array or a number does
type Tensor = TensorVariable
#: numbers in an internal or declared unit
type Numbers = np.ndarray | float
#: a quantity, or what becomes one: "1 TeV", a number where a unit is declared or there is none
type QuantityLike = u.Quantity | np.ndarray | str | float
#: a moment: numbers are MJD where a method says so
type TimeLike = Time | u.Quantity | str | float
#: name of a file, with ``~`` and environment variables
type FileName = str | os.PathLike[str]
#: a seed, a generator, or one of the words of `bayesmap._util.get_random_state`
type RandomState = int | str | np.random.Generator | np.random.RandomState | None
#: where a figure is drawn
type Axes = matplotlib.axes.Axes
#: what `bayesmap.sample` returns, or one like it
type Tree = xr.DataTree
#: region of the sky
type Region = regions.SkyRegion


class Spectrum(Protocol):
    """Something with an integral flux, such as a `bayesmap.modeling.SpectralModel`."""

    def integral(self, energy_min: "u.Quantity", energy_max: "u.Quantity") -> "u.Quantity":
        """Flux between two energies."""


class Intervals(Protocol):
    """Good time intervals, such as `bayesmap.irf.GTI`."""

    @property
    def time_start(self) -> "Time":
        """Where they begin."""

    @property
    def time_stop(self) -> "Time":
        """Where they end."""
