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

__all__ = ["check_same_data", "datasets_of_result"]


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
    stored = _stored(tree)
    names = list(stored) or [name for name in str(tree.attrs.get("datasets", "")).split(", ") if name]
    if names and sorted(names) != sorted(datasets.names):
        raise ValueError(f"the result is of the datasets {names}, given are {datasets.names}")
    if not stored:
        warnings.warn(
            "the result does not say what data it was made of: whether these are the same is not known",
            UserWarning,
            stacklevel=2,
        )
        return
    differing = [text for dataset in datasets if (text := _difference(dataset, stored[dataset.name]))]
    if differing:
        raise ValueError(
            f"these are not the data of the result: {'; '.join(differing)}. Give the data that were sampled, or sample "
            "again"
        )


def _stored(tree: Tree) -> Mapping[str, Mapping[str, str]]:
    """Digests in a result, by dataset and part; empty if there are none."""
    text = tree.attrs.get("data_digests", "{}")
    try:
        stored = json.loads(text)
        return {str(name): {str(part): str(digest) for part, digest in parts.items()} for name, parts in stored.items()}
    except (ValueError, TypeError, AttributeError):
        raise FormatError(f"the attribute 'data_digests' of the result is damaged: {str(text)[:80]!r}") from None


def _difference(dataset: Dataset, stored: Mapping[str, str]) -> str:
    """What differs of a dataset, in words; empty if nothing does."""
    parts = changed_parts(stored, dataset)
    if not parts:
        return ""
    present = dataset_digests(dataset)
    shown = [
        f"{part} ({stored.get(part)} then, {present.get(part)} now)" if part in TEXTS else part for part in parts
    ]
    return f"dataset {dataset.name!r} differs in {', '.join(shown)}"
