"""Axes that figures draw into: whose they are, and what is written beside them."""

from typing import TYPE_CHECKING

import astropy.units as u
import matplotlib.pyplot as plt

from bayesmap._types import Axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["flux_label", "new_axes", "unit_label"]

#: what differential and integral fluxes are called on an axis; the power of the energy that they hold, and a name
FLUXES = {"dnde": (0, "dN/dE"), "e2dnde": (2, "dN/dE"), "flux": (0, "flux"), "eflux": (0, "energy flux")}


def new_axes(projection: object = None, figure: "Figure | None" = None) -> Axes:
    """Axes of a new figure, so that no picture is drawn over another one.

    Parameters
    ----------
    projection : object, optional
        Of the axes, for example a WCS.
    figure : `~matplotlib.figure.Figure`, optional
        Figure for the axes.

    Returns
    -------
    `~matplotlib.axes.Axes`
        The axes. A figure that the user just opened (``plt.figure(figsize=...)``), and axes in which nothing is drawn
        yet (``plt.subplot(121)``), are used.
    """
    if figure is None and plt.get_fignums():
        current = plt.gcf()
        if not current.axes:
            figure = current
        elif not (ax := current.gca()).has_data() and (projection is None or hasattr(ax, "wcs")):
            return ax
    figure = plt.figure(layout="constrained") if figure is None else figure
    return figure.add_subplot(projection=projection)


def unit_label(unit: u.UnitBase | None, power: int = 0) -> str:
    """Unit and power of ten in brackets, as they follow a name on an axis; empty if there are none."""
    bare = u.dimensionless_unscaled
    unit = bare if unit is None else unit
    shown = "" if unit == bare else unit.to_string("latex_inline").replace(r"{}^{\circ}", "deg")
    text = " ".join(part for part in (f"$10^{{{power}}}$" if power else "", shown) if part)
    return f"[{text}]" if text else ""


def flux_label(unit: u.UnitBase, kind: str = "dnde", power: float = 0) -> str:
    r"""Label of an axis of fluxes: ``"e2dnde"`` is :math:`E^2` dN/dE.

    Parameters
    ----------
    unit : `~astropy.units.Unit`
        Unit of the values.
    kind : {"dnde", "e2dnde", "flux", "eflux"}
        What they are.
    power : float
        Power of the energy that they are multiplied with besides.
    """
    own, name = FLUXES[kind]
    total = own + power
    factor = {0.0: "", 1.0: r"$E$ "}.get(float(total), rf"$E^{{{total:g}}}$ ")
    return f"{factor}{name} {unit_label(unit)}"
