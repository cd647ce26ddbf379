"""Posteriors of parameters: the only place that knows the names, units and links of a result."""

import warnings
from collections.abc import Mapping
from typing import Any

import astropy.units as u
import numpy as np

from bayesmap._types import Tree
from bayesmap._util import check_option, suggest
from bayesmap.modeling.model import KINDS
from bayesmap.modeling.parameter import Parameter

__all__ = ["STATISTICS", "Posterior", "parameter_draws", "set_values"]

STATISTICS = ("mean", "median", "mode")


class Posterior:
    """Draws of parameters in a result.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of `bayesmap.sample` or of any PyMC sampler.
    group : str
        The group that holds the draws.

    Attributes
    ----------
    names : list of str
        Variables, ``"<model>.<parameter>"``.
    n_chain, n_draw : int
        Chains, and draws per chain.

    Raises
    ------
    KeyError
        If the tree has no such group.

    Notes
    -----
    A parameter that models share is one variable, named after its first owner; its other names (attribute
    ``linked_names``) find it too. Draws are stored in the unit that the parameter declared when it was sampled
    (attribute ``units``); a variable without that attribute is taken to be in the unit that is declared now.
    """

    def __init__(self, tree: Tree, group: str = "posterior") -> None:
        if group not in tree.children:
            raise KeyError(
                f"the tree has no group {group!r}, its groups are {sorted(tree.children)}; give a result of sample()"
            )
        self._data = tree[group].to_dataset()
        observed = tree["observed_data"].data_vars if "observed_data" in tree.children else ()
        self._datasets = {str(name).rpartition(".")[0] for name in observed}
        self.names = list(map(str, self._data.data_vars))
        self.n_chain, self.n_draw = (int(self._data.sizes[dim]) for dim in ("chain", "draw"))

    def __len__(self) -> int:
        """Number of draws of all chains."""
        return self.n_chain * self.n_draw

    @property
    def scalars(self) -> list[str]:
        """Variables that are single numbers, not arrays."""
        return [name for name in self.names if set(self._data[name].dims) == {"chain", "draw"}]

    def __contains__(self, name: object) -> bool:
        return self._found(str(name)) is not None

    # -- names ------------------------------------------------------------------------------------------------------
    def find(self, name: str) -> str:
        """Return the variable that a name stands for: itself, or that of the parameter it is linked to.

        Raises
        ------
        KeyError
            If there is none; the message lists the valid names.
        """
        found = self._found(name)
        if found is None:
            raise KeyError(f"the posterior has no variable {name!r}{suggest(name, self.names)}")
        return found

    def _found(self, name: str) -> str | None:
        if name in self._data.data_vars:
            return name
        return next((variable for variable in self.names if name in self.aliases(variable)), None)

    def aliases(self, variable: str) -> list[str]:
        """Other names of a variable: those of the parameters of other models that were linked to it."""
        attributes = self._data[variable].attrs
        names = attributes.get("linked_names", [])
        # results of bayesmap 0.1 name the models only
        models = filter(None, attributes.get("linked_models", "").split(", "))
        local = variable.rpartition(".")[2]
        return [*([names] if isinstance(names, str) else names), *(f"{model}.{local}" for model in models)]

    def parameters(self, names: Mapping[Parameter, str]) -> dict[str, Parameter]:
        """Return the parameters whose draws are here by the names of the variables.

        Parameters
        ----------
        names : Mapping of Parameter to str
            Parameters of models and their names.
        """
        found = {self._found(name): parameter for parameter, name in names.items()}
        return {variable: found[variable] for variable in self.names if variable in found}

    def warn_of_left_out(self, names: Mapping[Parameter, str], dataset_name: str, stacklevel: int = 3) -> None:
        """Say which sampled models a dataset lacks that was not sampled, by a UserWarning.

        Models of a certain dataset, as those of backgrounds are, do not go over to a dataset of another name.

        Parameters
        ----------
        names : Mapping of Parameter to str
            Parameters of the models of the dataset, and their names.
        dataset_name : str
            Name of the dataset.
        stacklevel : int
            As for `warnings.warn`; by default the caller of the function that calls this.
        """
        if not self._datasets or dataset_name in self._datasets:
            return
        used = self.parameters(names)
        owners = (_owner(name) for name in self.names if name not in used)
        left_out = [name for name in dict.fromkeys(owners) if name and name not in self._datasets]
        if left_out:
            warnings.warn(
                f"dataset {dataset_name!r} is not among those sampled, {sorted(self._datasets)}, and its models lack "
                f"{left_out} of the posterior: what it says of them, for example of the background, does not enter. To "
                f"take them over, assign models.reassign({min(self._datasets)!r}, {dataset_name!r})",
                UserWarning,
                stacklevel=stacklevel,
            )

    # -- draws ------------------------------------------------------------------------------------------------------
    def unit(self, name: str) -> u.UnitBase | None:
        """The unit of the stored draws; None if the result does not say."""
        unit = self._data[self.find(name)].attrs.get("units")
        return None if unit is None else u.Unit(unit)

    def chains(self, name: str, parameter: Parameter | None = None) -> np.ndarray:
        """Return the draws of a variable by chain.

        Parameters
        ----------
        name : str
            Name of the variable, or another name of it.
        parameter : Parameter, optional
            Convert to the unit that it declares now; the stored unit by default.

        Returns
        -------
        numpy.ndarray
            Shape ``(n_chain, n_draw)``, and more axes where the variable is an array.

        Raises
        ------
        KeyError
            If there is no such variable.
        astropy.units.UnitConversionError
            If the unit of the draws does not convert to that of the parameter.
        """
        variable = self._data[self.find(name)].transpose("chain", "draw", ...)
        values: np.ndarray = np.asarray(variable.values, dtype="float64")
        unit = self.unit(name)
        if parameter is None or unit is None or unit == parameter.unit:
            return values
        try:
            factor = float(unit.to(parameter.unit))
        except u.UnitConversionError:
            raise u.UnitConversionError(
                f"the draws of {name!r} are in '{unit}', which does not convert to '{parameter.unit}', the unit of the "
                "parameter"
            ) from None
        return values * factor

    def column(self, name: str, parameter: Parameter | None = None) -> np.ndarray:
        """Return the draws of a variable, chains joined: as `chains`, of shape ``(n_chain * n_draw, ...)``."""
        values = self.chains(name, parameter)
        return values.reshape(-1, *values.shape[2:])

    def quantity(self, name: str) -> u.Quantity:
        """Return the draws of a variable, chains joined, with the unit that they were stored in."""
        return self.column(name) * (self.unit(name) or u.dimensionless_unscaled)

    def columns(self, names: Mapping[Parameter, str], owner: str = "") -> dict[Parameter, np.ndarray]:
        """Return the draws of free parameters.

        Parameters
        ----------
        names : Mapping of Parameter to str
            Parameters and their names; frozen ones are left out.
        owner : str
            Whose parameters they are, for errors.

        Returns
        -------
        dict of Parameter to numpy.ndarray
            Chains joined, in the units that the parameters declare now.

        Raises
        ------
        KeyError
            If a free parameter is not in the posterior.
        """
        free = {parameter: name for parameter, name in names.items() if not parameter.frozen}
        missing = [name for name in free.values() if name not in self]
        if missing:
            raise KeyError(
                f"{owner}{': ' if owner else ''}the posterior has no variables {missing}"
                f"{suggest(missing[0], self.names)}; freeze the parameter or sample it"
            )
        return {parameter: self.column(name, parameter) for parameter, name in free.items()}

    def numbers(self, values: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return values that somebody gives by name, for example the truth of a simulation, as the draws are stored.

        Parameters
        ----------
        values : Mapping of str to float or `~astropy.units.Quantity`, optional
            By any name of a variable; bare numbers are in the unit of the draws. Unknown names are left out.
        """
        numbers: dict[str, Any] = {}
        for name, value in (values or {}).items():
            variable = self._found(name)
            if variable is not None:
                unit = self.unit(variable)
                has_unit = isinstance(value, u.Quantity) and unit is not None
                number = value.to_value(unit) if has_unit else u.Quantity(value).value
                numbers[variable] = float(number) if np.ndim(number) == 0 else np.asarray(number)
        return numbers


def _owner(variable: str) -> str:
    """Name of the model of a variable; empty for a hyperparameter."""
    owner = variable.rpartition(".")[0]
    for part in KINDS:
        owner = owner.removesuffix(f".{part}")
    return owner


def parameter_draws(tree: Tree, name: str) -> u.Quantity:
    """All posterior draws of a parameter, chains joined.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of `bayesmap.sample`.
    name : str
        Name of the variable, ``"<model>.<parameter>"``. A parameter that models share may be called by each of them.

    Returns
    -------
    `~astropy.units.Quantity`
        Shape ``(chains * draws,)``, in the unit that was declared when it was sampled.

    Raises
    ------
    KeyError
        If the posterior has no such variable.
    """
    return Posterior(tree).quantity(name)


def set_values(names: Mapping[Parameter, str], tree: Tree, statistic: str = "mean") -> None:
    """Set values and errors of free parameters; see `Models.set_values`."""
    check_option("statistic", statistic, STATISTICS)
    columns = Posterior(tree).columns(names)
    best = int(np.argmax(tree["sample_stats"]["lp"].values)) if statistic == "mode" else None
    numbers = {parameter: (_centre(draws, statistic, best), draws.std(axis=0)) for parameter, draws in columns.items()}
    for parameter, (value, error) in numbers.items():
        parameter.value, parameter.error = value, error  # type: ignore[assignment]


def _centre(draws: np.ndarray, statistic: str, best: int | None) -> Any:
    """What stands for all draws, of each element."""
    if best is not None:
        return draws[best]
    return np.median(draws, axis=0) if statistic == "median" else np.mean(draws, axis=0)
