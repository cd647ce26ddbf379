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
            "FluxProfileEstimator",
            "ImageProfile",
            "ImageProfileEstimator",
            "ParameterEstimator",
            "ParameterSensitivityEstimator",
            "TSMapEstimator",
        ),
        _ESTIMATOR,
    )
    | {
        "FluxPointsEstimator": "is bayesmap.flux_points, which samples all sources and bands at once",
        "LightCurveEstimator": "is bayesmap.light_curve, which samples all intervals at once",
        "ExcessMapEstimator": "is bayesmap.products.excess_map, which takes the draws of a posterior",
        "SensitivityEstimator": "is bayesmap.products.sensitivity, with the spectrum of a source of the dataset",
    },
)
