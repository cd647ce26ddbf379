"""The data of an analysis under its models: what is looked at, replaced and drawn."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pymc as pm

from bayesmap._util import get_random_state
from bayesmap.datasets.digest import dataset_digests
from bayesmap.inference.compile import prepare
from bayesmap.inference.given import as_cubes, by_dataset, chosen_bins
from bayesmap.inference.listing import as_datasets, dataset_models
from bayesmap.modeling.priors.hyper import hyperparameters_of

__all__ = ["FitData"]


class FitData:
    """Datasets with data, masks and models, whose data and masks can be replaced.

    Parameters
    ----------
    datasets : MapDataset, Datasets or list of MapDataset
        With counts and models.
    **options
        ``psf_route``, ``psf_tolerance``, ``irf_position``: see :func:`~bayesmap.inference.to_pymc`.

    Attributes
    ----------
    datasets : list of MapDataset
        As given.
    models : Models
        All that apply to any of them.
    parameters, hyperparameters : dict
        By name.
    routes : dict
        ``{dataset: {model: (route, error)}}``: how each source meets the PSF, and with which error (half the L1
        distance from the exact pixel-integrated PSF; of "fft" only what its basis of kernels leaves out; zero, not
        measured, for "fixed" and "region").
    """

    def __init__(self, datasets: Any, **options: Any) -> None:
        self.datasets = as_datasets(datasets)
        self._observed, self._names = prepare(self.datasets, **options)
        self.models = dataset_models(self.datasets)
        self.parameters = {name: p for p, name in self._names.items()}
        self.hyperparameters = hyperparameters_of(self._names)
        self.routes = {name: dict(o.routes) for name, o in self._observed.items()}
        self._digests: dict[str, dict[str, str]] | None = None

    @property
    def digests(self) -> dict[str, dict[str, str]]:
        """Digests of the parts of each dataset; empty once counts or masks were replaced.

        See :func:`~bayesmap.datasets.digest.dataset_digests`.
        """
        if self._digests is None:
            self._digests = {dataset.name: dataset_digests(dataset) for dataset in self.datasets}
        return self._digests

    def set_counts(self, counts: Any) -> None:
        """Replace counts, images or fluxes without compiling again; the datasets themselves are not changed.

        Parameters
        ----------
        counts : Map, Image, Quantity, numpy.ndarray or mapping of dataset name to one of them
            Data of the shape of the dataset. A single one is for a single dataset. For an ON/OFF dataset a pair of
            cubes, ``(counts, counts_off)``, replaces both. Bare numbers of an image are in nJy; of flux points, those
            inside the masks, in 1e-12 cm-2 s-1 TeV-1. Variances, errors and upper limits stay.

        Raises
        ------
        KeyError
            If a name is unknown.
        ValueError
            If a shape is wrong, counts are not whole, non-negative numbers, or fluxes are not finite; or the likelihood
            of flux points is stored as profiles.
        UnitConversionError
            If a unit is that of other data.
        """
        # All are checked before the first is replaced.
        given = by_dataset(counts, self._observed, "counts")
        cubes = {name: as_cubes(one, self._observed[name]) for name, one in given.items()}
        for name, cube in cubes.items():
            self._observed[name].check(**cube)
        for name, cube in cubes.items():
            self._observed[name].set_counts(**cube)
        self._digests = {}

    def set_mask(self, mask: Any) -> None:
        """Look at other bins without compiling again; the masks of the datasets themselves are not changed.

        Parameters
        ----------
        mask : Map, numpy.ndarray or mapping of dataset name to one of them
            Booleans in the shape of the dataset, in place of its ``mask``, the product of ``mask_safe`` and
            ``mask_fit``. A single one is for a single dataset.

        Raises
        ------
        KeyError
            If a name is unknown.
        ValueError
            If there are no booleans in this shape, no bin is left, or the data of the bins cannot be fitted, as in
            ``to_pymc``; if the bins hold a negative background where there was none, or the likelihood has an unknown
            per bin. Nothing is changed then, of any dataset.
        """
        masks = {
            name: np.asarray(getattr(m, "data", m)) for name, m in by_dataset(mask, self._observed, "masks").items()
        }
        for name, one in masks.items():
            self._observed[name].check_mask(one)
        for name, one in masks.items():
            self._observed[name].set_mask(one)
        self._digests = {}

    def draw_counts(self, values: Mapping[str, Any], random_state: Any = "random-seed") -> dict[str, np.ndarray]:
        """Draw data of all datasets at values of the parameters; :meth:`set_counts` takes what is returned.

        Parameters
        ----------
        values : mapping of str to float or numpy.ndarray
            Value of each free parameter by the name of its variable, in the declared unit. Unknowns of a likelihood
            (``"<dataset>.noise_scale"``) may be given too.
        random_state : int, numpy.random.Generator or str
            Source of randomness.

        Returns
        -------
        dict of numpy.ndarray
            Float64 per dataset, of its shape: counts, nJy of an image, 1e-12 cm-2 s-1 TeV-1 of flux points. Where the
            background is measured in OFF regions it is drawn given the OFF counts at hand, which stay.

        Raises
        ------
        KeyError
            If a free parameter is left out.
        ValueError
            If a prediction is negative or not finite.
        """
        rng = get_random_state(random_state)
        return {name: o.random(rng, *self._arguments(o, values)) for name, o in self._observed.items()}

    def draw_latents(self, size: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Draw unknowns of likelihoods from their priors, except those of which each bin of a dataset has one.

        Parameters
        ----------
        size : int
            Number of draws.
        rng : numpy.random.Generator
            Source of randomness.

        Returns
        -------
        dict of numpy.ndarray
            By variable, ``"<dataset>.<unknown>"``, shape ``(size, ...)``.
        """
        with pm.Model():
            variables = {
                f"{name}.{key}": variable
                for name, o in self._observed.items()
                if o.latent_names and not o.latents_follow_mask
                for key, variable in o.latents().items()
            }
            if not variables:
                return {}
            drawn = pm.draw(list(variables.values()), size, random_seed=rng, mode="FAST_COMPILE")
        return dict(zip(variables, drawn, strict=True))

    def log_likelihood(self, values: Mapping[str, Any]) -> float:
        """Log-likelihood of all data at hand, natural logarithm, at values of the parameters; see `draw_counts`."""
        return float(sum(o.pointwise(*self._arguments(o, values)).sum() for o in self._observed.values()))

    def log_likelihood_of(self, group: Any) -> Callable[[Mapping[str, Any]], float]:
        """Return the function that is the log-likelihood of some bins alone; see :meth:`log_likelihood`.

        Parameters
        ----------
        group : Map, numpy.ndarray or mapping of dataset name to one of them
            Booleans as for :meth:`masks`, true in the bins.

        Raises
        ------
        KeyError
            If a dataset is unknown.
        ValueError
            If no bin inside the masks is in the group, or as for :meth:`masks`.
        """
        parts = [
            (self._observed[name], self._observed[name].summed(chosen[mask].astype(int), 2))
            for name, (mask, chosen) in self.masks(group).items()
            if (chosen & mask).any()
        ]
        if not parts:
            raise ValueError("the group has no bin inside the masks")
        return lambda values: float(sum(summed(*self._arguments(o, values))[1] for o, summed in parts))

    def log_kept(self, values: Mapping[str, Any]) -> float:
        """Log-probability of the data that `set_counts` does not replace, upper limits, at values of the parameters."""
        return sum(o.log_kept(*self._arguments(o, values)[: len(o.parameters)]) for o in self._observed.values())

    def _arguments(self, observed: Any, values: Mapping[str, Any]) -> list[Any]:
        """Values of the free parameters of one dataset, in its order, and of unknowns of its likelihood if given."""
        names = [self._names[p] for p in observed.parameters]
        if missing := [name for name in names if name not in values]:
            raise KeyError(f"dataset {observed.name!r}: give values for {missing} too")
        latent = [f"{observed.name}.{key}" for key in observed.latent_names]
        return [values[name] for name in (names + latent if set(latent) <= values.keys() else names)]

    def masks(self, given: Any) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Return what is looked at now, and what is given, of each dataset for which something is given.

        Parameters
        ----------
        given : Map, numpy.ndarray or mapping of dataset name to one of them
            Booleans in the shape of the dataset. A single one is for a single dataset.

        Returns
        -------
        dict of tuple of numpy.ndarray
            Two booleans of the shape of the data by the name of the dataset.

        Raises
        ------
        KeyError
            If a name is unknown.
        ValueError
            If a shape is wrong, or the data are of a kind without a mask that can be replaced.
        """
        return chosen_bins(given, self._observed)

    @property
    def data_hash(self) -> str:
        """Hash of the data and masks that are looked at now, whatever the models are."""
        digest = hashlib.sha256()
        for name, observed in sorted(self._observed.items()):
            digest.update(name.encode())
            for array in observed.seen():
                digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()
