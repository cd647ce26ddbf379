"""What is not known of the instrument of a dataset, as a member of `Models`."""

import copy
from collections.abc import Iterable
from typing import Any, Self

from bayesmap.modeling.response import ResponseModel
from bayesmap.modeling.sky import Component, check_part

__all__ = ["IRFModel"]


class IRFModel(Component):
    """Departure of the response of an instrument from its response functions (IRFs).

    It predicts no counts of its own: it changes those that all sources predict in its datasets. Backgrounds are
    measured and stay as they are. Several may apply to one dataset; they act together.

    Parameters
    ----------
    response_model : ResponseModel
        What may be wrong, and how.
    datasets_names : str, list of str or None
        Datasets of the instrument; None for all.
    name : str or None
        Name; by default a random one.

    Raises
    ------
    TypeError
        If the response model is none.

    Examples
    --------
    An energy scale known to 10 %, of two runs of the same telescope:

    >>> from bayesmap.modeling import EnergyScaleResponseModel, IRFModel, Prior
    >>> scale = EnergyScaleResponseModel()
    >>> scale.scale.prior = Prior("LogNormal", mu=0.0, sigma=0.1)
    >>> irf = IRFModel(scale, datasets_names=["run-1", "run-2"], name="hess")
    """

    tag = ["IRFModel", "irf"]
    part_names = needed_parts = ("response",)
    in_gammapy = False
    contribution = "response"
    response_model: ResponseModel

    def __init__(
        self,
        response_model: ResponseModel,
        datasets_names: str | Iterable[str] | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name, datasets_names)
        label = f"IRFModel {self.name!r}"
        if response_model is None:
            raise TypeError(f"{label} needs a response model")
        self.response_model = check_part(label, "response", response_model, ResponseModel)

    @property
    def effects(self) -> list[ResponseModel]:
        """What it does to the response, in this order."""
        return [self.response_model]

    def copy(self, name: str | None = None, **kwargs: Any) -> Self:
        """Return a copy with its own parameters.

        Parameters
        ----------
        name : str or None
            Name of the copy; by default a random one.
        **kwargs
            Arguments of the class that shall be others.
        """
        arguments = {"response_model": copy.deepcopy(self.response_model), "datasets_names": self.datasets_names}
        return type(self)(**{**arguments, "name": name, **kwargs})
