"""What a likelihood is: it knows data and predictions, never sources."""

import abc
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from bayesmap._types import Tensor
from bayesmap.likelihoods.checks import check_counts

__all__ = ["Likelihood"]


class Likelihood(abc.ABC):
    """The statistics of binned data, given a prediction in each bin: the base of all likelihoods.

    A new likelihood is a class that implements `logp`, `pointwise` and `random`; the other members have defaults that
    are right for independent counts of which every bin is looked at. It is used by assigning it to a dataset,
    ``dataset.likelihood = MyLikelihood()``.

    Cubes have the shape ``(n_energy, n_lat, n_lon)``. Further data cubes of a dataset, those that `needs` names, come
    as keyword arguments of that name (``**off``).

    Attributes
    ----------
    is_poisson : bool
        Whether log p is exactly that of independent Poisson counts, ``n log(npred) - npred - log n!``, so that the fold
        may take its shortcut and not call `logp`. It is not inherited: a subclass that is Poisson says so itself.
    allows_negative : bool
        Whether predictions below zero are fine, as for images with a background subtracted. By default they are
        impossible.
    needs : tuple of str
        Names of the data cubes beside the counts: "counts_off" and "alpha" of an ON/OFF dataset.
    measured : tuple of str
        Those of them that are counts themselves, and can be replaced: "counts_off".
    """

    is_poisson: ClassVar[bool] = False
    allows_negative: ClassVar[bool] = False
    needs: ClassVar[tuple[str, ...]] = ()
    measured: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "is_poisson" not in vars(cls):
            cls.is_poisson = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def check(self, name: str, counts: np.ndarray, mask: np.ndarray) -> None:
        """Raise a ValueError if a cube is no data of this kind; by default it must hold whole, non-negative numbers.

        Parameters
        ----------
        name : str
            Name of the dataset, for the message.
        counts : numpy.ndarray
            The data, a cube of float64.
        mask : numpy.ndarray
            Bins that are looked at, a boolean cube.
        """
        check_counts(name, counts, mask)

    def support(self, counts: np.ndarray, mask: np.ndarray, **off: np.ndarray) -> np.ndarray:
        """Bins whose prediction `logp` needs one by one, a boolean cube; by default all in the mask.

        Of the others it must be enough to know their weighted sum.
        """
        return np.asarray(mask, dtype=bool)

    def weights(self, mask: np.ndarray) -> np.ndarray:
        """Weights with which predictions enter the total that `logp` gets; float64, a cube, by default zero.

        They are zero outside the mask.
        """
        return np.zeros(np.shape(mask))

    def bin_data(self, chosen: np.ndarray, mask: np.ndarray, counts: np.ndarray, **off: np.ndarray) -> dict[str, Any]:
        """Arrays and numbers that `logp` reads; whatever depends on the data only belongs here.

        Parameters
        ----------
        chosen, mask : numpy.ndarray
            Boolean cubes: the bins that `logp` gets the prediction of (the support, or all in the mask), and all bins
            of the likelihood.
        counts, **off : numpy.ndarray
            Data cubes, float64.

        Returns
        -------
        dict of numpy.ndarray or float
            By default the data of the chosen bins, "counts".
        """
        return {"counts": counts[chosen]}

    @property
    def latents_follow_mask(self) -> bool:
        """Whether `latents` has as many elements as there are bins in the mask."""
        return False

    @property
    def latent_names(self) -> tuple[str, ...]:
        """Names of the variables that `latents` creates."""
        return ()

    def latents(self, name: str, mask: np.ndarray, **off: Tensor) -> dict[str, Tensor]:
        """Create the unknowns of the likelihood itself in the `pymc.Model` of the context; none by default.

        Parameters
        ----------
        name : str
            Name of the dataset; the variable ``key`` is called ``"<name>.<key>"``.
        mask : numpy.ndarray
            Bins that are looked at, a boolean cube.
        **off : TensorVariable
            Further data cubes as data of the graph: they may be replaced later.

        Returns
        -------
        dict of TensorVariable
            By the names of `latent_names`, in that order.
        """
        return {}

    @abc.abstractmethod
    def logp(self, npred: Tensor, total: Tensor, bins: Mapping[str, Tensor], latents: Mapping[str, Tensor]) -> Tensor:
        """Log-probability of the data in the mask, natural logarithm, a scalar expression.

        Parameters
        ----------
        npred : TensorVariable
            Predictions in the chosen bins, shape ``(n_chosen,)``.
        total : TensorVariable
            Sum of the predictions of all bins times `weights`, a scalar.
        bins : mapping of TensorVariable
            What `bin_data` gave.
        latents : mapping of TensorVariable
            What `latents` gave.
        """

    def explains(self, **off: np.ndarray) -> np.ndarray | bool:
        """Bins in which there may be counts whatever is predicted, a boolean cube; by default none."""
        return False

    def beside(self, **off: np.ndarray) -> np.ndarray | float:
        """Counts that the further data let expect besides the prediction, a cube; zero by default."""
        return 0.0

    def expected(
        self,
        npred: np.ndarray,
        counts: np.ndarray | None,
        *,
        latents: Mapping[str, np.ndarray] | None = None,
        mask: np.ndarray | None = None,
        **off: np.ndarray,
    ) -> np.ndarray:
        """Expected data for a prediction: by default that itself, else with what the likelihood adds to it.

        Parameters
        ----------
        npred : numpy.ndarray
            Predictions, a cube.
        counts : numpy.ndarray or None
            The data, a cube, as far as there are any.
        latents, mask, **off
            As for `random`.

        Returns
        -------
        numpy.ndarray
            Shape of ``npred``.
        """
        return npred

    @abc.abstractmethod
    def pointwise(
        self,
        counts: np.ndarray,
        npred: np.ndarray,
        *,
        latents: Mapping[str, np.ndarray] | None = None,
        mask: np.ndarray | None = None,
        **off: np.ndarray,
    ) -> np.ndarray:
        """Log-probability of each bin as numbers, shape of ``counts``; -inf where the data are impossible.

        Parameters
        ----------
        counts, npred : numpy.ndarray
            Data and predictions, cubes.
        latents, mask, **off
            As for `random`. Without latents a likelihood that has some integrates over them, or takes present values.
        """

    @abc.abstractmethod
    def random(
        self,
        npred: np.ndarray,
        rng: np.random.Generator,
        *,
        latents: Mapping[str, np.ndarray] | None = None,
        mask: np.ndarray | None = None,
        **off: np.ndarray,
    ) -> np.ndarray:
        """Draw data for a prediction; the one source of draws, for simulations and for the PyMC variable alike.

        Parameters
        ----------
        npred : numpy.ndarray
            Predictions, a cube.
        rng : numpy.random.Generator
            Source of randomness.
        latents : mapping of numpy.ndarray, optional
            Values of the unknowns of the likelihood; without them it draws or sets them itself. Likelihoods that have
            none never get any, nor a mask.
        mask : numpy.ndarray, optional
            The mask for which the latents were made.
        **off : numpy.ndarray
            Further data cubes.

        Returns
        -------
        numpy.ndarray
            Float64, shape of ``npred``.
        """

    def stat_array(self, counts: np.ndarray, npred: np.ndarray, **off: np.ndarray) -> np.ndarray:
        """Fit statistic per bin, shape of ``counts``: minus twice `pointwise`, up to constants."""
        return -2 * self.pointwise(counts, npred, **off)  # type: ignore[arg-type]
