"""Names of Gammapy's data that are not here, and why."""

from bayesmap._util import absent_names

__all__: list[str] = []

_REDUCTION = "belongs to data reduction, which stays out: reduce the data with Gammapy and read the dataset"
_META = "is a form of metadata: keywords are in table.meta"

__getattr__ = absent_names(
    "bayesmap.data",
    {
        **dict.fromkeys(
            (
                "DataStore",
                "FixedPointingInfo",
                "HDUIndexTable",
                "Observation",
                "ObservationFilter",
                "ObservationTable",
                "Observations",
                "PointingInfo",
                "PointingMode",
                "get_irfs_features",
                "observatory_locations",
            ),
            _REDUCTION,
        ),
        **dict.fromkeys(("EventListMetaData", "GTIMetaData", "ObservationMetaData"), _META),
        "ObservationsEventsSampler": "simulates observations, which stays out: use MapDatasetEventSampler",
    },
)
