"""Datasets: counts, responses and models, and what they predict."""

from bayesmap.datasets.base import Dataset, Datasets
from bayesmap.datasets.checks import check_for_inference
from bayesmap.datasets.components import Component
from bayesmap.datasets.map import MapDataset
from bayesmap.datasets.onoff import MapDatasetOnOff
from bayesmap.datasets.predict import compute_residuals
from bayesmap.datasets.simulated import demo_dataset, demo_models, simulate_cta_like
from bayesmap.datasets.spectrum import SpectrumDataset, SpectrumDatasetOnOff

__all__ = [
    "Component",
    "Dataset",
    "Datasets",
    "MapDataset",
    "MapDatasetOnOff",
    "SpectrumDataset",
    "SpectrumDatasetOnOff",
    "check_for_inference",
    "compute_residuals",
    "demo_dataset",
    "demo_models",
    "simulate_cta_like",
]
