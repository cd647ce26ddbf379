"""Predicted counts of one model."""

from dataclasses import dataclass
from typing import Any

from bayesmap.datasets import checks, predict
from bayesmap.maps import Map

__all__ = ["Evaluator"]


@dataclass(frozen=True)
class Evaluator:
    """One model in one dataset: what it predicts there, at the current parameter values.

    Parameters
    ----------
    dataset : `~bayesmap.datasets.MapDataset`
        The dataset.
    model : `~bayesmap.modeling.SkyModel` or `~bayesmap.modeling.TemplateNPredModel`
        The model.

    Notes
    -----
    In Gammapy these objects keep caches; here the graph does, so they may be made whenever they are needed.
    """

    dataset: Any
    model: Any

    @property
    def contributes(self) -> bool:
        """Whether the source, with its extent and the PSF, reaches into the field."""
        return checks.distance_outside(self.dataset, self.model) is None

    def compute_npred(self) -> Map:
        """Return the expected counts per bin, not clipped."""
        return predict.npred_signal(self.dataset, model=self.model)

    def __repr__(self) -> str:
        return f"<Evaluator of {self.model.name!r} in {self.dataset.name!r}>"
