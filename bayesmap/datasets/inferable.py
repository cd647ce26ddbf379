"""Short names for inference on one dataset or several."""

from typing import Any

from bayesmap._types import RandomState, Tree

__all__ = ["Inferable"]


class Inferable:
    """What one dataset and several have in common: a posterior."""

    def to_pymc(self, **options: Any) -> Any:
        """Build the `pymc.Model`; see :func:`bayesmap.inference.to_pymc`."""
        from bayesmap.inference import to_pymc

        return to_pymc(self, **options)

    def sample(self, draws: int = 1000, tune: int | None = None, chains: int = 4, **kwargs: Any) -> Tree:
        """Sample the joint posterior of the parameters of all models.

        Parameters
        ----------
        draws : int
            Draws per chain.
        tune : int, optional
            Tuning draws per chain.
        chains : int
            Number of chains.
        **kwargs
            ``random_state``, ``sampler``, ...: see :func:`bayesmap.inference.sample`.

        Returns
        -------
        xarray.DataTree
            Posterior, sample statistics and a summary of the data.
        """
        from bayesmap.inference import sample

        return sample(self, draws, tune, chains, **kwargs)

    def find_mode(self, random_state: RandomState = 0, **kwargs: Any) -> Any:
        """Find the posterior mode and Gaussian errors; see :func:`bayesmap.inference.find_mode`."""
        from bayesmap.inference import find_mode

        return find_mode(self, random_state, **kwargs)
