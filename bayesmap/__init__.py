"""Bayesian analysis of binned sky maps: from FITS datasets to posteriors.

The names below are what a first analysis needs; everything else is in the subpackages (`bayesmap.maps`,
`bayesmap.irf`, `bayesmap.modeling`, `bayesmap.datasets`, `bayesmap.inference`, `bayesmap.plot`, ...). A name or a
subpackage is loaded when it is first used, so that ``import bayesmap`` costs nothing.
"""

from typing import TYPE_CHECKING

from bayesmap._cache import use_writable_cache
from bayesmap._lazy import lazy_names

if TYPE_CHECKING:
    from bayesmap.checks import check
    from bayesmap.datasets import (
        Datasets,
        FluxPointsDataset,
        MapDataset,
        MapDatasetOnOff,
        SpectrumDataset,
        SpectrumDatasetOnOff,
    )
    from bayesmap.inference import (
        bayes_factor,
        convergence_report,
        evidence,
        find_mode,
        posterior_npred,
        predictive,
        sample,
        savage_dickey,
        to_pymc,
    )
    from bayesmap.io import load, save
    from bayesmap.maps import Map, MapAxis, WcsGeom
    from bayesmap.modeling import FoVBackgroundModel, Models, Prior, SkyModel
    from bayesmap.products import flux_points, light_curve
    from bayesmap.report import summary
    from bayesmap.workspace import Workspace

use_writable_cache()

__version__ = "0.1.0"

__all__ = [
    "Datasets",
    "FluxPointsDataset",
    "FoVBackgroundModel",
    "Map",
    "MapAxis",
    "MapDataset",
    "MapDatasetOnOff",
    "Models",
    "Prior",
    "SkyModel",
    "SpectrumDataset",
    "SpectrumDatasetOnOff",
    "WcsGeom",
    "Workspace",
    "__version__",
    "bayes_factor",
    "check",
    "convergence_report",
    "evidence",
    "find_mode",
    "flux_points",
    "light_curve",
    "load",
    "posterior_npred",
    "predictive",
    "sample",
    "savage_dickey",
    "save",
    "summary",
    "to_pymc",
]

_HOME = {
    "Datasets": "datasets",
    "FluxPointsDataset": "datasets",
    "FoVBackgroundModel": "modeling",
    "Map": "maps",
    "MapAxis": "maps",
    "MapDataset": "datasets",
    "MapDatasetOnOff": "datasets",
    "Models": "modeling",
    "Prior": "modeling",
    "SkyModel": "modeling",
    "SpectrumDataset": "datasets",
    "SpectrumDatasetOnOff": "datasets",
    "WcsGeom": "maps",
    "Workspace": "workspace",
    "bayes_factor": "inference",
    "check": "checks",
    "convergence_report": "inference",
    "evidence": "inference",
    "find_mode": "inference",
    "flux_points": "products",
    "light_curve": "products",
    "load": "io",
    "posterior_npred": "inference",
    "predictive": "inference",
    "sample": "inference",
    "save": "io",
    "savage_dickey": "inference",
    "summary": "report",
    "to_pymc": "inference",
}

_SUBPACKAGES = frozenset(
    {
        "checks",
        "data",
        "datasets",
        "estimators",
        "graph",
        "images",
        "inference",
        "io",
        "irf",
        "likelihoods",
        "maps",
        "modeling",
        "plot",
        "products",
        "stats",
        "studies",
        "workspace",
    }
)

__getattr__, __dir__ = lazy_names(__name__, _HOME, _SUBPACKAGES)
