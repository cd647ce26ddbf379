"""The collection of models."""

import copy
import os
from collections.abc import Iterable, Iterator, Mapping, MutableSequence
from typing import TYPE_CHECKING, Any, Self, overload

import numpy as np

from bayesmap._types import Tree
from bayesmap._util import KnownAttributes, make_path, suggest
from bayesmap.modeling.collection_tools import CollectionTools
from bayesmap.modeling.parameter import Parameter, Parameters
from bayesmap.modeling.priors.collection import PriorsOfModels
from bayesmap.modeling.sky import Component

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["Models", "ModelsLike", "all_parameter_names", "parameter_names"]


def parameter_names(models: Iterable[Component]) -> dict[Parameter, str]:
    """Return the name of the random variable of each parameter.

    Parameters
    ----------
    models : Models or iterable of models
        The models.

    Returns
    -------
    dict of Parameter to str
        ``"<model>.<parameter>"``; where two parts of a model share a parameter name,
        ``"<model>.<spectral|spatial|temporal>.<parameter>"``. A linked parameter is named after its first owner.
    """
    return {parameter: names[0] for parameter, names in all_parameter_names(models).items()}


def all_parameter_names(models: Iterable[Component]) -> dict[Parameter, list[str]]:
    """Return all names of each parameter, one for each of its owners; the first is that of `parameter_names`."""
    names: dict[Parameter, list[str]] = {}
    for model in models:
        local = [name for part in model.parts.values() for name in dict.fromkeys(part.parameter_names)]
        for part_name, part in model.parts.items():
            for name in part.parameter_names:
                middle = f"{part_name}." if local.count(name) > 1 else ""
                names.setdefault(getattr(part, name), []).append(f"{model.name}.{middle}{name}")
    return names


#: a model or several
type ModelsLike = Component | Iterable[Component]


class Models(KnownAttributes, CollectionTools, PriorsOfModels, MutableSequence[Component]):
    """An ordered collection of models with unique names.

    Parameters
    ----------
    models : model, iterable of models or None
        `SkyModel`, `FoVBackgroundModel`, `TemplateNPredModel`, `IRFModel`.
    covariance_data : array_like, optional
        Covariance of the parameters, shape ``(n_parameter, n_parameter)``; see `covariance`.

    Raises
    ------
    ValueError
        If a name occurs twice.
    TypeError
        If a member is not a model.
    """

    def __init__(self, models: "ModelsLike | None" = None, covariance_data: np.ndarray | None = None) -> None:
        self._models: list[Component] = []
        members = [] if models is None else [models] if isinstance(models, Component) else list(models)
        self.extend(members)
        if covariance_data is not None:
            self.covariance = covariance_data

    # -- sequence ---------------------------------------------------------------------------------------------------
    def _check(self, model: object, replaced: Component | None = None) -> None:
        if not isinstance(model, Component):
            raise TypeError(f"Models takes SkyModel, background and IRF models, got {model!r}")
        if any(m.name == model.name for m in self._models if m is not replaced):
            raise ValueError(f"there is already a model called {model.name!r}; names must be unique")

    def index(self, value: Any, start: int = 0, stop: int | None = None) -> int:
        """Return the position of a model, given itself or its name.

        Raises
        ------
        ValueError
            If the model is not in the collection.
        KeyError
            If no model has this name.
        """
        for idx, model in enumerate(self._models[start:stop], start):
            if model is value or model.name == value:
                return idx
        if isinstance(value, str):
            raise KeyError(f"no model called {value!r}{suggest(value, self.names)}")
        raise ValueError(f"{value!r} is not in models")

    @overload
    def __getitem__(self, key: int | str | Component) -> Component: ...
    @overload
    def __getitem__(self, key: slice | np.ndarray) -> Self: ...
    def __getitem__(self, key: Any) -> Any:
        """Return a model by name or position, or several by a slice or a boolean array."""
        if isinstance(key, slice):
            return type(self)(self._models[key])
        if isinstance(key, np.ndarray) and key.dtype == bool:
            return type(self)(model for model, chosen in zip(self._models, key, strict=True) if chosen)
        return self._models[self.index(key) if isinstance(key, str | Component) else key]

    def __setitem__(self, key: Any, model: Any) -> None:
        idx = self.index(key) if isinstance(key, str | Component) else key
        self._check(model, replaced=self._models[idx])
        self._models[idx] = model

    def __delitem__(self, key: Any) -> None:
        del self._models[self.index(key) if isinstance(key, str | Component) else key]

    def insert(self, index: int, value: Component) -> None:
        """Insert a model before a position."""
        self._check(value)
        self._models.insert(index, value)

    def __len__(self) -> int:
        return len(self._models)

    def __iter__(self) -> Iterator[Component]:
        return iter(self._models)

    def __contains__(self, value: object) -> bool:
        return any(model is value or model.name == value for model in self._models)

    def __add__(self, other: "Component | Iterable[Component]") -> Self:
        members = [other] if isinstance(other, Component) else list(other)
        return type(self)([*self._models, *members])

    # -- what is in it ----------------------------------------------------------------------------------------------
    @property
    def names(self) -> list[str]:
        """Names of the models."""
        return [model.name for model in self._models]

    @property
    def parameters(self) -> Parameters:
        """Parameters of all models; linked ones once per owner."""
        return Parameters(p for model in self._models for p in model.parameters)

    @property
    def parameter_names(self) -> dict[Parameter, str]:
        """Name of the random variable of each parameter; see `parameter_names`."""
        return parameter_names(self._models)

    @property
    def values(self) -> dict[Parameter, float]:
        """The current numbers of all parameters, in internal units."""
        return {p: p.internal for p in self.parameters}

    @property
    def frozen(self) -> bool:
        """True if all parameters are frozen."""
        return all(model.frozen for model in self._models)

    def freeze(self, model_type: str | None = None) -> None:
        """Freeze the parameters of all models; see `SkyModel.freeze`."""
        for model in self._models:
            model.freeze(model_type)

    def unfreeze(self, model_type: str | None = None) -> None:
        """Give the parameters of all models their default frozen status."""
        for model in self._models:
            model.unfreeze(model_type)

    def select(
        self,
        name_substring: str | None = None,
        datasets_names: str | Iterable[str] | None = None,
        tag: str | Iterable[str] | None = None,
        model_type: str | None = None,
        frozen: bool | None = None,
    ) -> Self:
        """Return the models that meet all conditions.

        Parameters
        ----------
        name_substring : str or None
            Part of the name.
        datasets_names : str, list of str or None
            Models that apply to one of these datasets (models for all datasets do).
        tag : str, list of str or None
            Tag of the model, or of one of its parts.
        model_type : {"spectral", "spatial", "temporal"} or None
            Part that the tag refers to; by default the model itself or any part.
        frozen : bool or None
            Models whose parameters are all frozen, or not.
        """
        tags = None if tag is None else {tag} if isinstance(tag, str) else set(tag)
        names = (
            None
            if datasets_names is None
            else {datasets_names}
            if isinstance(datasets_names, str)
            else set(datasets_names)
        )
        return type(self)(
            model
            for model in self._models
            if (name_substring is None or name_substring in model.name)
            and (names is None or model.datasets_names is None or names & set(model.datasets_names))
            and (tags is None or tags & _tags(model, model_type))
            and (frozen is None or model.frozen == frozen)
        )

    def reassign(self, dataset_name: str, new_dataset_name: str) -> Self:
        """Return a copy in which the models of one dataset are those of another.

        Parameters
        ----------
        dataset_name, new_dataset_name : str
            Old and new name of the dataset. Models for all datasets stay so; links inside the collection stay links.

        Raises
        ------
        ValueError
            If no model names the dataset, or one names the new one already.
        """
        named = [name for model in self._models for name in model.datasets_names or []]
        for what, name in (("dataset_name", dataset_name), ("new_dataset_name", new_dataset_name)):
            if not isinstance(name, str):
                raise TypeError(f"{what} must be a string, got {name!r}")
        if dataset_name not in named:
            raise ValueError(f"no model belongs to dataset {dataset_name!r}{suggest(dataset_name, set(named))}")
        new = self.copy()
        for model in new:
            names = model.datasets_names or []
            if dataset_name in names and new_dataset_name in names:
                raise ValueError(f"model {model.name!r} belongs to both datasets already: {names}")
            if dataset_name in names:
                model.datasets_names = [new_dataset_name if name == dataset_name else name for name in names]
        return new

    def copy(self) -> Self:
        """Return a deep copy with the same names; links inside the collection stay links."""
        return copy.deepcopy(self)

    def to_parameters_table(self) -> "Table":
        """Return an `~astropy.table.Table` with one row per parameter and model."""
        table = self.parameters.to_table()
        table.add_column(
            [model.name for model in self._models for _ in model.parameters.elements], name="model", index=0
        )
        return table

    # -- files ------------------------------------------------------------------------------------------------------
    def to_dict(self, full_output: bool = False, gammapy: str = "2.1") -> dict[str, object]:
        """Return plain data in Gammapy's layout.

        Parameters
        ----------
        full_output : bool
            Write also what equals the class default.
        gammapy : {"2.1", "dev"}
            Which Gammapy is to read the priors: what it does not know stands in the section ``bayesmap``. "dev" adds
            LogNormalPrior and SamplesKDEPrior, on which Gammapy 2.1 fails.
        """
        from bayesmap.modeling.files.yaml import models_to_dict

        return models_to_dict(self, full_output=full_output, gammapy=gammapy)

    @classmethod
    def from_dict(cls, data: Mapping[str, object]) -> Self:
        """Create the models from the data of `to_dict`.

        Raises
        ------
        ModelFileError
            If the data are wrong; the message gives the place.
        """
        from bayesmap.modeling.files.yaml import models_from_dict

        return cls(models_from_dict(data))

    def to_yaml(self, full_output: bool = False, gammapy: str = "2.1") -> str:
        """Return the text of a model file; arguments as `to_dict`."""
        from bayesmap.modeling.files.yaml import dump

        return dump(self.to_dict(full_output=full_output, gammapy=gammapy))

    @classmethod
    def from_yaml(cls, text: str) -> Self:
        """Create the models from the text of a model file.

        Raises
        ------
        ModelFileError
            If the text is not a model file; the message gives line and path.
        """
        from bayesmap.modeling.files.yaml import models_from_text

        return cls(models_from_text(text))

    @classmethod
    def read(cls, filename: str | os.PathLike[str]) -> Self:
        """Read a model file.

        Parameters
        ----------
        filename : path
            YAML file in the layout that Gammapy and bayesmap write. Templates with a relative path are looked for
            in the working directory, then beside this file.

        Raises
        ------
        ModelFileError
            If the file is not a model file; the message gives file, line and path.
        """
        from bayesmap.modeling.files.yaml import read

        return cls(read(filename))

    @classmethod
    def from_zoo(cls, name: str, dataset_name: str | Iterable[str] | None = None) -> Self:
        """Read models that come with the package; see `bayesmap.modeling.files.zoo.from_zoo`.

        Parameters
        ----------
        name : str
            One of `bayesmap.modeling.files.zoo.zoo_names`.
        dataset_name : str, list of str or None
            The dataset that a background model applies to; of several, each gets a model.
        """
        from bayesmap.modeling.files.zoo import from_zoo

        return cls(from_zoo(name, dataset_name))

    @classmethod
    def from_posterior(cls, tree: Tree, statistic: str = "mean") -> Self:
        """Create the models that a result describes, with values, errors and covariance of the posterior.

        Parameters
        ----------
        tree : xarray.DataTree
            Result of `bayesmap.sample`, or of `bayesmap.load`. It holds the models as text, with their priors, also
            those that were made by default. Templates are read from the files that they name.
        statistic : {"mean", "median", "mode"}
            What becomes the values, see `set_values`; the covariance is that of the draws.

        Raises
        ------
        bayesmap.errors.FormatError
            If the result does not describe its models, or in a way that this version cannot read.
        KeyError
            If the posterior lacks a free parameter of the models.
        """
        from bayesmap.modeling.from_result import models_from_result

        return models_from_result(cls, tree, statistic)

    def write(
        self,
        path: str | os.PathLike[str],
        overwrite: bool = False,
        full_output: bool = False,
        write_templates: bool = False,
        gammapy: str = "2.1",
    ) -> None:
        """Write a model file.

        Parameters
        ----------
        path : path
            Name of the file.
        overwrite : bool
            Replace an existing file.
        full_output : bool
            Write also what equals the class default.
        write_templates : bool
            Write the maps of template models to their files too.
        gammapy : {"2.1", "dev"}
            Which Gammapy is to read the priors; see `to_dict`.

        Raises
        ------
        OSError
            If a file exists and ``overwrite`` is False, or cannot be written; what was there is left as it was.
        ValueError
            If two templates with different maps have the same file.
        """
        from bayesmap.modeling.files.yaml import write

        write(self, make_path(path), overwrite, full_output, gammapy, _templates(self) if write_templates else [])

    def __repr__(self) -> str:
        return f"Models({self.names})"

    def _repr_html_(self) -> str:
        return "".join(model._repr_html_() for model in self._models) or "no models"

    def __str__(self) -> str:
        lines = ["Models", ""]
        for idx, model in enumerate(self._models):
            lines.append(f"Component {idx}: {model}")
        return "\n".join(lines)


def _tags(model: Component, model_type: str | None) -> set[str]:
    """Tags of a model and its parts, or of one part."""
    parts = model.parts
    if model_type is not None:
        return set(parts[model_type].tag) if model_type in parts else set()
    return {*model.tag, *(tag for part in parts.values() for tag in part.tag)}


def _templates(models: Iterable[Component]) -> list[Any]:
    """The models and parts that hold a map."""
    candidates = [candidate for model in models for candidate in (model, *model.parts.values())]
    return [candidate for candidate in candidates if hasattr(candidate, "map") and hasattr(candidate, "write")]
