"""Spectra that others are compared with: the Crab nebula, cosmic rays at Earth."""

from typing import Any

import astropy.units as u
import numpy as np

from bayesmap._lazy import pt
from bayesmap._types import Tensor
from bayesmap._util import check_option
from bayesmap.modeling.parameter import Parameter
from bayesmap.modeling.spectral.base import SpectralModel
from bayesmap.modeling.spectral.cutoff import ExpCutoffPowerLawSpectralModel
from bayesmap.modeling.spectral.log_parabola import LogParabolaSpectralModel
from bayesmap.modeling.spectral.power_law import PowerLawSpectralModel
from bayesmap.units import internal_unit, scale_to_internal

__all__ = [
    "LogGaussianSpectralModel",
    "MeyerCrabSpectralModel",
    "create_cosmic_ray_spectral_model",
    "create_crab_spectral_model",
]

_PER_TEV = "cm-2 s-1 TeV-1"


class MeyerCrabSpectralModel(SpectralModel):
    r"""Spectrum of the Crab nebula between 1 GeV and 100 TeV, a polynomial in the logarithm of the energy.

    .. math::
        \log_{10} \frac{E^2 \phi(E)}{\mathrm{erg\,cm^{-2}\,s^{-1}}}
        = \log_{10} f + \sum_{k = 0}^{5} c_k \left(\log_{10} \frac{E}{\mathrm{TeV}}\right)^k

    Parameters
    ----------
    norm : `~astropy.units.Quantity`
        :math:`f`, dimensionless, frozen. Default 1.

    References
    ----------
    Meyer et al. 2010, A&A 523, A2, appendix D.
    """

    tag = "crab-meyer"
    coefficients = (-0.00449161, 0.0, 0.0473174, -0.179475, -0.53616, -10.2708)
    norm = Parameter("norm", 1.0, frozen=True, role="norm")

    @property
    def output_unit(self) -> u.UnitBase:
        """Unit of what a call returns."""
        return u.Unit(_PER_TEV)

    @property
    def _arrays(self) -> tuple[np.ndarray, ...]:
        flux = u.Unit("erg cm-2 s-1 TeV-2").to(internal_unit(self.unit))
        return np.asarray(scale_to_internal("TeV")), np.asarray(flux)

    @staticmethod
    def evaluate(energy: Tensor, tev: Tensor, flux_unit: Tensor, norm: Tensor) -> Tensor:
        """Return the differential flux; ``tev`` and ``flux_unit`` are 1 TeV and 1 erg cm-2 s-1 TeV-2."""
        ratio = energy / tev
        log_energy = pt.log10(ratio)
        polynomial: Any = 0.0
        for coefficient in MeyerCrabSpectralModel.coefficients:
            polynomial = polynomial * log_energy + coefficient
        return norm * flux_unit * pt.exp(np.log(10) * polynomial) / ratio**2


class LogGaussianSpectralModel(SpectralModel):
    r"""Gaussian in the logarithm of the energy.

    .. math::
        \phi(E) = \frac{L}{E w \sqrt{2 \pi}} \exp\left(-\frac{\ln^2(E / E_p)}{2 w^2}\right)

    Parameters
    ----------
    L : `~astropy.units.Quantity`
        Integral flux. Default 1e-12 cm-2 s-1.
    Ep : `~astropy.units.Quantity`
        :math:`E_p`. Default 0.107 TeV.
    w : `~astropy.units.Quantity`
        Width in the natural logarithm, dimensionless and positive. Default 0.776.

    References
    ----------
    Bernloehr et al. 2013, Astroparticle Physics 43, 171, table 3.
    """

    tag = "log-gauss"
    flux_parameter = "L"
    L = Parameter("L", "1e-12 cm-2 s-1", role="scale")
    Ep = Parameter("Ep", "0.107 TeV", role="energy")
    w = Parameter("w", 0.776, role="shape")

    @property
    def output_unit(self) -> u.UnitBase:
        """Unit of what a call returns: that of the flux per unit of energy."""
        return self.L.unit / self.Ep.unit

    @staticmethod
    def evaluate(energy: Tensor, L: Tensor, Ep: Tensor, w: Tensor) -> Tensor:  # noqa: N803 (names of the files)
        """Return the differential flux."""
        return L / (energy * w * np.sqrt(2 * np.pi)) * pt.exp(-0.5 * (pt.log(energy / Ep) / w) ** 2)


_CRAB = {
    "hegra": (PowerLawSpectralModel, {"amplitude": 2.83e-11, "index": 2.62}),
    "hess_pl": (PowerLawSpectralModel, {"amplitude": 3.45e-11, "index": 2.63}),
    "hess_ecpl": (ExpCutoffPowerLawSpectralModel, {"amplitude": 3.76e-11, "index": 2.39, "ecut": 14.3}),
    "magic_lp": (LogParabolaSpectralModel, {"amplitude": 3.23e-11, "alpha": 2.47, "beta": 0.24 / np.log(10)}),
    "magic_ecpl": (ExpCutoffPowerLawSpectralModel, {"amplitude": 3.80e-11, "index": 2.21, "ecut": 6.0}),
}


def create_crab_spectral_model(reference: str = "meyer") -> SpectralModel:
    """Return a published spectrum of the Crab nebula.

    Parameters
    ----------
    reference : {"meyer", "hegra", "hess_pl", "hess_ecpl", "magic_lp", "magic_ecpl"}
        Meyer et al. 2010, A&A 523, A2; Aharonian et al. 2000, ApJ 539, 317; Aharonian et al. 2006, A&A 457, 899 (two
        fits); Aleksic et al. 2015, JHEAp 5, 30 (two fits).

    Returns
    -------
    SpectralModel
        The spectrum.

    Raises
    ------
    ValueError
        For another name.
    """
    check_option("reference", reference, ["meyer", *_CRAB])
    if reference == "meyer":
        return MeyerCrabSpectralModel()
    cls, numbers = _CRAB[reference]
    values: dict[str, Any] = {**numbers, "amplitude": numbers["amplitude"] * u.Unit(_PER_TEV)}
    if "ecut" in values:
        values["lambda_"] = 1 / (values.pop("ecut") * u.TeV)
    model: SpectralModel = cls(reference="1 TeV", **values)
    return model


_COSMIC_RAYS = {
    "proton": (0.096, 2.70),
    "N": (0.0719, 2.64),
    "Si": (0.0284, 2.66),
    "Fe": (0.0134, 2.63),
    "electron": (6.85e-5, 3.21),
}


def create_cosmic_ray_spectral_model(particle: str = "proton") -> SpectralModel:
    r"""Return the spectrum of a kind of cosmic rays at Earth, integrated over the whole sky.

    Parameters
    ----------
    particle : {"proton", "electron", "N", "Si", "Fe"}
        Kind of particle, with Gammapy's numbers. Electrons are a power law plus a `LogGaussianSpectralModel`.

    Returns
    -------
    SpectralModel
        Differential flux times :math:`4 \pi` sr.

    Raises
    ------
    ValueError
        For another particle.

    References
    ----------
    Bernloehr et al. 2013, Astroparticle Physics 43, 171, table 3.
    """
    check_option("particle", particle, _COSMIC_RAYS)
    amplitude, index = _COSMIC_RAYS[particle]
    sphere = 4 * np.pi
    law = PowerLawSpectralModel(amplitude=amplitude * sphere * u.Unit("m-2 s-1 TeV-1"), index=index, reference="1 TeV")
    if particle != "electron":
        return law
    return law + LogGaussianSpectralModel(L=3.19e-3 * sphere * u.Unit("m-2 s-1"))
