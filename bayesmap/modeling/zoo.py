"""The zoo: model files that come with the package."""

from pathlib import Path

from bayesmap._util import suggest
from bayesmap.modeling.background import FoVBackgroundModel
from bayesmap.modeling.collection import Models
from bayesmap.modeling.sky import Component

__all__ = ["from_zoo", "zoo_names"]


def _folder() -> Path:
    """The folder of the zoo: inside an installed package, or ``models`` beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "_zoo", package.parent / "models"):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"the model files of the package were found neither in {package / '_zoo'} nor beside it")


def zoo_names() -> list[str]:
    """Return the names of the models in the zoo."""
    return sorted(path.stem for path in _folder().glob("*.yaml"))


def from_zoo(name: str, dataset_name: str | None = None) -> Models:
    """Read models from the zoo; also `Models.from_zoo`.

    Parameters
    ----------
    name : str
        One of `zoo_names`.
    dataset_name : str or None
        The dataset that a background model applies to.

    Returns
    -------
    Models
        With priors; the file names the source of the numbers.

    Raises
    ------
    KeyError
        For an unknown name.
    ValueError
        If a background model is asked for without the name of its dataset.
    """
    names = zoo_names()
    if name not in names:
        raise KeyError(f"no model {name!r} in the zoo{suggest(name, names)}")
    models = Models.read(_folder() / f"{name}.yaml")
    return Models(_assign(model, name, dataset_name) for model in models)


def _assign(model: Component, name: str, dataset_name: str | None) -> Component:
    """Give a background model its dataset."""
    if not isinstance(model, FoVBackgroundModel):
        return model
    if dataset_name is None:
        raise ValueError(f"{name!r} is a background model: pass the dataset_name that it applies to")
    return model.copy(dataset_name=dataset_name)
