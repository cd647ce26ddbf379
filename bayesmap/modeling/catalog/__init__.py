"""Rows of published catalogues as models with priors."""

from bayesmap.modeling.catalog.fermi import models_from_4fgl
from bayesmap.modeling.catalog.hess import models_from_hgps

__all__ = ["models_from_4fgl", "models_from_hgps"]
