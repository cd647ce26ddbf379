"""The zoo: model files that come with the package."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bayesmap._util import make_path, suggest
from bayesmap.modeling.background import FoVBackgroundModel
from bayesmap.modeling.collection import Models
from bayesmap.modeling.sky import Component
from bayesmap.modeling.yaml_source import YamlSource

__all__ = ["ZooEntry", "from_zoo", "zoo_entry", "zoo_names"]


@dataclass(frozen=True)
class ZooEntry:
    """What a file of the zoo says about itself, in its section ``metadata``.

    Attributes
    ----------
    name : str
        Name in the zoo.
    path : pathlib.Path
        The file.
    title, description, reference, adapt : str
        What is modelled; how, and what is approximate; where the numbers come from; what to change for other data.
    needs : tuple of str
        Data files that the model reads and that do not come with the package.
    """

    name: str
    path: Path
    title: str
    description: str
    reference: str
    adapt: str
    needs: tuple[str, ...] = ()

    @property
    def missing(self) -> list[str]:
        """Those of ``needs`` that are not there."""
        return [name for name in self.needs if not make_path(name).exists()]


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


def zoo_entry(name: str) -> ZooEntry:
    """Return what a file of the zoo says about itself, without building its models.

    Parameters
    ----------
    name : str
        One of `zoo_names`.

    Raises
    ------
    KeyError
        For an unknown name.
    """
    names = zoo_names()
    if name not in names:
        raise KeyError(f"no model {name!r} in the zoo{suggest(name, names)}")
    path = _folder() / f"{name}.yaml"
    metadata = YamlSource(path.read_text(encoding="utf-8"), str(path)).load()["metadata"]
    texts = {key: str(metadata[key]) for key in ("title", "description", "reference", "adapt")}
    return ZooEntry(name, path, needs=tuple(metadata.get("needs", ())), **texts)


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
