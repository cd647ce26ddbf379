"""Draws of parameters, one after another, as predictions, drawn data and log-likelihoods; and what is made of them."""

import functools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from bayesmap._types import Tree
from bayesmap._util import get_random_state
from bayesmap.inference.listing import parameter_names
from bayesmap.inference.observations import Observation, facts_of
from bayesmap.modeling.posterior import Posterior

__all__ = ["Draw", "Moments", "Reducer", "Rows", "Stream", "routes_of", "stream"]


class Draw:
    """One draw of the parameters, and what follows from it for a dataset; each is computed when it is first asked for.

    Parameters
    ----------
    observed : Observation
        The dataset under its models.
    arguments : tuple of numpy.ndarray
        Values of the free parameters, and of the unknowns of the likelihood where they were sampled.
    rng : numpy.random.Generator
        Draws the data.

    Notes
    -----
    Arrays have the shape of the data, ``(n_energy, n_lat, n_lon)`` of maps.
    """

    def __init__(self, observed: Observation, arguments: tuple[Any, ...], rng: np.random.Generator) -> None:
        self.observed, self.arguments, self._rng = observed, arguments, rng

    @functools.cached_property
    def mean(self) -> np.ndarray:
        """Expected data, shape of the data. Unknowns of the likelihood have the values that maximise it."""
        return self.observed.mean(*self.arguments[: len(self.observed.parameters)])

    @functools.cached_property
    def expected(self) -> np.ndarray:
        """Expected data with the unknowns of the likelihood as they were drawn, shape of the data."""
        return self.observed.mean(*self.arguments)

    @functools.cached_property
    def replicate(self) -> np.ndarray:
        """Data drawn at these parameters, shape of the data."""
        return self.observed.random(self._rng, *self.arguments)

    @functools.cached_property
    def short(self) -> dict[str, np.ndarray]:
        """Drawn data as they stand in a tree, by name: counts per energy inside the mask, shape ``(n_energy,)``, ...

        They are not those of `replicate`.
        """
        return self.observed.random_in_short(self._rng, *self.arguments)

    @functools.cached_property
    def log_likelihood(self) -> np.ndarray:
        """Log-probability of each datum that is looked at, natural logarithm, shape ``(n,)``."""
        return self.observed.pointwise(*self.arguments)


class Reducer(Protocol):
    """What is made of many draws, with bounded memory. A function of a `Draw` is one too: its results are stacked."""

    def start(self, observed: Observation, num_draws: int) -> None:
        """Begin a pass over so many draws of one dataset."""

    def add(self, draw: Draw) -> None:
        """Take one draw; arrays of it are not to be changed."""

    def result(self) -> Any:
        """Return what has been made."""


class Rows:
    """The results of a function of each draw, stacked.

    Parameters
    ----------
    function : callable
        Of a `Draw`, returns a number or an array of always the same shape.
    """

    def __init__(self, function: Callable[[Draw], Any]) -> None:
        self.function = function

    def start(self, observed: Observation, num_draws: int) -> None:
        """Begin a pass over the draws."""
        self.rows: np.ndarray | None = None
        self.number, self.num_draws = 0, num_draws

    def add(self, draw: Draw) -> None:
        """Take one draw."""
        row = np.asarray(self.function(draw))
        if self.rows is None:
            self.rows = np.empty((self.num_draws, *row.shape), dtype=row.dtype)
        self.rows[self.number] = row
        self.number += 1

    def result(self) -> np.ndarray:
        """All results, shape ``(num_draws, ...)``."""
        assert self.rows is not None
        return self.rows


class Moments:
    """Mean and standard deviation of what a function makes of each draw (Welford's update: nothing cancels).

    Parameters
    ----------
    function : callable
        Of a `Draw`, returns an array.
    """

    def __init__(self, function: Callable[[Draw], np.ndarray]) -> None:
        self.function = function

    def start(self, observed: Observation, num_draws: int) -> None:
        """Begin a pass over the draws."""
        self.number, self.mean, self.squares = 0, np.zeros(()), np.zeros(())

    def add(self, draw: Draw) -> None:
        """Take one draw."""
        array = self.function(draw)
        self.number += 1
        step = array - self.mean
        self.mean = self.mean + step / self.number
        self.squares = self.squares + step * (array - self.mean)

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation, of the shape of the array."""
        return self.mean, np.sqrt(self.squares / max(self.number - 1, 1))


class Stream:
    """Draws of a tree as they are met by one dataset.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of :func:`~bayesmap.inference.sample` or :func:`~bayesmap.inference.sample_prior`.
    dataset : Dataset
        With the models of the draws.
    group : str
        Group of the draws.
    **options
        ``psf_route``, ``psf_tolerance``: see :func:`~bayesmap.inference.to_pymc`.

    Attributes
    ----------
    observed : Observation
        The dataset under its models.

    Raises
    ------
    KeyError
        If the tree lacks a free parameter of the models.
    """

    def __init__(self, tree: Tree, dataset: Any, group: str = "posterior", **options: Any) -> None:
        draws = Posterior(tree, group)
        columns = draws.columns(parameter_names(dataset.models or ()), f"dataset {dataset.name!r}")
        renamed = {"psf_route": "route", "psf_tolerance": "tolerance"}
        self.observed = facts_of(dataset).observe(
            list(columns), data=False, **{renamed.get(key, key): value for key, value in options.items()}
        )
        self._columns = list(columns.values())
        names = [f"{dataset.name}.{key}" for key in self.observed.latent_names]
        if all(name in draws for name in names):
            self._columns += [draws.column(name) for name in names]
        self._number = len(draws)

    def __len__(self) -> int:
        return self._number

    def draws(self, chosen: Sequence[int] | np.ndarray, rng: np.random.Generator) -> Iterator[Draw]:
        """Yield some draws, by their places among all, chains joined."""
        for index in chosen:
            yield Draw(self.observed, tuple(column[index] for column in self._columns), rng)

    def reduce(
        self,
        reducers: Mapping[str, Reducer | Callable[[Draw], Any]],
        chosen: Sequence[int] | np.ndarray | None = None,
        rng: np.random.Generator | None = None,
    ) -> dict[str, Any]:
        """Pass once over draws, and give each to all reducers.

        Parameters
        ----------
        reducers : mapping of str to reducer or callable
            See `Reducer`.
        chosen : sequence of int, optional
            Places of the draws; all in their order by default.
        rng : numpy.random.Generator, optional
            Draws the data.

        Returns
        -------
        dict
            What each reducer made, by its name.
        """
        chosen = np.arange(len(self)) if chosen is None else chosen
        taken: dict[str, Any] = {k: r if hasattr(r, "add") else Rows(r) for k, r in reducers.items()}
        for reducer in taken.values():
            reducer.start(self.observed, len(chosen))
        for draw in self.draws(chosen, np.random.default_rng() if rng is None else rng):
            for reducer in taken.values():
                reducer.add(draw)
        return {key: reducer.result() for key, reducer in taken.items()}


def stream(
    tree: Tree,
    dataset: Any,
    reducers: Mapping[str, Reducer | Callable[[Draw], Any]],
    *,
    group: str = "posterior",
    random_state: Any = 0,
    **options: Any,
) -> dict[str, Any]:
    """Pass once over all draws of a tree, and give what a dataset would look like at each to several reducers.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of :func:`~bayesmap.inference.sample` or :func:`~bayesmap.inference.sample_prior`.
    dataset : Dataset
        With the models of the draws.
    reducers : mapping of str to Reducer or callable
        Objects with the methods of `Reducer`, or functions of a `Draw` whose results are stacked, for example
        ``lambda draw: draw.replicate.sum()``.
    group : str
        Group of the draws: "posterior" or "prior".
    random_state : int, numpy.random.Generator or str
        Draws the data.
    **options
        ``psf_route``, ``psf_tolerance``: see :func:`~bayesmap.inference.to_pymc`. Those of the sampling by default.

    Returns
    -------
    dict
        What each reducer made, by its name; of a function an array ``(num_draws, ...)``, chains joined.

    Raises
    ------
    KeyError
        If the tree lacks a free parameter of the models.

    Notes
    -----
    In memory is one draw at a time, and what the reducers keep. A prediction is computed once for each draw, however
    many reducers look at it.
    """
    options = {**routes_of(tree, dataset.name), **options}
    return Stream(tree, dataset, group, **options).reduce(reducers, rng=get_random_state(random_state))


def routes_of(tree: Tree, name: str) -> dict[str, Any]:
    """The PSF routes that were taken in sampling, as an option, so that predictions are of the same model."""
    routes = json.loads(tree.attrs.get("psf_routes", "{}")).get(name, {})
    return {"psf_route": {model: route for model, (route, _) in routes.items()}} if routes else {}
