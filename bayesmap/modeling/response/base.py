"""The interface of response models: what may be wrong with exposure, energies and point spread function."""

from collections.abc import Mapping
from typing import Any

from bayesmap.modeling.model import ModelBase
from bayesmap.modeling.parameter import Parameter

__all__ = ["ResponseModel"]


class ResponseModel(ModelBase):
    """Interface of response models: the departure of an instrument from its response functions.

    A subclass declares parameters, whose defaults leave the response as it is, and overrides the methods for what it
    changes. It acts on all sources of the datasets of its `IRFModel`, never on backgrounds, which are measured.

    Parameters
    ----------
    **values : str, `~astropy.units.Quantity`, float or Parameter
        Values of parameters; what is not given has its default.
    """

    kind = "response"

    def edges_graph(self, edges: Any, values: Mapping[Parameter, Any]) -> Any:
        """Return the energies that events were given which the response takes for ``edges``.

        Parameters
        ----------
        edges : tensor or array
            Edges of the true-energy bins of the response in the internal unit (TeV), shape ``(n + 1,)``.
        values : Mapping of Parameter to tensor or float
            One entry per parameter, in internal units.

        Returns
        -------
        TensorVariable or array
            Edges between which spectra are integrated, shape ``(n + 1,)``; by default the same.
        """
        return edges

    def exposure_graph(self, energy: Any, values: Mapping[Parameter, Any]) -> Any:
        """Return the factor of the exposure.

        Parameters
        ----------
        energy : tensor or array
            True energies in the internal unit (TeV), shape ``(n,)``.
        values : Mapping of Parameter to tensor or float
            One entry per parameter, in internal units.

        Returns
        -------
        TensorVariable or None
            Shape ``(n,)`` or a scalar; None, the default, where the exposure stays as it is.
        """
        return None

    def psf_scale_graph(self, values: Mapping[Parameter, Any]) -> Any:
        """Return the factor of the width of the point spread function.

        Parameters
        ----------
        values : Mapping of Parameter to tensor or float
            One entry per parameter, in internal units.

        Returns
        -------
        TensorVariable or None
            A scalar; None, the default, where the point spread function stays as it is.
        """
        return None
