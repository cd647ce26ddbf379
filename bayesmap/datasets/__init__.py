"""Datasets: counts, responses and models, and what they predict."""

from bayesmap.datasets.absent import __getattr__  # noqa: F401
from bayesmap.datasets.base import Dataset, Datasets
from bayesmap.datasets.checks import check_for_inference
from bayesmap.datasets.components import Component
from bayesmap.datasets.demo import demo_dataset, demo_models, simulate_cta_like
from bayesmap.datasets.events.sampler import MapDatasetEventSampler
from bayesmap.datasets.fermipy import FermipyDatasetsReader
from bayesmap.datasets.flux_points import FluxPointsDataset
from bayesmap.datasets.from_gammapy import from_gammapy
from bayesmap.datasets.image import ImageDataset
from bayesmap.datasets.map import MapDataset
from bayesmap.datasets.metadata import MapDatasetMetaData
from bayesmap.datasets.onoff import MapDatasetOnOff
from bayesmap.datasets.opening import open_datasets
from bayesmap.datasets.predict import compute_residuals
from bayesmap.datasets.registry import DATASET_REGISTRY
from bayesmap.datasets.source_tables import source_table, sources_from_table
from bayesmap.datasets.spectrum import SpectrumDataset, SpectrumDatasetOnOff

__all__ = [
    "DATASET_REGISTRY",
    "Component",
    "Dataset",
    "Datasets",
    "FermipyDatasetsReader",
    "FluxPointsDataset",
    "ImageDataset",
    "MapDataset",
    "MapDatasetEventSampler",
    "MapDatasetMetaData",
    "MapDatasetOnOff",
    "SpectrumDataset",
    "SpectrumDatasetOnOff",
    "check_for_inference",
    "compute_residuals",
    "demo_dataset",
    "demo_models",
    "from_gammapy",
    "open_datasets",
    "simulate_cta_like",
    "source_table",
    "sources_from_table",
]
