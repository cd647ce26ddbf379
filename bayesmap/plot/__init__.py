"""Figures. Each function takes data and axes, returns the axes and sets no style."""

from bayesmap.plot.checks import (
    mark_worst_blocks,
    plot_block_deviations,
    plot_pit_blocks,
    plot_pit_points,
    plot_ppc_profile,
    plot_ppc_spectrum,
)
from bayesmap.plot.flux_points import (
    plot_fit_points,
    plot_flux_points,
    plot_residual_points,
    plot_spectrum_points,
)
from bayesmap.plot.image import peek_image, plot_image, plot_image_residuals
from bayesmap.plot.irf import (
    peek_edisp_kernel,
    peek_psf,
    peek_psf_kernel,
    plot_edisp_bias,
    plot_psf_containment,
    plot_psf_kernel,
    plot_psf_profiles,
)
from bayesmap.plot.maps import plot_grid, plot_map, plot_mask
from bayesmap.plot.peek import (
    peek,
    plot_containment_radius,
    plot_edisp_kernel,
    plot_edisp_matrix,
    plot_exposure_profile,
)
from bayesmap.plot.posterior import plot_corner, plot_marginal, plot_marginals, plot_trace, plot_traces
from bayesmap.plot.posterior_numbers import (
    PredictiveBand,
    parameter_draws,
    predictive_band,
    predictive_bands,
    spectrum_draws,
)
from bayesmap.plot.predictive import plot_posterior_predictive, plot_predictive_band
from bayesmap.plot.prior_predictive import plot_prior_predictive
from bayesmap.plot.regions import plot_energy_mask, plot_hist, plot_region, plot_region_map
from bayesmap.plot.residual_numbers import (
    SpectrumResiduals,
    counts_statistic,
    residual_image,
    significance_image,
    spectrum_residuals,
    sqrt_ts,
)
from bayesmap.plot.residuals import (
    plot_residuals,
    plot_residuals_spatial,
    plot_residuals_spectral,
    plot_significance,
    plot_significance_distribution,
)
from bayesmap.plot.spectrum import plot_spectrum, plot_spectrum_error, plot_spectrum_posterior
from bayesmap.plot.spectrum_dataset import peek_spectrum, plot_counts, plot_excess, plot_fit, plot_masks

__all__ = [
    "PredictiveBand",
    "SpectrumResiduals",
    "counts_statistic",
    "mark_worst_blocks",
    "parameter_draws",
    "peek",
    "peek_edisp_kernel",
    "peek_image",
    "peek_psf",
    "peek_psf_kernel",
    "peek_spectrum",
    "plot_block_deviations",
    "plot_containment_radius",
    "plot_corner",
    "plot_counts",
    "plot_edisp_bias",
    "plot_edisp_kernel",
    "plot_edisp_matrix",
    "plot_energy_mask",
    "plot_excess",
    "plot_exposure_profile",
    "plot_fit",
    "plot_fit_points",
    "plot_flux_points",
    "plot_grid",
    "plot_hist",
    "plot_image",
    "plot_image_residuals",
    "plot_map",
    "plot_marginal",
    "plot_marginals",
    "plot_mask",
    "plot_masks",
    "plot_pit_blocks",
    "plot_pit_points",
    "plot_posterior_predictive",
    "plot_ppc_profile",
    "plot_ppc_spectrum",
    "plot_predictive_band",
    "plot_prior_predictive",
    "plot_psf_containment",
    "plot_psf_kernel",
    "plot_psf_profiles",
    "plot_region",
    "plot_region_map",
    "plot_residual_points",
    "plot_residuals",
    "plot_residuals_spatial",
    "plot_residuals_spectral",
    "plot_significance",
    "plot_significance_distribution",
    "plot_spectrum",
    "plot_spectrum_error",
    "plot_spectrum_points",
    "plot_spectrum_posterior",
    "plot_trace",
    "plot_traces",
    "predictive_band",
    "predictive_bands",
    "residual_image",
    "significance_image",
    "spectrum_draws",
    "spectrum_residuals",
    "sqrt_ts",
]
