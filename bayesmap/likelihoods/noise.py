"""What likelihoods of values with known errors have in common: standard deviations, and a factor that may be free."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from bayesmap._types import Tensor
from bayesmap.likelihoods.base import Likelihood
from bayesmap.likelihoods.checks import check_cube
from bayesmap.likelihoods.unknowns import positive_variable
from bayesmap.maps import Map

__all__ = ["SCALE_WIDTH", "NoiseLikelihood"]

#: width in ln of the prior of ``scale="free"``: errors are known to some twenty per cent
SCALE_WIDTH = 0.2
_FREE = "noise_scale"


class NoiseLikelihood(Likelihood):
    """Values with errors that are known up to a factor: the base of `GaussianLikelihood` and `StudentTLikelihood`.

    Parameters
    ----------
    sigma : float, numpy.ndarray or `~bayesmap.maps.Map`
        Errors of the data, in their unit, of any shape that NumPy broadcasts to that of the data.
    scale : float, "free" or `~bayesmap.modeling.Parameter`
        Factor to all errors, see `GaussianLikelihood`.

    Raises
    ------
    ValueError
        If the factor is not positive and finite.
    """

    allows_negative = True

    def __init__(self, sigma: Any, scale: Any = 1.0) -> None:
        self.sigma = np.asarray(sigma.data if isinstance(sigma, Map) else sigma, dtype="float64")
        if isinstance(scale, str) and scale != "free":
            raise ValueError(f"the scale of errors must be a positive number, a parameter or 'free', got {scale!r}")
        self.scale = scale
        if not (np.isfinite(self._value) and self._value > 0):
            raise ValueError(f"the scale of errors must be positive and finite, got {scale!r}")

    def __repr__(self) -> str:
        shown = float(self.sigma) if self.sigma.ndim == 0 else f"<array of shape {self.sigma.shape}>"
        known = [f"sigma={shown}", *(f"{key}={value!r}" for key, value in self._settings().items())]
        is_one = isinstance(self.scale, int | float) and self.scale == 1
        return f"{type(self).__name__}({', '.join(known if is_one else [*known, f'scale={self.scale!r}'])})"

    def _settings(self) -> dict[str, Any]:
        """Further arguments, for people."""
        return {}

    @property
    def _value(self) -> float:
        """The scale as a number: of a parameter its present value, one where it is free."""
        return 1.0 if isinstance(self.scale, str) else float(getattr(self.scale, "value", self.scale))

    def _scale(self, latents: Mapping[str, Any] | None) -> float:
        """The scale of a draw, else the present one."""
        return float(latents[self.latent_names[0]]) if latents else self._value

    def errors(self, latents: Mapping[str, Any] | None = None) -> np.ndarray:
        """Errors with their scale, shape of ``sigma``."""
        return self.sigma * self._scale(latents)

    @property
    def latent_names(self) -> tuple[str, ...]:
        """Name of the scale, if it is free."""
        if isinstance(self.scale, str):
            return (_FREE,)
        return () if getattr(self.scale, "frozen", True) else (self.scale.name,)

    def latents(self, name: str, mask: np.ndarray, **off: Tensor) -> dict[str, Tensor]:
        """Create the variable of a free scale; see `Likelihood.latents`.

        Raises
        ------
        ValueError
            If the scale is a parameter without a prior of its own, or with one that reaches below zero.
        """
        if isinstance(self.scale, str):
            import pymc as pm

            return {_FREE: pm.LogNormal(f"{name}.{_FREE}", mu=0.0, sigma=SCALE_WIDTH)}
        return {key: positive_variable(name, self.scale, "scale") for key in self.latent_names}

    def check(self, name: str, counts: np.ndarray, mask: np.ndarray) -> None:
        """Raise a ValueError unless the data are finite, and sigma fits to them; see `Likelihood.check`.

        Raises
        ------
        ValueError
            If data inside the mask are not finite, or sigma has another shape.
        """
        check_cube(name, "the data", counts, mask, "finite numbers", np.isfinite)
        try:
            sigma = np.broadcast_to(self.sigma, mask.shape)
        except ValueError:
            raise ValueError(
                f"dataset {name!r}: sigma of its {type(self).__name__} has shape {self.sigma.shape}, the data "
                f"{mask.shape}; assign a likelihood for this binning"
            ) from None
        check_cube(name, f"sigma of its {type(self).__name__}", sigma, mask, "positive numbers", lambda s: s > 0)

    def bin_data(
        self, chosen: np.ndarray, mask: np.ndarray, counts: np.ndarray, **off: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Data and errors of the chosen bins, and as "constant" minus the sum of the logarithms of the errors.

        A scale that is not free is part of the errors.
        """
        sigma = np.broadcast_to(self.sigma if self.latent_names else self.errors(), mask.shape)
        constant = -np.log(sigma[mask]).sum()
        return {"counts": counts[chosen], "sigma": sigma[chosen], "constant": constant}

    def _deviations(self, npred: Tensor, bins: Mapping[str, Tensor], latents: Mapping[str, Tensor]) -> Any:
        """Deviations in units of the errors, symbolic, and the scale of these as far as it is free."""
        scale = latents[self.latent_names[0]] if latents else 1.0
        return (bins["counts"] - npred) / (bins["sigma"] * scale), scale
