"""What all datasets share, and the collection of several."""

import abc
import warnings
from collections.abc import Iterator, MutableSequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from bayesmap._html import html_table
from bayesmap._types import FileName
from bayesmap._util import KnownAttributes, make_name, suggest
from bayesmap.datasets.checks import warn_unknown_datasets
from bayesmap.datasets.collection import DatasetsOperations
from bayesmap.datasets.components import Component
from bayesmap.datasets.inferable import Inferable
from bayesmap.datasets.registry import DATASET_REGISTRY
from bayesmap.datasets.serialize import default_filename, read_datasets, write_datasets
from bayesmap.modeling import Models, Parameters
from bayesmap.modeling.collection import ModelsLike

__all__ = ["Dataset", "Datasets"]


class Dataset(KnownAttributes, Inferable):
    """A named piece of data with models and a fit statistic.

    Parameters
    ----------
    name : str, optional
        Name; a random one by default.

    Notes
    -----
    Subclasses declare their data as `~bayesmap.datasets.components.Component` attributes and name their
    ``likelihood``.
    """

    #: name of the class in files
    tag: str = "Dataset"
    #: name of the fit statistic
    stat_type: str = ""
    components: ClassVar[dict[str, Component]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "tag" in vars(cls):
            DATASET_REGISTRY.register(cls)

    def __init__(self, name: str | None = None):
        self._name = make_name(name)
        self._models: Models | None = None

    @property
    def name(self) -> str:
        """Name of the dataset."""
        return self._name

    @property
    def models(self) -> Models | None:
        """Models that apply to this dataset, or None.

        On assignment takes a model, a list or a `~bayesmap.modeling.Models` and keeps those whose
        ``datasets_names`` is None or contains the name of this dataset; if none of them does, that gives a warning.
        """
        return self._models

    @models.setter
    def models(self, models: ModelsLike | None) -> None:
        given = None if models is None else Models(models)
        self._models = None if given is None else given.select(datasets_names=self.name)
        if given and not self._models:
            warn_unknown_datasets(given, [self.name])

    if TYPE_CHECKING:

        def copy(self, name: str | None = None) -> Self:
            """A deep copy."""

        def write(self, filename: FileName, overwrite: bool = False, *, checksum: bool = False) -> None:
            """Write the data to a file."""

    def loaded(self, name: str) -> Any:
        """The component of that name if it is in memory, else None; loads nothing."""
        component = self.components.get(name)
        return None if component is None else component.peek(self)

    @property
    @abc.abstractmethod
    def mask(self) -> Any:
        """Bins that enter the fit statistic, or None for all."""

    @abc.abstractmethod
    def stat_array(self) -> np.ndarray:
        """Fit statistic per bin at the current parameter values, of the shape of the data."""

    @abc.abstractmethod
    def info_dict(self, in_safe_data_range: bool = True) -> dict[str, Any]:
        """Summary numbers."""

    def stat_sum(self) -> float:
        """Fit statistic, summed over the bins in `mask`, at the current parameter values.

        Returns
        -------
        float
            -2 log L up to a constant; priors are not part of it.

        Warns
        -----
        UserWarning
            If the mask excludes all bins.
        """
        if self.mask is not None and not np.any(self.mask.data):
            warnings.warn(
                f"dataset {self.name!r}: the mask excludes all bins, the fit statistic is 0 whatever the parameters",
                UserWarning,
                stacklevel=2,
            )
        return self._stat_sum()

    def _stat_sum(self) -> float:
        """Sum of the fit statistic over the mask, without warnings."""
        stat = self.stat_array()
        if self.mask is not None:
            stat = stat[self.mask.data]
        return float(np.sum(stat, dtype="float64"))

    def to_dict(self, filename: FileName | None = None) -> dict[str, str]:
        """Name, type and data file, as an entry of a file that lists datasets.

        Parameters
        ----------
        filename : str or path, optional
            Data file; by default one named after the dataset.
        """
        filename = default_filename(self.name) if filename is None else filename
        return {"name": self.name, "type": self.tag, "filename": str(filename)}

    @classmethod
    def from_dict(cls, data: Any, lazy: bool = False, cache: bool = True) -> Self:
        """Read the dataset of an entry made by `to_dict`.

        Parameters
        ----------
        data : Mapping
            With the keys ``name`` and ``filename``.
        lazy, cache : bool
            As for `MapDataset.read`.
        """
        return cls.read(data["filename"], name=data["name"], lazy=lazy, cache=cache)  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"


class Datasets(KnownAttributes, Inferable, DatasetsOperations, MutableSequence):
    """Several datasets that are fitted together.

    Parameters
    ----------
    datasets : Dataset, list of Dataset or Datasets, optional
        The datasets; their names must be unique.

    Examples
    --------
    >>> from bayesmap.datasets import Datasets
    >>> Datasets().names
    []
    """

    def __init__(self, datasets: Any = None):
        self._datasets: list[Dataset] = []
        if isinstance(datasets, Dataset):
            datasets = [datasets]
        self.extend(datasets or [])

    @property
    def names(self) -> list[str]:
        """Names of the datasets."""
        return [dataset.name for dataset in self._datasets]

    def index(self, key: Any, *args: int) -> int:
        """Position of a dataset given by name, index or itself.

        Raises
        ------
        KeyError
            If no dataset has this name.
        ValueError
            If the dataset is not in the collection.
        """
        if isinstance(key, int | np.integer):
            return range(len(self))[key]
        if isinstance(key, str):
            if key not in self.names:
                raise KeyError(f"no dataset {key!r}{suggest(key, self.names)}")
            return self.names.index(key)
        for position, dataset in enumerate(self._datasets):
            if dataset is key:
                return position
        raise ValueError(f"{key!r} is not in these datasets; names: {self.names}")

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            return type(self)(self._datasets[key])
        return self._datasets[self.index(key)]

    def __setitem__(self, key: Any, dataset: Dataset) -> None:  # type: ignore[override]
        position = self.index(key)
        self._check(dataset, [name for i, name in enumerate(self.names) if i != position])
        self._datasets[position] = dataset

    def __delitem__(self, key: Any) -> None:
        if isinstance(key, slice):
            del self._datasets[key]
        else:
            del self._datasets[self.index(key)]

    def __len__(self) -> int:
        return len(self._datasets)

    def __iter__(self) -> Iterator[Dataset]:  # type: ignore[override]
        return iter(self._datasets)

    def __contains__(self, key: object) -> bool:
        return key in self.names if isinstance(key, str) else any(key is dataset for dataset in self._datasets)

    def insert(self, index: int, value: Dataset) -> None:
        """Insert a dataset before the given position.

        Raises
        ------
        TypeError
            If it is not a dataset.
        ValueError
            If its name is taken.
        """
        self._check(value, self.names)
        self._datasets.insert(index, value)

    def remove(self, value: Any) -> None:
        """Remove a dataset given by name or itself."""
        del self[value]

    @staticmethod
    def _check(dataset: Dataset, names: list[str]) -> None:
        if not isinstance(dataset, Dataset):
            raise TypeError(f"expected a dataset, got {type(dataset).__name__}")
        if dataset.name in names:
            raise ValueError(f"there is already a dataset named {dataset.name!r}; dataset names must be unique")

    @property
    def models(self) -> Models:
        """Models of all datasets, each once, in order of appearance; assignment gives each dataset its own.

        A model that names a dataset which is not here gives a warning.
        """
        unique: dict[int, Any] = {}
        for dataset in self:
            for model in dataset.models or ():
                unique.setdefault(id(model), model)
        return Models(list(unique.values()))

    @models.setter
    def models(self, models: ModelsLike | None) -> None:
        given = None if models is None else Models(models)
        warn_unknown_datasets(given or (), self.names)
        for dataset in self:
            dataset.models = None if given is None else given.select(datasets_names=dataset.name)

    @property
    def parameters(self) -> Parameters:
        """Parameters of all models, each once (a linked parameter counts once)."""
        return self.models.parameters.unique_parameters

    @classmethod
    def read(
        cls,
        filename: FileName,
        filename_models: FileName | None = None,
        lazy: bool = True,
        cache: bool = True,
        checksum: bool = True,
    ) -> Self:
        """Read the datasets that a YAML file lists, and their models.

        Parameters
        ----------
        filename : str or path
            The YAML file; data files are looked for beside it, then as they are named.
        filename_models : str or path, optional
            YAML file of models.
        lazy : bool
            Whether maps are loaded on first use only.
        cache : bool
            Whether maps loaded lazily are kept.
        checksum : bool
            Whether to verify the checksums of the list and, in it, of the data files, as far as it has them.

        Raises
        ------
        bayesmap.errors.FormatError
            If the file is no list of datasets, or names unknown types, a name twice, missing files or files that are
            not those that were written with it.
        bayesmap.errors.ModelFileError
            If the file of models is wrong.
        """
        datasets = cls(read_datasets(filename, lazy=lazy, cache=cache, checksum=checksum))
        if filename_models is not None:
            datasets.models = Models.read(filename_models)
        return datasets

    def write(
        self,
        filename: FileName,
        filename_models: FileName | None = None,
        overwrite: bool = False,
        write_covariance: bool = True,
        checksum: bool = False,
    ) -> None:
        """Write a YAML file that lists the datasets, a data file for each beside it, and the models.

        Parameters
        ----------
        filename : str or path
            The YAML file.
        filename_models : str or path, optional
            YAML file for the models, with the errors of their parameters.
        overwrite : bool
            Whether existing files are replaced.
        write_covariance : bool
            Accepted for the same call as in Gammapy. Models have no covariance here: what was learnt about them is
            the posterior, which has its own file.
        checksum : bool
            Whether to store checksums.

        Raises
        ------
        OSError
            If a file exists and ``overwrite`` is False, or cannot be written; what was there before is left as it was.
        """
        write_datasets(self, filename, filename_models=filename_models, overwrite=overwrite, checksum=checksum)

    def stat_sum(self) -> float:
        """Sum of the fit statistics of the datasets, without priors."""
        return sum(dataset.stat_sum() for dataset in self)

    def copy(self) -> Self:
        """A deep copy under the same names; a model that several datasets share stays shared."""
        copies = type(self)(dataset.copy(name=dataset.name) for dataset in self)
        models = self.models
        if len(models):
            copies.models = models.copy()
        return copies

    def __str__(self) -> str:
        text = "Datasets\n--------\n"
        for index, dataset in enumerate(self):
            names = list(dataset.models.names) if dataset.models is not None else ""
            text += f"\nDataset {index}: \n\n"
            text += f"  Type       : {type(dataset).__name__}\n"
            text += f"  Name       : {dataset.name}\n"
            text += f"  Instrument : {telescope(dataset)}\n"
            text += f"  Models     : {names}\n"
        return text + "\n"

    def __repr__(self) -> str:
        return f"<Datasets {self.names}>"

    def _repr_html_(self) -> str:
        rows = [
            (type(d).__name__, d.name, telescope(d), ", ".join(d.models.names) if d.models is not None else "")
            for d in self
        ]
        return html_table(("type", "name", "instrument", "models"), rows, "Datasets")


def telescope(dataset: Dataset) -> str:
    """Name of the telescope as the table of observations has it, empty if unknown."""
    table = getattr(dataset, "meta_table", None)
    if table is None or "TELESCOP" not in table.colnames or len(table) == 0:
        return ""
    return "; ".join(dict.fromkeys(str(value) for value in np.ravel(table["TELESCOP"][0])))
