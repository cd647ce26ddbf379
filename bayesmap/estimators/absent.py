"""Names of Gammapy's estimators that are not here, and why."""

from bayesmap._util import absent_names

__all__: list[str] = []

_ESTIMATOR = (
    "estimates from counts, which stays out: fit a model with bayesmap.sample, or read its result as FluxPoints"
)

__getattr__ = absent_names(
    "bayesmap.estimators",
    dict.fromkeys(
        (
            "ASmoothMapEstimator",
            "ESTIMATOR_REGISTRY",
            "EnergyDependentMorphologyEstimator",
            "Estimator",
            "FluxMaps",
            "FluxMetaData",
            "FluxPointsEstimator",
            "FluxProfileEstimator",
            "ImageProfile",
            "ImageProfileEstimator",
            "LightCurveEstimator",
            "ParameterEstimator",
            "ParameterSensitivityEstimator",
            "TSMapEstimator",
        ),
        _ESTIMATOR,
    )
    | {
        "ExcessMapEstimator": "is bayesmap.products.excess_map, which takes the draws of a posterior",
        "SensitivityEstimator": "is bayesmap.products.sensitivity, with the spectrum of a source of the dataset",
    },
)
