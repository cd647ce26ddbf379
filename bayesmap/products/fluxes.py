"""Integral fluxes, energy fluxes and luminosities, draw by draw."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np
import xarray as xr

from bayesmap._types import QuantityLike, Tree
from bayesmap._util import check_option
from bayesmap.modeling import SkyModel
from bayesmap.modeling.posterior import Posterior
from bayesmap.modeling.spectral.uncertainty import band_draws, parameter_samples, posterior_samples
from bayesmap.products.limits import UpperLimit, needed_draws, upper_limit
from bayesmap.products.sources import Sources, sources_of
from bayesmap.units import as_quantity

if TYPE_CHECKING:
    from astropy.cosmology import FLRW

__all__ = ["FluxDraws", "energy_flux", "integral_flux", "luminosity"]

FRAMES = ("observer", "source")


@dataclass(frozen=True, eq=False)
class FluxDraws:
    """Draws of a flux; print it.

    Attributes
    ----------
    draws : `~astropy.units.Quantity`
        Shape ``(chain, draw)`` followed by that of the energies.
    name : str
        Of what.
    """

    draws: u.Quantity
    name: str

    @property
    def median(self) -> u.Quantity:
        """Median of the draws, of the shape of the energies."""
        return np.median(self.draws, axis=(0, 1))

    def interval(self, probability: float = 0.68) -> u.Quantity:
        """Central credible interval, shape ``(2,)`` followed by that of the energies.

        Parameters
        ----------
        probability : float
            Probability of the interval.

        Raises
        ------
        ValueError
            If it is no probability.
        """
        if not 0 < probability < 1:
            raise ValueError(f"probability is between 0 and 1, got {probability!r}")
        return np.quantile(self.draws, [0.5 - probability / 2, 0.5 + probability / 2], axis=(0, 1))

    def upper_limit(self, level: float = 0.95, kind: str = "quantile") -> UpperLimit:
        """Upper limit; see `bayesmap.products.upper_limit`."""
        return upper_limit(self.draws, self.name, level, kind)

    def to_dataarray(self) -> xr.DataArray:
        """Return the draws as a variable of a posterior, with the attribute ``units``."""
        further = [f"band_{i}" for i in range(self.draws.ndim - 2)]
        coords = {dim: np.arange(n) for dim, n in zip(("chain", "draw"), self.draws.shape, strict=False)}
        attributes = {"units": str(self.draws.unit)}
        return xr.DataArray(self.draws.value, coords, ("chain", "draw", *further), name=self.name, attrs=attributes)

    def __str__(self) -> str:
        n_draws = self.draws.shape[0] * self.draws.shape[1]
        low, high = self.interval()
        rows = []
        for index in np.ndindex(self.median.shape):
            median = self.median[index]
            errors = f"- {(median - low[index]).value:.2g} + {(high[index] - median).value:.2g}"
            rows.append(f"{median.value:.4g} {errors} {median.unit}")
        lines = [f"{self.name}, median and 68 % of {n_draws} draws: {'; '.join(rows)}"]
        if n_draws >= needed_draws(0.95):
            limits = np.quantile(self.draws, 0.95, axis=(0, 1)).value
            lines.append(f"95 % of the draws are below {'; '.join(f'{limit:.4g}' for limit in np.ravel(limits))}")
        return "\n".join(lines)


def integral_flux(tree: Tree, sources: Sources, energy_min: QuantityLike, energy_max: QuantityLike) -> FluxDraws:
    """Integral of the flux over an energy band, at each draw of a posterior.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of `bayesmap.sample`.
    sources : str, SkyModel, or sequence of them
        Names of sources whose models are in the tree, or models that were sampled; of several the sum, draw by draw, so
        that their correlation is in it.
    energy_min, energy_max : `~astropy.units.Quantity` or str
        Edges of the band, or of several; they broadcast.

    Returns
    -------
    FluxDraws
        Shape ``(chain, draw)`` followed by that of the energies, for example in cm-2 s-1.

    Raises
    ------
    KeyError
        If a source is not in the tree; the message names those that are.
    ValueError
        If a band is empty or reversed, sources occur twice, or the tree does not hold the models of names.

    Notes
    -----
    What a spectral model says, over the whole sky: a spatial template that is not normalised does not enter, and of a
    source with a light curve it is the flux where this is one. Frozen parameters have their values.
    """
    return _summed(tree, sources, energy_min, energy_max, 0, "integral flux")


def energy_flux(tree: Tree, sources: Sources, energy_min: QuantityLike, energy_max: QuantityLike) -> FluxDraws:
    """Integral of energy times flux over an energy band, at each draw of a posterior.

    Arguments, shapes and errors are those of `integral_flux`; the unit is for example TeV cm-2 s-1.
    """
    return _summed(tree, sources, energy_min, energy_max, 1, "energy flux")


def luminosity(
    tree: Tree,
    sources: Sources,
    energy_min: QuantityLike,
    energy_max: QuantityLike,
    *,
    distance: QuantityLike | None = None,
    redshift: float | None = None,
    cosmology: "FLRW | None" = None,
    frame: str = "observer",
) -> FluxDraws:
    r"""Luminosity of a source that shines alike in all directions, at each draw of a posterior.

    .. math::
        L = 4 \pi d^2 \int_{E_1}^{E_2} E \frac{dN}{dE} dE

    Parameters
    ----------
    tree, sources, energy_min, energy_max
        As for `integral_flux`.
    distance : `~astropy.units.Quantity` or str, optional
        Distance (luminosity distance); one number, or draws of shape ``(chain, draw)`` where it is uncertain.
    redshift : float, optional
        In place of a distance.
    cosmology : `~astropy.cosmology.FLRW`, optional
        Makes the luminosity distance of a redshift; astropy's default one if none is given.
    frame : {"observer", "source"}
        With a redshift: whose energies the band has. Energies of the source are ``1 + z`` times the observed ones.

    Returns
    -------
    FluxDraws
        In erg s-1, shape ``(chain, draw)`` followed by that of the energies.

    Raises
    ------
    ValueError
        If neither or both of distance and redshift are given, or one is not positive; and as for `integral_flux`.
    KeyError
        If a source is not in the tree.

    Notes
    -----
    Photons that are absorbed on their way are missing if the spectral model has the absorption in it. The part without
    it, under the name that was sampled, gives the emitted luminosity: ``luminosity(tree, SkyModel(model.spectral_model
    .model1, name=model.name), ...)``, if its parameters have the names that they have in the tree.
    """
    check_option("frame", frame, FRAMES)
    if (distance is None) == (redshift is None):
        raise ValueError("give either a distance or a redshift")
    low, high = as_quantity(energy_min), as_quantity(energy_max)
    if redshift is not None:
        if not redshift > 0:
            raise ValueError(f"redshift must be positive, got {redshift!r}: give a distance to nearer sources")
        if cosmology is None:
            from astropy.cosmology import default_cosmology

            cosmology = default_cosmology.get()
        distance = cosmology.luminosity_distance(redshift)
        if frame == "source":
            low, high = low / (1 + redshift), high / (1 + redshift)
    far = as_quantity(distance)
    if not (far.unit.is_equivalent("pc") and np.all(np.isfinite(far.value)) and np.all(far.value > 0)):
        raise ValueError(f"distance must be a positive length, got {distance!r}")
    flux = energy_flux(tree, sources, low, high)
    shape = flux.draws.shape
    if far.ndim:
        if far.shape != shape[:2]:
            raise ValueError(f"draws of a distance have the shape (chain, draw), {shape[:2]}, got {far.shape}")
        far = far.reshape(*far.shape, *[1] * (len(shape) - 2))
    return FluxDraws((4 * np.pi * far**2 * flux.draws).to("erg s-1"), flux.name.replace("energy flux", "luminosity"))


def _summed(
    tree: Tree, sources: Sources, energy_min: QuantityLike, energy_max: QuantityLike, power: int, what: str
) -> FluxDraws:
    """Sum over sources of the integral of energy to a power times flux, draw by draw."""
    low, high = as_quantity(energy_min), as_quantity(energy_max)
    models = sources_of(tree, sources)
    total, *further = (_of_model(tree, model, low, high, power) for model in models)
    for part in further:
        total = total + part
    return FluxDraws(total, f"{what} of {' + '.join(model.name for model in models)}")


def _of_model(tree: Tree, model: SkyModel, low: u.Quantity, high: u.Quantity, power: int) -> u.Quantity:
    """Integral over bands of one source at all draws, shape ``(chain, draw, ...)``."""
    spectral, posterior = model.spectral_model, Posterior(tree)
    draws = parameter_samples(spectral, len(posterior), 0, posterior_samples(spectral, tree, model.name))
    numbers, shape = band_draws(spectral, low, high, power, draws)
    n_band = numbers.shape[-1]
    whole = np.broadcast_to(numbers, (len(posterior), n_band), subok=True)  # one row if all is frozen
    return whole.reshape(posterior.n_chain, posterior.n_draw, *shape)
