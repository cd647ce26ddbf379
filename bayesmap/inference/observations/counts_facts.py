"""What is known of counts before their models have priors; see `Facts`."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import astropy.units as u
import numpy as np

from bayesmap.datasets import MapDataset, MapDatasetOnOff
from bayesmap.graph import FoldArrays, background_counts, fold_arrays, signal_counts
from bayesmap.inference.amplitudes import Templates, linear_parameter
from bayesmap.inference.listing import prior_centre
from bayesmap.inference.observations.base import Facts, facts_of
from bayesmap.inference.observations.checks import check_counts, check_off, check_responses, unmeasured_bins
from bayesmap.inference.observations.counts import ObservedCounts
from bayesmap.inference.reach import reach_of

__all__ = ["CountsFacts", "OnOffFacts"]


class CountsFacts(Facts):
    """Facts of a dataset of counts in bins; see `Facts`."""

    @cached_property
    def arrays(self) -> FoldArrays:
        """The dataset as arrays."""
        return fold_arrays(self.dataset)

    @property
    def gti(self) -> Any:
        """Good time intervals, or None."""
        return self.dataset.gti

    def require_data(self) -> None:
        """Raise a ValueError if there are no counts."""
        if self.dataset.counts is None:
            raise ValueError(f"dataset {self.name!r} has no counts: default priors are made from them; set the priors")

    def check(self) -> None:
        """Raise a ValueError unless counts, background, exposure, PSF and energy dispersion can be fitted."""
        check_counts(self.arrays, self.dataset.likelihood)
        check_responses(self.arrays)

    def field(self) -> Any:
        """Geometry of the image, or of the region."""
        return self.dataset.counts.geom.to_image()

    def energy_range(self) -> u.Quantity:
        """Lowest and highest reconstructed energy."""
        edges = self.dataset.counts.geom.axes["energy"].edges
        return u.Quantity([edges.min(), edges.max()])

    def templates(self) -> Templates:
        """Counts in the bins of the mask, what of them is known, and what a unit of each linear parameter predicts."""
        dataset, mask = self.dataset, self.arrays.mask

        def inside(cube: Any) -> np.ndarray:
            return np.nan_to_num(np.asarray(cube, dtype="float64")[mask])

        counts = inside(dataset.counts.data)
        found = Templates(counts, np.zeros_like(counts))
        for model in (m for m in self.models if m.contribution != "response"):
            parameter = linear_parameter(model)
            cube = self._cube(model, {} if parameter is None else {parameter: 1.0})
            if cube is None:
                continue
            if parameter is None:
                found.known += inside(cube)
            else:
                found.units[parameter] = found.units.get(parameter, 0) + np.maximum(inside(cube), 0)
        if dataset.background is not None and not any(m.contribution == "background" for m in self.models):
            found.known += inside(dataset.background.data)
        return found

    def _cube(self, model: Any, values: Mapping[Any, float]) -> np.ndarray | None:
        """Predicted counts of a model in all bins; None for one that scales a background which is not there."""
        if model.contribution != "background":
            responses = [m for m in self.models if m.contribution == "response"]
            return signal_counts(self.dataset, [model, *responses], values)[model.name]
        return None if self.arrays.background is None else background_counts(self.dataset, [model], values)

    def observe(self, parameters: Sequence[Any], *, data: bool = True, **options: Any) -> ObservedCounts:
        """Meet the counts with the models; see `Facts.observe`."""
        centre, likelihood = prior_centre(self.models), self.dataset.likelihood
        reach = reach_of(self.models, centre) if data else {}
        options |= {"reach": reach, "at": centre}
        return ObservedCounts(self.arrays, self.models, parameters, likelihood, data=data, **options)


class OnOffFacts(CountsFacts):
    """Facts of a dataset of counts whose background is measured in OFF regions; see `Facts`."""

    def observe(self, parameters: Sequence[Any], *, data: bool = True, **options: Any) -> ObservedCounts:
        """Meet the counts with the models; see `Facts.observe`."""
        return super().observe(parameters, data=data, unmeasured=unmeasured_bins(self.dataset), **options)

    def check(self) -> None:
        """Raise a ValueError unless ON and OFF counts, acceptances and responses can be fitted."""
        super().check()
        check_off(self.dataset, self.arrays.mask)


facts_of.register(MapDataset, CountsFacts)
facts_of.register(MapDatasetOnOff, OnOffFacts)
