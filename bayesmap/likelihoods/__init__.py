"""Likelihoods: what the data say about a prediction."""

from bayesmap.likelihoods.base import Likelihood
from bayesmap.likelihoods.onoff import OnOffLikelihood
from bayesmap.likelihoods.poisson import PoissonLikelihood

__all__ = ["Likelihood", "OnOffLikelihood", "PoissonLikelihood"]
