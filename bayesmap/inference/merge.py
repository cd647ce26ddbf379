"""Draws of several runs of one analysis as one result."""

import json
import warnings
from collections.abc import Sequence

import numpy as np
import xarray as xr

from bayesmap._types import Tree

__all__ = ["merge_draws"]

#: what has to be the same in all runs
SAME = {"models": "models or priors", "datasets": "datasets", "data_digests": "data"}
#: what is said of each run
OF_A_RUN = ("created_at", "sampler", "random_state", "seed", "sampling_seconds", "interrupted", "modes")


def merge_draws(trees: Sequence[Tree]) -> xr.DataTree:
    """Join the chains of several runs of one analysis.

    Parameters
    ----------
    trees : sequence of xarray.DataTree
        Results of `bayesmap.sample` of the same models and data, with the same number of draws per chain.

    Returns
    -------
    xarray.DataTree
        The chains of all, numbered from zero: R-hat and effective sample sizes are of all draws. The attribute ``runs``
        says of each run, as JSON, how and when it was made.

    Raises
    ------
    ValueError
        If models, priors, data, variables or the numbers of draws differ; if two runs have the same seed; or if draws
        lie in several modes, whose weights were estimated run by run.

    Warns
    -----
    UserWarning
        If a group is not in all of them, and is left out.
    """
    if not trees:
        raise ValueError("there are no results to merge")
    first = trees[0]
    for tree in trees:
        _check(first, tree)
    runs = [run for tree in trees for run in _runs(tree)]
    seeds = [int(str(run["seed"])) for run in runs if run.get("seed") is not None]
    if twice := sorted({seed for seed in seeds if seeds.count(seed) > 1}):
        raise ValueError(f"two of the runs have the same seed, {twice[0]}, so that their draws are the same ones")
    shared = [name for name in first.children if all(name in tree.children for tree in trees)]
    left_out = sorted({name for tree in trees for name in tree.children} - set(shared))
    if left_out:
        warnings.warn(f"not all results have the groups {left_out}: they are left out", UserWarning, stacklevel=2)
    merged = xr.DataTree.from_dict({name: _joined([tree[name].to_dataset() for tree in trees]) for name in shared})
    merged.attrs.update(trees[-1].attrs | {"runs": json.dumps(runs)})
    merged.attrs["interrupted"] = max(int(tree.attrs.get("interrupted", 0)) for tree in trees)
    if all("sampling_seconds" in tree.attrs for tree in trees):
        merged.attrs["sampling_seconds"] = float(sum(tree.attrs["sampling_seconds"] for tree in trees))
    return merged


def _check(first: Tree, other: Tree) -> None:
    """Raise a ValueError unless two results are of one analysis."""
    for key, what in SAME.items():
        if first.attrs.get(key) != other.attrs.get(key):
            raise ValueError(f"the results are of different {what}: their draws cannot be merged")
    for tree in (first, other):
        if "posterior" not in tree.children:
            raise ValueError(f"a result has no group 'posterior', its groups are {sorted(tree.children)}")
        if "sample_stats" in tree.children and "mode" in tree["sample_stats"].data_vars:
            raise ValueError(
                "draws lie in several modes, whose weights were estimated for each run: sample once with more draws"
            )
    one, two = first["posterior"], other["posterior"]
    if differing := sorted({*map(str, one.data_vars)} ^ {*map(str, two.data_vars)}):
        raise ValueError(f"the results have different variables: {differing} are not in both")
    if one.sizes["draw"] != two.sizes["draw"]:
        raise ValueError(
            f"the results have {one.sizes['draw']} and {two.sizes['draw']} draws per chain; they have to be as many"
        )


def _runs(tree: Tree) -> list[dict[str, object]]:
    """What is known of the runs of a result, which may be merged itself."""
    if "runs" in tree.attrs:
        return list(json.loads(tree.attrs["runs"]))
    known = {key: np.asarray(tree.attrs[key]).item() for key in OF_A_RUN if key in tree.attrs}
    return [{**known, "chains": int(tree["posterior"].sizes["chain"])}]


def _joined(groups: list[xr.Dataset]) -> xr.Dataset:
    """A group with the chains of all; one without chains is that of the first."""
    if "chain" not in groups[0].dims:
        return groups[0]
    joined = xr.concat(groups, dim="chain", data_vars="minimal", coords="minimal", compat="override", join="override")
    return joined.assign_coords(chain=np.arange(joined.sizes["chain"]))
