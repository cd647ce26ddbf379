"""The data of an analysis under its models: what is looked at, replaced and drawn."""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

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
        """Replace the counts without compiling again; the datasets themselves are not changed.

        Parameters
        ----------
        counts : Map, numpy.ndarray or mapping of dataset name to one of them
            Cubes of the shape of the dataset. A single cube is for a single dataset. For an ON/OFF dataset a pair of
            cubes, ``(counts, counts_off)``, replaces both.

        Raises
        ------
        KeyError
            If a name is unknown.
        ValueError
            If a shape is wrong or counts are not whole, non-negative numbers.
        """
        # All are checked before the first is replaced.
        cubes = {name: as_cubes(given) for name, given in by_dataset(counts, self._observed, "counts").items()}
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
        """Draw counts of all datasets at values of the parameters; :meth:`set_counts` takes what is returned.

        Parameters
        ----------
        values : mapping of str to float or numpy.ndarray
            Value of each free parameter by the name of its variable, in the declared unit; others are left out.
        random_state : int, numpy.random.Generator or str
            Source of randomness.

        Returns
        -------
        dict of numpy.ndarray
            A cube of float64 per dataset, of its shape. Where the background is measured in OFF regions it is drawn
            given the OFF counts at hand, which stay.

        Raises
        ------
        KeyError
            If a free parameter is left out.
        ValueError
            If a prediction is negative or not finite.
        """
        rng = get_random_state(random_state)
        return {name: o.random(rng, *self._arguments(o, values)) for name, o in self._observed.items()}

    def log_likelihood(self, values: Mapping[str, Any]) -> float:
        """Log-likelihood of all data at hand, natural logarithm, at values of the parameters; see `draw_counts`."""
        return float(sum(o.pointwise(*self._arguments(o, values)).sum() for o in self._observed.values()))

    def _arguments(self, observed: Any, values: Mapping[str, Any]) -> list[Any]:
        """Values of the free parameters of one dataset, in its order."""
        names = [self._names[p] for p in observed.parameters]
        if missing := [name for name in names if name not in values]:
            raise KeyError(f"dataset {observed.name!r}: give values for {missing} too")
        return [values[name] for name in names]

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
