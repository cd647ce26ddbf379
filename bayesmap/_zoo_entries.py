"""What the model files that come with the package (the zoo) say about themselves; read without making models."""

from dataclasses import dataclass
from pathlib import Path

from bayesmap._util import make_path, suggest
from bayesmap._yaml.source import YamlSource

__all__ = ["ZooEntry", "zoo_entry", "zoo_folder", "zoo_names"]


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


def zoo_folder() -> Path:
    """The folder of the zoo: inside an installed package, or ``models`` beside it in a checkout."""
    package = Path(__file__).resolve().parent
    for folder in (package / "_zoo", package.parent / "models"):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"the model files of the package were found neither in {package / '_zoo'} nor beside it")


def zoo_names() -> list[str]:
    """Return the names of the models in the zoo."""
    return sorted(path.stem for path in zoo_folder().glob("*.yaml"))


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
    path = zoo_folder() / f"{name}.yaml"
    metadata = YamlSource(path.read_text(encoding="utf-8"), str(path)).load()["metadata"]
    texts = {key: str(metadata[key]) for key in ("title", "description", "reference", "adapt")}
    return ZooEntry(name, path, needs=tuple(metadata.get("needs", ())), **texts)
