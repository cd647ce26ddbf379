"""Parameters of models as a table for notebooks."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from bayesmap._html import html_table

if TYPE_CHECKING:
    from bayesmap.modeling.parameter import Parameter

__all__ = ["parameters_html"]


def parameters_html(parameters: "Iterable[Parameter]", title: str) -> str:
    """A table of parameters: name, value with its error, unit, whether it is frozen, and prior.

    Parameters
    ----------
    parameters : iterable of Parameter
        The rows.
    title : str
        Heading of the table.
    """
    rows = [
        (
            p.name,
            p.text + (f" ± {p.error:.2g}" if np.ndim(p.error) == 0 and p.error > 0 else ""),
            p.unit,
            "frozen" if p.frozen else "",
            "" if p.prior is None else p.prior.summary,
        )
        for p in parameters
    ]
    return html_table(("parameter", "value", "unit", "", "prior"), rows, title)
