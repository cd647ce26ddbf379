"""Fit statistics of measured fluxes: chi2, with asymmetric errors, for upper limits, and from likelihood profiles."""

from typing import Any

import numpy as np
import scipy

from bayesmap._types import Tensor

__all__ = ["chi2", "chi2_asymmetric", "chi2_upper_limit", "interpolate_profile"]

#: interpolation of a profile: a parabola needs squares
KINDS = {"sqrt": "quadratic", "lin": "linear"}


def chi2(flux: Tensor, model: Tensor, sigma: Tensor) -> Tensor:
    """Square of the deviation in standard deviations; arguments broadcast, arrays or tensors."""
    return ((flux - model) / sigma) ** 2


def chi2_asymmetric(flux: Tensor, model: Tensor, errn: Tensor, errp: Tensor, *, xp: Any = np) -> Tensor:
    """Chi2 with the upper error where the model lies above the measurement, else with the lower one.

    With ``xp=pytensor.tensor`` the model may be symbolic, here and in `chi2_upper_limit`.
    """
    return chi2(flux, model, xp.where(model >= flux, errp, errn))


def chi2_upper_limit(model: Tensor, limit: Tensor, *, xp: Any = np) -> Tensor:
    r"""Statistic of an upper limit, zero for no flux and rising with the model.

    .. math:: 2 \ln \frac{\mathrm{erfc}((L - m) / L)}{\mathrm{erfc}(1)}

    with the limit L. This is the approximation of Gammapy; it stays below 5.09 however large the model is. For a
    measured flux with its error no limit is needed.
    """
    erfc = scipy.special.erfc if xp is np else xp.erfc
    return 2 * (xp.log(erfc((limit - model) / limit)) - np.log(scipy.special.erfc(1.0)))


def interpolate_profile(
    value: np.ndarray, stat: np.ndarray, interp_scale: str = "sqrt", extrapolate: bool = True
) -> Any:
    """Fit statistic as a function of a norm, from its values on a grid.

    Parameters
    ----------
    value, stat : numpy.ndarray
        Norms and the statistic there, shape ``(n,)``.
    interp_scale : {"sqrt", "lin"}
        Piecewise parabolas or straight lines.
    extrapolate : bool
        Whether to go on beyond the grid; else values there are an error.
    """
    if interp_scale not in KINDS:
        raise ValueError(f"interp_scale must be one of {list(KINDS)}, got {interp_scale!r}")
    kwargs = {"bounds_error": False, "fill_value": "extrapolate"} if extrapolate else {}
    return scipy.interpolate.interp1d(value, stat, kind=KINDS[interp_scale], **kwargs)
