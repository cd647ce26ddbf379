"""Numbers, points and regions that a paper states."""

from bayesmap.products.estimate import flux_points, light_curve
from bayesmap.products.points import PosteriorPoints

__all__ = ["PosteriorPoints", "flux_points", "light_curve"]
