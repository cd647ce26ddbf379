"""The zoo: model files that come with the package."""

from collections.abc import Iterable

from bayesmap._zoo_entries import ZooEntry, zoo_entry, zoo_names
from bayesmap.modeling.background import FoVBackgroundModel
from bayesmap.modeling.collection import Models
from bayesmap.modeling.sky import Component

__all__ = ["ZooEntry", "from_zoo", "zoo_entry", "zoo_names"]


def from_zoo(name: str, dataset_name: str | Iterable[str] | None = None) -> Models:
    """Read models from the zoo; also `Models.from_zoo`.

    Parameters
    ----------
    name : str
        One of `zoo_names`.
    dataset_name : str, list of str or None
        The dataset that a background model applies to. Of several, each gets a model of its own; hyperparameters are
        shared.

    Returns
    -------
    Models
        With priors; the file names the source of the numbers, see `zoo_entry`.

    Raises
    ------
    KeyError
        For an unknown name.
    ValueError
        If a background model is asked for without the name of its dataset.
    FileNotFoundError
        If a data file that the model needs is not there.
    """
    entry = zoo_entry(name)
    if missing := entry.missing:
        raise FileNotFoundError(
            f"{name!r} needs the data file(s) {', '.join(missing)}, not found; let GAMMAPY_DATA be the folder of "
            f"Gammapy's data, or copy {entry.path} and change the filename"
        )
    names = [dataset_name] if isinstance(dataset_name, str) else list(dataset_name or [])
    return Models(copy for model in Models.read(entry.path) for copy in _assign(model, name, names))


def _assign(model: Component, name: str, dataset_names: list[str]) -> list[Component]:
    """Give a background model its datasets, a copy for each."""
    if not isinstance(model, FoVBackgroundModel):
        return [model]
    if not dataset_names:
        raise ValueError(f"{name!r} is a background model: pass the dataset_name that it applies to")
    return [model.copy(dataset_name=dataset_name) for dataset_name in dataset_names]
