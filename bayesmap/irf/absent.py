"""Names of Gammapy's instrument responses that are not here, and why."""

from bayesmap._util import absent_names

__all__: list[str] = []

_DL3 = "is a response of DL3, which stays out: reduce the data with Gammapy and read the dataset"

__getattr__ = absent_names(
    "bayesmap.irf",
    dict.fromkeys(
        (
            "Background2D",
            "Background3D",
            "BackgroundIRF",
            "EffectiveAreaTable2D",
            "EnergyDependentMultiGaussPSF",
            "EnergyDispersion2D",
            "FoVAlignment",
            "IRF",
            "IRF_REGISTRY",
            "PSF3D",
            "PSFKing",
            "ParametricPSF",
            "RadMax2D",
            "load_irf_dict_from_file",
        ),
        _DL3,
    ),
)
