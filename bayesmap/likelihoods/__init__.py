"""Likelihoods: what the data say about a prediction."""

from bayesmap.likelihoods.base import Likelihood
from bayesmap.likelihoods.poisson import PoissonLikelihood

__all__ = ["Likelihood", "PoissonLikelihood"]
