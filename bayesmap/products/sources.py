"""The sources of a result: models whose draws are in a tree."""

from collections.abc import Sequence

from bayesmap._types import Tree
from bayesmap._util import suggest
from bayesmap.modeling import Models, SkyModel
from bayesmap.modeling.posterior import Posterior

__all__ = ["Sources", "sources_of"]

#: the name of a source in a tree that holds its models, a model, or several of either
type Sources = str | SkyModel | Sequence[str | SkyModel]

#: a model file that could not be made when the tree was sampled begins so
NOT_STORED = "# not stored"


def sources_of(tree: Tree, sources: Sources) -> list[SkyModel]:
    """Return sources whose draws are in a tree.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of `bayesmap.sample`.
    sources : str, SkyModel, or sequence of them
        Names are looked up in the models that the tree holds; of models that are given some free parameter must be in
        the posterior.

    Raises
    ------
    KeyError
        If a source is not in the tree; the message names those that are.
    TypeError
        If something else than names and sky models is given.
    ValueError
        If there is none, two have one name, or the tree does not hold its models.
    """
    listed = [sources] if isinstance(sources, str | SkyModel) else list(sources)
    if not listed:
        raise ValueError("no sources given")
    stored = _stored(tree) if any(isinstance(source, str) for source in listed) else {}
    found = []
    for source in listed:
        if isinstance(source, str):
            if source not in stored:
                raise KeyError(f"the tree has no source {source!r}{suggest(source, stored)}")
            found.append(stored[source])
        elif isinstance(source, SkyModel):
            _check_sampled(tree, source)
            found.append(source)
        else:
            raise TypeError(f"a source is a SkyModel or its name, got {source!r}")
    names = [model.name for model in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"each source enters once, {twice} occur more than once")
    return found


def _stored(tree: Tree) -> dict[str, SkyModel]:
    """Sources that a tree holds, by name."""
    text = str(tree.attrs.get("models", NOT_STORED))
    if text.startswith(NOT_STORED):
        raise ValueError(
            f"the tree does not hold its models ({text.removeprefix(NOT_STORED).lstrip(': ') or 'it has none'}): give "
            "the SkyModel in place of its name"
        )
    return {model.name: model for model in Models.from_yaml(text) if isinstance(model, SkyModel)}


def _check_sampled(tree: Tree, model: SkyModel) -> None:
    """Raise a KeyError if no free parameter of a model is in a tree."""
    posterior = Posterior(tree)
    free = {p: name for p, name in Models([model]).parameter_names.items() if not p.frozen}
    if free and not any(name in posterior for name in free.values()):
        names = [name for variable in posterior.names for name in (variable, *posterior.aliases(variable))]
        owners = {name.rpartition(".")[0] for name in names if "." in name}
        raise KeyError(f"the tree has no source {model.name!r}{suggest(model.name, owners)}")
