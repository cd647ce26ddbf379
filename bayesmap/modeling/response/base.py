"""The interface of response models: what may be wrong with exposure, energies and point spread function."""

from collections.abc import Mapping

import numpy as np

from bayesmap._lazy import pt
from bayesmap._types import Tensor
from bayesmap.modeling.model import ModelBase
from bayesmap.modeling.parameter import Parameter

__all__ = ["ResponseModel"]


class ResponseModel(ModelBase):
    """Interface of response models: the departure of an instrument from its response functions.

    A subclass declares parameters, whose defaults leave the response as it is, and overrides the methods for what it
    changes; what it does not change it returns as it is, the same object. It acts on all sources of the datasets of
    its `IRFModel`, never on backgrounds, which are measured.

    Parameters
    ----------
    **values : str, `~astropy.units.Quantity`, float or Parameter
        Values of parameters; what is not given has its default.
    """

    kind = "response"

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        said = [getattr(cls, name) is not getattr(ResponseModel, name) for name in ("psf_widths", "psf_width_graph")]
        if said[0] is not said[1]:
            raise TypeError(f"{cls.__name__} has to define psf_widths and psf_width_graph together, or neither")

    def edges_graph(self, edges: Tensor, values: Mapping[Parameter, Tensor]) -> Tensor:
        """Return the energies of photons that the response takes for ``edges``.

        Parameters
        ----------
        edges : tensor or array
            Edges of the true-energy bins of the response in the internal unit (TeV), shape ``(n_true + 1,)``.
        values : Mapping of Parameter to tensor or float
            One entry per parameter, in internal units.

        Returns
        -------
        TensorVariable or numpy.ndarray
            Edges between which spectra are integrated, shape ``(n_true + 1,)``.
        """
        return edges

    def flux_graph(self, flux: Tensor, energy_true: Tensor, values: Mapping[Parameter, Tensor]) -> Tensor:
        """Return the flux that is seen, or what is equal: the flux through another exposure.

        Parameters
        ----------
        flux : tensor
            Photon flux per true-energy bin, shape ``(n_true,)``.
        energy_true : tensor or array
            Centres of these bins in the internal unit (TeV), shape ``(n_true,)``.
        values : Mapping of Parameter to tensor or float
            One entry per parameter, in internal units.

        Returns
        -------
        TensorVariable
            Shape ``(n_true,)``.
        """
        return flux

    def dispersion_graph(
        self, matrix: Tensor, edges: np.ndarray, edges_true: np.ndarray, values: Mapping[Parameter, Tensor]
    ) -> Tensor:
        """Return the energy dispersion.

        Parameters
        ----------
        matrix : tensor
            Probabilities, shape ``(n_reco, n_true)``. The gradient by entries that are zero is not followed: they have
            to stay zero.
        edges, edges_true : numpy.ndarray
            Edges of reconstructed and true energy bins in the internal unit (TeV), ``(n_reco + 1,)`` and
            ``(n_true + 1,)``.
        values : Mapping of Parameter to tensor or float
            One entry per parameter, in internal units.

        Returns
        -------
        TensorVariable
            Shape ``(n_reco, n_true)``.
        """
        return matrix

    def psf_widths(self) -> np.ndarray | None:
        """Return the widths of the point spread function for which tables are made.

        Returns
        -------
        numpy.ndarray or None
            Shape ``(n_width,)``, in units of the nominal width, ascending, at least two; between them the point spread
            function is linear, beyond them it is that of the last. None, the default, where it stays as it is.
        """
        return None

    def psf_width_graph(self, values: Mapping[Parameter, Tensor]) -> Tensor:
        """Return the present width of the point spread function in units of the nominal one, a scalar.

        To be defined together with `psf_widths`; by default it is the nominal one.

        Parameters
        ----------
        values : Mapping of Parameter to tensor or float
            One entry per parameter, in internal units.
        """
        return pt.constant(1.0)
