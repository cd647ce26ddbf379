"""Likelihoods: what the data say about a prediction."""

from bayesmap.likelihoods.base import Likelihood
from bayesmap.likelihoods.flux_points import FluxPointsLikelihood
from bayesmap.likelihoods.gaussian import GaussianLikelihood
from bayesmap.likelihoods.negative_binomial import NegativeBinomialLikelihood
from bayesmap.likelihoods.onoff import OnOffLikelihood
from bayesmap.likelihoods.poisson import PoissonLikelihood
from bayesmap.likelihoods.student import StudentTLikelihood

__all__ = [
    "FluxPointsLikelihood",
    "GaussianLikelihood",
    "Likelihood",
    "NegativeBinomialLikelihood",
    "OnOffLikelihood",
    "PoissonLikelihood",
    "StudentTLikelihood",
]
