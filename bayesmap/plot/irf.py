"""Figures of responses by themselves: point spread functions, kernels, energy dispersion."""

from typing import TYPE_CHECKING, Any

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np

from bayesmap._types import Axes, QuantityLike
from bayesmap.plot.axes import new_axes
from bayesmap.plot.maps import plot_map
from bayesmap.plot.residuals import set_energy_axis
from bayesmap.plot.settings import line_settings

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

    from bayesmap.irf import EDispKernel, PSFKernel, PSFMap

__all__ = [
    "peek_edisp_kernel",
    "peek_psf",
    "peek_psf_kernel",
    "plot_edisp_bias",
    "plot_psf_containment",
    "plot_psf_kernel",
    "plot_psf_profiles",
]

FRACTIONS = (0.68, 0.95)
#: energy of the panels at one energy
PEEK_ENERGY = 1 * u.TeV


def plot_psf_containment(
    psf: "PSFMap",
    ax: Axes | None = None,
    fraction: tuple[float, ...] = FRACTIONS,
    *,
    position: "SkyCoord | None" = None,
    **kwargs: object,
) -> Axes:
    """Plot the radii that contain fractions of the events of a point source, against energy.

    Parameters
    ----------
    psf : PSFMap
        Point spread functions.
    ax : `~matplotlib.axes.Axes`, optional
        Axes; those of a new figure by default.
    fraction : sequence of float
        Containment fractions.
    position : `~astropy.coordinates.SkyCoord`, optional
        Position; the centre of the map by default.
    **kwargs : dict
        For `~matplotlib.axes.Axes.plot`.

    Returns
    -------
    `~matplotlib.axes.Axes`
        The axes, radii in deg.
    """
    ax = new_axes() if ax is None else ax
    axis = psf.psf_map.geom.axes[psf.energy_name]
    for one in fraction:
        radius = np.ravel(u.Quantity(psf.containment_radius(one, axis.center, position)).to_value("deg"))
        settings = {"label": f"{one:.0%}", "marker": "o", "markersize": 3}
        ax.plot(axis.center.value, radius, **line_settings(settings, kwargs))
    set_energy_axis(ax, axis)
    ax.set_ylim(bottom=0)
    ax.set_ylabel("containment radius [deg]")
    ax.legend(frameon=False)
    ax.grid(visible=True, alpha=0.2)
    return ax


def plot_psf_profiles(
    psf: "PSFMap", ax: Axes | None = None, energy: u.Quantity | None = None, **kwargs: object
) -> Axes:
    """Plot the density of reconstructed directions at the centre against the offset, for some energies.

    Parameters
    ----------
    psf : PSFMap
        Point spread functions.
    ax : `~matplotlib.axes.Axes`, optional
        Axes; those of a new figure by default.
    energy : `~astropy.units.Quantity`, optional
        Energies, by default 0.1, 1 and 10 TeV.
    **kwargs : dict
        For `~matplotlib.axes.Axes.plot`.

    Returns
    -------
    `~matplotlib.axes.Axes`
        The axes: offsets in deg, densities in the unit of the map on a logarithmic scale.
    """
    ax = new_axes() if ax is None else ax
    rad = psf.psf_map.geom.axes["rad"].center
    for value in np.atleast_1d([0.1, 1, 10] * u.TeV if energy is None else u.Quantity(energy)):
        coords = {"skycoord": psf.psf_map.geom.center_skydir, psf.energy_name: value, "rad": rad}
        profile = np.ravel(psf.psf_map.interp_by_coord(coords))
        ax.plot(rad.to_value("deg"), profile, **line_settings({"label": f"{value:.3g}"}, kwargs))
    ax.set_yscale("log", nonpositive="mask")
    ax.set_xlabel("offset [deg]")
    ax.set_ylabel(f"PSF [{psf.psf_map.unit}]")
    ax.legend(frameon=False)
    return ax


def peek_psf(psf: "PSFMap", figsize: tuple[float, float] = (12, 10)) -> np.ndarray:
    """Plot four panels: containment radii and profiles at the centre, exposure, containment radius at 1 TeV.

    Parameters
    ----------
    psf : PSFMap
        Point spread functions.
    figsize : (float, float)
        Size of the figure in inches.

    Returns
    -------
    numpy.ndarray
        The axes, shape ``(2, 2)``. The lower ones say "none" where there is no exposure, and for a response that is no
        map of an image.
    """
    fig = plt.figure(figsize=figsize, layout="constrained")
    axes = np.array([[fig.add_subplot(2, 2, 1), fig.add_subplot(2, 2, 2)], [None, None]], dtype=object)
    axes[0, 0].set_title("Containment radius at center of map")
    plot_psf_containment(psf, axes[0, 0])
    axes[0, 1].set_title("PSF at center of map")
    plot_psf_profiles(psf, axes[0, 1])
    images = dict.fromkeys(("Exposure", f"Containment radius at {PEEK_ENERGY}"))
    if not psf.psf_map.geom.is_region:
        if psf.exposure_map is not None:
            images["Exposure"] = psf.exposure_map.sum_over_axes(keepdims=False)
        images[f"Containment radius at {PEEK_ENERGY}"] = psf.containment_radius_map(PEEK_ENERGY)
    for column, (title, image) in enumerate(images.items()):
        ax = fig.add_subplot(2, 2, 3 + column, projection=None if image is None else image.geom.wcs)
        ax.set_title(title)
        if image is None:
            ax.set_axis_off()
            ax.text(0.5, 0.5, "none", ha="center", va="center", transform=ax.transAxes)
        else:
            plot_map(image, ax, add_cbar=True)
        axes[1, column] = ax
    return axes


def plot_psf_kernel(
    kernel: "PSFKernel",
    ax: Axes | None = None,
    energy: QuantityLike | None = None,
    add_cbar: bool = False,
    **kwargs: Any,
) -> Axes:
    """Plot the image of a PSF kernel nearest to an energy.

    Parameters
    ----------
    kernel : PSFKernel
        Images of a point source.
    ax : `~astropy.visualization.wcsaxes.WCSAxes`, optional
        Axes; new ones by default.
    energy : `~astropy.units.Quantity` or str, optional
        Energy; by default the average over energy for a spectrum of index 2 is plotted.
    add_cbar : bool
        Whether to draw a colour bar.
    **kwargs : dict
        For `bayesmap.plot.plot_map`.

    Returns
    -------
    `~astropy.visualization.wcsaxes.WCSAxes`
        The axes.
    """
    images = kernel.psf_kernel_map
    if energy is None:
        image = images if images.geom.is_image else kernel.to_image().psf_kernel_map
        return plot_map(image, ax, add_cbar=add_cbar, **kwargs)
    center = images.geom.axes[0].center
    index = int(np.argmin(np.abs(center - u.Quantity(energy))))
    return plot_map(images.get_image_by_idx([index]), ax, add_cbar=add_cbar, **kwargs)


def peek_psf_kernel(kernel: "PSFKernel", figsize: tuple[float, float] = (15, 5)) -> np.ndarray:
    """Plot the average image of a PSF kernel, and that nearest to 1 TeV.

    Parameters
    ----------
    kernel : PSFKernel
        Images of a point source.
    figsize : (float, float)
        Size of the figure in inches.

    Returns
    -------
    numpy.ndarray
        The two axes, shape ``(2,)``.
    """
    settings = {"projection": kernel.psf_kernel_map.geom.wcs}
    fig, axes = plt.subplots(ncols=2, figsize=figsize, subplot_kw=settings, layout="constrained")
    for ax, energy, title in zip(axes, (None, PEEK_ENERGY), ("average over energy", f"at {PEEK_ENERGY}"), strict=True):
        plot_psf_kernel(kernel, ax, energy, add_cbar=True)
        ax.set_title(f"PSF kernel {title}")
    return axes


def plot_edisp_bias(kernel: "EDispKernel", ax: Axes | None = None, **kwargs: object) -> Axes:
    """Plot the relative bias of the reconstructed energy against true energy.

    Parameters
    ----------
    kernel : EDispKernel
        Energy dispersion matrix.
    ax : `~matplotlib.axes.Axes`, optional
        Axes; those of a new figure by default.
    **kwargs : dict
        For `~matplotlib.axes.Axes.plot`.

    Returns
    -------
    `~matplotlib.axes.Axes`
        The axes.
    """
    ax = new_axes() if ax is None else ax
    axis = kernel.axes["energy_true"]
    ax.plot(axis.center.value, kernel.get_bias(axis.center).value, **line_settings(kwargs))
    set_energy_axis(ax, axis)
    ax.set_ylabel("mean energy / true energy - 1")
    return ax


def peek_edisp_kernel(kernel: "EDispKernel", figsize: tuple[float, float] = (15, 5)) -> np.ndarray:
    """Plot bias and matrix of an energy dispersion side by side.

    Parameters
    ----------
    kernel : EDispKernel
        Energy dispersion matrix.
    figsize : (float, float)
        Size of the figure in inches.

    Returns
    -------
    numpy.ndarray
        The two axes, shape ``(2,)``.
    """
    _, axes = plt.subplots(ncols=2, figsize=figsize, layout="constrained")
    plot_edisp_bias(kernel, axes[0])
    kernel.plot_matrix(axes[1])
    return axes
