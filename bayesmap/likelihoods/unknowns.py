"""Parameters of likelihoods that are inferred."""

from typing import Any

from bayesmap._types import Tensor

__all__ = ["positive_variable"]


def positive_variable(name: str, parameter: Any, what: str) -> Tensor:
    """Create the variable ``"<name>.<parameter>"`` of a positive parameter in the `pymc.Model` of the context.

    Parameters
    ----------
    name : str
        Name of the dataset.
    parameter : Parameter
        With a prior.
    what : str
        What it is, for errors.

    Raises
    ------
    ValueError
        If the parameter has no prior of its own, or one that reaches below zero.
    """
    key = parameter.name
    if parameter.prior is None or parameter.prior.is_joint:
        raise ValueError(f"dataset {name!r}: the {what} {key!r} needs a prior of its own, or frozen=True")
    if max(parameter.prior.support(parameter.unit)[0], parameter.bounds[0]) < 0:
        raise ValueError(
            f"dataset {name!r}: the prior {parameter.prior.summary} of the {what} {key!r} reaches below zero; take "
            "another one or set min=0"
        )
    return parameter.prior.to_rv(f"{name}.{key}", parameter)
