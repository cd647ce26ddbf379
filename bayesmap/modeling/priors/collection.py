"""Priors and posteriors of all parameters of a collection of models."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from bayesmap._types import Tree
from bayesmap.modeling.parameter import Parameter

if TYPE_CHECKING:
    from astropy.table import Table

    from bayesmap.modeling.covariance import Covariance
    from bayesmap.modeling.priors.hyper import HyperParameter
    from bayesmap.modeling.priors.joint import JointPrior

__all__ = ["PriorsOfModels"]


class PriorsOfModels:
    """The methods of `Models` that have to do with priors and posteriors."""

    if TYPE_CHECKING:

        @property
        def parameter_names(self) -> dict[Parameter, str]:
            """Name of the random variable of each parameter."""

    def set_values(self, tree: Tree, statistic: str = "mean") -> None:
        """Set values and errors of the free parameters from a posterior.

        Parameters
        ----------
        tree : xarray.DataTree
            Result of `bayesmap.sample`, with the groups ``posterior`` and (for "mode") ``sample_stats``.
        statistic : {"mean", "median", "mode"}
            What to take; "mode" is the draw with the highest log-density. Errors are standard deviations.

        Raises
        ------
        KeyError
            If a free parameter is not in the posterior; nothing is changed then.
        """
        from bayesmap.modeling.posterior import set_values

        set_values(self.parameter_names, tree, statistic)

    def covariance_from(self, tree: Tree) -> "Covariance":
        """Return the covariance of the free parameters in a posterior.

        Parameters
        ----------
        tree : xarray.DataTree
            Result of `bayesmap.sample`.

        Returns
        -------
        Covariance
            In the declared units; the models are not changed (`set_values` sets values and errors).

        Raises
        ------
        KeyError
            If a free parameter is not in the posterior.
        """
        from bayesmap.modeling.covariance import covariance_from

        return covariance_from(self.parameter_names, tree)

    def to_gammapy(self, tree: Tree | None = None) -> Any:
        """Return the models as Gammapy's, with the posterior's means and covariance.

        Parameters
        ----------
        tree : xarray.DataTree, optional
            Result of `bayesmap.sample`; without it the values are those of the models, and there is no covariance.

        Returns
        -------
        gammapy.modeling.models.Models
            Parameters have the posterior means as values and the standard deviations as errors.

        Raises
        ------
        ImportError
            If Gammapy is not installed.
        KeyError
            If a free parameter is not in the posterior.
        ValueError
            If Gammapy has no counterpart of a model.

        Warns
        -----
        UserWarning
            If Gammapy has no counterpart of a prior; the message names the parameters.
        """
        from bayesmap.modeling.files.to_gammapy import models_to_gammapy

        return models_to_gammapy(self, tree)  # type: ignore[arg-type]

    # -- priors -----------------------------------------------------------------------------------------------------
    def set_prior(self, parameters: Iterable[Parameter], priors: Any) -> None:
        """Set the priors of several parameters.

        Parameters
        ----------
        parameters : Parameters or iterable of Parameter
            Parameters, for example ``models.parameters.free_parameters``.
        priors : Prior, list of Prior or None
            One for all, or one each.

        Raises
        ------
        ValueError
            If the numbers differ or a prior does not fit; nothing is changed then.
        """
        from bayesmap.modeling.priors.table import set_priors

        set_priors(parameters, priors)

    def set_joint_prior(self, prior: "JointPrior") -> None:
        """Give parameters a correlated prior.

        Parameters
        ----------
        prior : MultivariateNormalPrior or ProcessPrior
            It names its parameters. Each gets its marginal as `Parameter.prior`; giving one of them another prior
            takes it out, and freezing one conditions the others on its value.

        Raises
        ------
        KeyError
            If a name is unknown.
        ValueError
            If the prior does not fit to a parameter; nothing is changed then.
        """
        prior.assign({name: parameter for parameter, name in self.parameter_names.items()})

    @property
    def joint_priors(self) -> "list[JointPrior]":
        """The correlated priors, under the present names of their parameters."""
        from bayesmap.modeling.priors.table import joint_priors

        return joint_priors(self.parameter_names)

    @property
    def hyperparameters(self) -> "dict[str, HyperParameter]":
        """The hyperparameters that the priors of free parameters share, by name."""
        from bayesmap.modeling.priors.hyper import hyperparameters_of

        return hyperparameters_of(self.parameter_names)

    def prior_table(self) -> "Table":
        """Return the priors of the free parameters and hyperparameters.

        Returns
        -------
        `~astropy.table.Table`
            One row per parameter: name of the variable, prior (empty if there is none yet), unit, bounds, whether it
            is a default, and the central 95 % interval inside the bounds (over all hyperpriors), from ``low`` to
            ``high`` in the unit; NaN for an improper prior.
        """
        from bayesmap.modeling.priors.table import prior_table

        return prior_table(self.parameter_names)
