"""Parameter values from a posterior."""

from collections.abc import Mapping
from typing import Any

import astropy.units as u
import numpy as np

from bayesmap._util import check_option
from bayesmap.modeling.parameter import Parameter

__all__ = ["STATISTICS", "set_values"]

STATISTICS = ("mean", "median", "mode")


def set_values(names: Mapping[Parameter, str], tree: Any, statistic: str = "mean") -> None:
    """Set values and errors of free parameters; see `Models.set_values`."""
    check_option("statistic", statistic, STATISTICS)
    posterior = tree["posterior"]
    free = {parameter: name for parameter, name in names.items() if not parameter.frozen}
    missing = [name for name in free.values() if name not in posterior]
    if missing:
        raise KeyError(f"the posterior has no variables {missing}; it has {sorted(map(str, posterior.data_vars))}")
    best = int(np.argmax(tree["sample_stats"]["lp"].values)) if statistic == "mode" else None
    numbers = {parameter: _summary(posterior[name], statistic, best, parameter) for parameter, name in free.items()}
    for parameter, (value, error) in numbers.items():
        parameter.value, parameter.error = value, error


def _summary(draws: Any, statistic: str, best: int | None, parameter: Parameter) -> tuple[float, float]:
    """Value and standard deviation in the unit that the parameter declares now."""
    values = np.asarray(draws.values, dtype="float64").ravel()
    factor = float(u.Unit(draws.attrs.get("units", parameter.unit)).to(parameter.unit))
    value = values[best] if best is not None else np.median(values) if statistic == "median" else np.mean(values)
    return float(value) * factor, float(values.std()) * abs(factor)
