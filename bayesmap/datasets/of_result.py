"""Data and models of a result together again."""

import json
import warnings
from collections.abc import Mapping

from bayesmap._types import FileName, Tree
from bayesmap._util import make_path
from bayesmap.datasets.base import Dataset, Datasets
from bayesmap.datasets.digest import TEXTS, changed_parts, dataset_digests
from bayesmap.datasets.opening import LISTS, open_datasets
from bayesmap.errors import FormatError
from bayesmap.modeling import Models

__all__ = ["Digests", "check_same_data", "check_same_digests", "datasets_of_result", "difference"]

#: by dataset and part
type Digests = Mapping[str, Mapping[str, str]]


def datasets_of_result(tree: Tree, datasets: "FileName | Dataset | Datasets") -> Datasets:
    """Return the datasets of a result, with its models at the posterior means.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of `bayesmap.sample`.
    datasets : path, Dataset, Datasets or list of Dataset
        The data that were sampled, or their file; a single dataset in a file gets the name that it has in the result.

    Returns
    -------
    Datasets
        Those given, or read; the models of objects are replaced.

    Raises
    ------
    ValueError
        If the datasets are others than those that were sampled; the message names the parts that differ.
    bayesmap.errors.FormatError
        If the result does not describe its models; see `Models.from_posterior`.

    Warns
    -----
    UserWarning
        If the result does not say what data it was made of, as those of earlier versions do not.
    """
    models = Models.from_posterior(tree)
    names = [name for name in str(tree.attrs.get("datasets", "")).split(", ") if name]
    if isinstance(datasets, Dataset | Datasets | list):
        listed = Datasets(datasets)
    else:
        single = make_path(datasets).suffix not in LISTS and len(names) == 1
        listed = open_datasets(datasets, name=names[0] if single else None)
    check_same_data(tree, listed)
    listed.models = models
    return listed


def check_same_data(tree: Tree, datasets: Datasets) -> None:
    """Raise a ValueError unless datasets are those that a result was made of; see `datasets_of_result`."""
    check_same_digests(tree, {dataset.name: dataset_digests(dataset) for dataset in datasets})


def check_same_digests(tree: Tree, present: Digests) -> None:
    """Raise a ValueError unless a result was made of data with these digests, by dataset and part."""
    stored = _stored(tree)
    names = list(stored) or [name for name in str(tree.attrs.get("datasets", "")).split(", ") if name]
    if names and sorted(names) != sorted(present):
        raise ValueError(f"the result is of the datasets {names}, given are {list(present)}")
    if not stored:
        warnings.warn(
            "the result does not say what data it was made of: whether these are the same is not known",
            UserWarning,
            stacklevel=3,
        )
        return
    differing = [text for name, digests in present.items() if (text := difference(name, stored[name], digests))]
    if differing:
        raise ValueError(
            f"these are not the data of the result: {'; '.join(differing)}. Give the data that were sampled, or sample "
            "again"
        )


def difference(name: str, stored: Mapping[str, str], present: Mapping[str, str]) -> str:
    """What differs of a dataset of which digests were stored, in words; empty if nothing does."""
    shown = [
        f"{part} ({stored.get(part)} then, {present.get(part)} now)" if part in TEXTS else part
        for part in changed_parts(stored, present)
    ]
    return f"dataset {name!r} differs in {', '.join(shown)}" if shown else ""


def _stored(tree: Tree) -> Digests:
    """Digests in a result; empty if there are none."""
    text = tree.attrs.get("data_digests", "{}")
    try:
        stored = json.loads(text)
        return {str(name): {str(part): str(digest) for part, digest in parts.items()} for name, parts in stored.items()}
    except (ValueError, TypeError, AttributeError):
        raise FormatError(f"the attribute 'data_digests' of the result is damaged: {str(text)[:80]!r}") from None
