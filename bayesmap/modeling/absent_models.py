"""Names of Gammapy's models that are not here, and why."""

from bayesmap._util import absent_names

__all__: list[str] = []

_REGISTRY = "is a registry: bayesmap.modeling.model_classes lists models, SkyModel.create makes them by tag"

__getattr__ = absent_names(
    "bayesmap.modeling.models",
    {
        "DatasetModels": "is a view of Models: use Models",
        "Model": "makes models by tag: use SkyModel.create, or the classes themselves",
        "MODEL_REGISTRY": _REGISTRY,
        "SPATIAL_MODEL_REGISTRY": _REGISTRY,
        "SPECTRAL_MODEL_REGISTRY": _REGISTRY,
        "TEMPORAL_MODEL_REGISTRY": _REGISTRY,
        "NaimaSpectralModel": "needs naima, which stays out: evaluate it and use TemplateSpectralModel",
        "integrate_spectrum": "is a numerical integral: spectral models have integral() and energy_flux()",
        "read_hermes_cube": "reads HEALPix pixels, which stay out",
        "scale_plot_flux": "belongs to figures: multiply the map by a power of energy",
    },
)
