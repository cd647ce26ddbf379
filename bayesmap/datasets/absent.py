"""Names of Gammapy's datasets that are not here, and why."""

from bayesmap._util import absent_names

__all__: list[str] = []

_REDUCTION = "belongs to data reduction, which stays out: reduce the data with Gammapy and read the dataset"

__getattr__ = absent_names(
    "bayesmap.datasets",
    {
        **dict.fromkeys(
            (
                "create_empty_map_dataset_from_irfs",
                "create_map_dataset_from_observation",
                "create_map_dataset_geoms",
                "split_dataset",
            ),
            _REDUCTION,
        ),
        "ObservationEventSampler": "simulates observations, which stays out: use MapDatasetEventSampler",
        "OGIPDatasetReader": "is a class that reads one file: use SpectrumDatasetOnOff.read",
        "OGIPDatasetWriter": "is a class that writes one file: use SpectrumDatasetOnOff.write",
        "apply_edisp": "folds a map with an energy dispersion: use dataset.npred_signal",
        "set_and_restore_mask_fit": "belongs to fits in bands, which stay out: use dataset.slice_by_energy",
    },
)
