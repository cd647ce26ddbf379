"""What all models share: parameters, the registry by tag, plain-data form."""

import copy
import inspect
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self

import astropy.units as u

from bayesmap._types import FileName, QuantityLike, Tensor
from bayesmap._util import Absent, KnownAttributes, check_option, suggest
from bayesmap.modeling.html import parameters_html
from bayesmap.modeling.model_tools import CovarianceTools
from bayesmap.modeling.parameter import Parameter, ParameterLike, Parameters, Values
from bayesmap.modeling.priors.base import Prior
from bayesmap.units import as_quantity

__all__ = ["KINDS", "ModelBase", "get_model_class", "model_classes"]

KINDS = ("spectral", "spatial", "temporal", "response")
_REGISTRY: dict[str, dict[str, type["ModelBase"]]] = {kind: {} for kind in KINDS}


def _register(cls: type["ModelBase"]) -> None:
    """Enter a class under its tags; running a class definition again replaces the class."""
    registry = _REGISTRY[cls.kind]
    for tag in cls.tag:
        known = registry.get(tag)
        if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise ValueError(f"{cls.__name__}: tag {tag!r} is taken by {known.__module__}.{known.__qualname__}")
        registry[tag] = cls


def get_model_class(tag: str, kind: str) -> type["ModelBase"]:
    """Return the model class of a tag.

    Parameters
    ----------
    tag : str
        Short tag ("pl") or class name ("PowerLawSpectralModel").
    kind : {"spectral", "spatial", "temporal", "response"}
        Kind of model.

    Raises
    ------
    ValueError
        For an unknown tag; the message lists the known ones.
    """
    check_option("kind", kind, KINDS)
    registry = _REGISTRY[kind]
    if not isinstance(tag, str) or tag not in registry:
        long = isinstance(tag, str) and tag.endswith("Model")
        names = [name for name in registry if name.endswith("Model") == long]
        raise ValueError(f"unknown {kind} model {tag!r}{suggest(tag, names)}")
    return registry[tag]


def model_classes(kind: str) -> list[type["ModelBase"]]:
    """Return the registered classes of a kind, each once, sorted by name."""
    check_option("kind", kind, KINDS)
    return sorted(set(_REGISTRY[kind].values()), key=lambda cls: cls.__name__)


class ModelBase(KnownAttributes, CovarianceTools):
    """Parameters and a formula.

    A subclass declares its parameters as class attributes, in the order in which the static method ``evaluate`` takes
    them after the coordinates, and a short ``tag``. It is then known to files and to ``SkyModel.create``.

    Parameters
    ----------
    **values : str, `~astropy.units.Quantity`, float or Parameter
        Values of parameters; what is not given has its default. A `Parameter` is shared (linked).

    Raises
    ------
    TypeError
        For a parameter that the model does not have.
    astropy.units.UnitConversionError
        If the unit does not fit.
    """

    kind: ClassVar[str] = ""
    tag: ClassVar[Any] = ""
    parameter_names: tuple[str, ...] = ()
    default_parameters: Parameters = Parameters()
    file_keys: ClassVar[tuple[str, ...]] = ()
    file_parts: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        declared = {name: p for base in cls.__mro__[::-1] for name, p in vars(base).items() if isinstance(p, Parameter)}
        if not declared and "tag" not in vars(cls):
            return  # an interface
        for name, parameter in declared.items():
            if parameter.name != name:
                raise TypeError(f"{cls.__name__}: attribute {name!r} holds a parameter called {parameter.name!r}")
        if not isinstance(vars(cls).get("parameter_names"), property):  # a model made of models lists theirs
            cls.parameter_names = tuple(declared)
            cls.default_parameters = Parameters(declared.values())
            cls._check_formula()
        if "tag" in vars(cls):
            short = vars(cls)["tag"]
            cls.tag = [cls.__name__, short] if isinstance(short, str) else list(short)
            _register(cls)

    @classmethod
    def _check_formula(cls) -> None:
        """Complain if the last arguments of the formula are not the parameters."""
        formula = getattr(cls, "evaluate", None)
        if formula is None:
            return
        arguments = list(inspect.signature(formula).parameters)
        n = len(cls.parameter_names)
        if n and tuple(arguments[-n:]) != cls.parameter_names:
            raise TypeError(f"{cls.__name__}.evaluate takes {arguments}, parameters are {list(cls.parameter_names)}")

    def __init__(self, **values: ParameterLike) -> None:
        for name in values.keys() - set(self.parameter_names):
            raise TypeError(f"{type(self).__name__} has no parameter {name!r}{suggest(name, self.parameter_names)}")
        for default in self.default_parameters:
            self.__dict__[default.name] = default.copy()
            given = values.get(default.name)
            if isinstance(given, Parameter):
                setattr(self, default.name, given)
            elif given is not None:
                self._set_quantity(default.name, given)

    def _set_quantity(self, name: str, given: Any) -> None:
        """Set value and unit from what the user gave."""
        try:
            getattr(self, name).quantity = as_quantity(given)
        except u.UnitConversionError as error:
            raise u.UnitConversionError(f"{type(self).__name__}: {error}") from None
        except (TypeError, ValueError) as error:
            raise type(error)(f"{type(self).__name__}: {name} = {given!r}: {error}") from None

    def _declare(self, parameters: Iterable[Parameter]) -> None:
        """Declare the parameters of this instance, where their number or names depend on its data.

        To be called before ``super().__init__``; the parameters are then attributes as those that a class declares.
        """
        declared = Parameters(parameters)
        self.__dict__["default_parameters"] = declared
        self.__dict__["parameter_names"] = tuple(declared.names)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__.get("parameter_names", ()):
            self.default_parameters[name].__set__(self, value)
        else:
            super().__setattr__(name, value)

    @property
    def parameters(self) -> Parameters:
        """Parameters of the model, in the order of the formula."""
        return Parameters(getattr(self, name) for name in self.parameter_names)

    @property
    def values(self) -> dict[Parameter, float]:
        """The current numbers of all parameters, in internal units."""
        return {p: p.internal for p in self.parameters}

    def _arguments(self, values: Values) -> tuple[Tensor, ...]:
        """The entries of ``values`` in the order of the formula."""
        missing = [p.name for p in self.parameters if p not in values]
        if missing:
            raise KeyError(f"{type(self).__name__}: no value for parameters {missing}")
        return tuple(values[p] for p in self.parameters)

    @property
    def _numbers(self) -> tuple[float, ...]:
        return tuple(p.internal for p in self.parameters)

    @property
    def type(self) -> str | None:
        """Kind of the model: "spectral", "spatial", "temporal" or "response"."""
        return self.kind or None

    reassign = Absent("needs names of datasets, which a sky model has: use reassign of the sky model or of Models")

    @property
    def frozen(self) -> bool:
        """True if all parameters are frozen."""
        return all(p.frozen for p in self.parameters)

    def freeze(self) -> None:
        """Freeze all parameters."""
        self.parameters.freeze_all()

    def unfreeze(self) -> None:
        """Give all parameters the frozen status of the class default."""
        for default in self.default_parameters:
            getattr(self, default.name).frozen = default.frozen

    def reassign_unit(self) -> None:
        """Express all parameters in the unit of the class default."""
        for default in self.default_parameters:
            parameter = getattr(self, default.name)
            parameter.quantity = parameter.quantity.to(default.unit)

    def copy(self, **values: QuantityLike) -> Self:
        """Return a deep copy, with other values for some parameters.

        Parameters
        ----------
        **values : str, `~astropy.units.Quantity` or float
            New parameter values.

        Raises
        ------
        TypeError
            If there is no such parameter.
        """
        new = copy.deepcopy(self)
        for name, value in values.items():
            if name not in self.parameter_names:
                raise TypeError(f"{type(self).__name__} has no parameter {name!r}{suggest(name, self.parameter_names)}")
            if isinstance(value, Parameter):
                setattr(new, name, value)
            else:
                new._set_quantity(name, value)
        return new

    @classmethod
    def from_parameters(cls, parameters: Parameters, **kwargs: object) -> Self:
        """Create a model that shares the given parameters."""
        return cls(**{p.name: p for p in parameters}, **kwargs)

    @classmethod
    def declared_in_file(cls, data: Mapping[str, object], folder: FileName | None = None) -> Parameters:
        """Return the declarations of the parameters that a model has by its entry in a file.

        Parameters
        ----------
        data : Mapping of str to object
            The entry, not checked yet.
        folder : path or None
            Where the model file lies, for relative paths.
        """
        return cls.default_parameters

    def file_data(self) -> dict[str, object]:
        """Return what a model file holds besides parameters, one entry per name in ``file_keys``."""
        return {key: getattr(self, key) for key in self.file_keys}

    @classmethod
    def from_file_data(
        cls, parameters: Mapping[str, Parameter], data: Mapping[str, object], folder: FileName | None = None
    ) -> Self:
        """Create the model from parameters and the data of `file_data`.

        Parameters
        ----------
        parameters : Mapping of str to Parameter
            Parameters by name.
        data : Mapping of str to object
            Entries of the file, some of ``file_keys``.
        folder : path or None
            Where the model file lies, for relative paths.
        """
        return cls(**parameters, **data)

    def to_dict(self, full_output: bool = False) -> dict[str, object]:
        """Return the model as plain data in Gammapy's layout.

        Parameters
        ----------
        full_output : bool
            Write also what equals the class default.
        """
        from bayesmap.modeling.files.yaml import model_to_dict

        return model_to_dict(self, full_output=full_output)

    @classmethod
    def from_dict(cls, data: Mapping[str, object]) -> Self:
        """Create the model from the data of `to_dict`.

        Raises
        ------
        ModelFileError
            If the data are wrong; the message gives the place.
        """
        from bayesmap.modeling.files.yaml import model_from_dict

        return model_from_dict(data, cls)

    def set_priors(self, **priors: Prior | None) -> Self:
        """Set the priors of several parameters and return the model.

        Parameters
        ----------
        **priors : Prior or None
            One per parameter name.

        Raises
        ------
        TypeError
            If there is no such parameter.
        """
        for name, prior in priors.items():
            if name not in self.parameter_names:
                raise TypeError(f"{type(self).__name__} has no parameter {name!r}{suggest(name, self.parameter_names)}")
            getattr(self, name).prior = prior
        return self

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{n}={getattr(self, n).quantity}' for n in self.parameter_names)})"

    def __str__(self) -> str:
        return f"{type(self).__name__}\n\n{self.parameters}"

    def _repr_html_(self) -> str:
        return parameters_html(self.parameters, type(self).__name__)
