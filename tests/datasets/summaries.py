"""Datasets against the stored summaries of datasets that Gammapy transformed or stacked."""

import astropy.units as u
import numpy as np

from tests.datasets.helpers import assert_info_close

OFF = ("counts_off", "acceptance", "acceptance_off")


def summary(dataset, position):
    """The numbers stored for a dataset, under the same keys; None where there is nothing."""
    sums = {f"{key}_per_energy": (getattr(dataset, key, None), float) for key in ("background", "exposure", *OFF)}
    out = {"counts_per_energy": dataset.counts.data.sum(axis=(1, 2))}
    out |= {key: m.data.sum(axis=(1, 2), dtype=kind) for key, (m, kind) in sums.items() if m is not None}
    if dataset.mask_safe is not None:
        out["mask_safe_per_energy"] = dataset.mask_safe.data.sum(axis=(1, 2))
    if dataset.gti is not None:
        out["gti_start_mjd"], out["gti_stop_mjd"] = dataset.gti.time_start.mjd, dataset.gti.time_stop.mjd
        out["time_sum"] = dataset.gti.time_sum
    out["livetime"] = dataset.exposure.meta.get("livetime")
    out |= _responses(dataset, position)
    if dataset.counts.geom.is_region:
        out["exposure"] = dataset.exposure.quantity.squeeze()
        keys = (*OFF, "alpha", "background") if hasattr(dataset, "alpha") else ("background",)
        return out | {key: getattr(dataset, key).data.squeeze() for key in keys}
    out["exposure_at_position"] = dataset.exposure.to_region_nd_map(position).quantity.squeeze()
    out["counts_image"] = dataset.counts.sum_over_axes().data[0]
    if dataset.mask_safe is not None:
        out["mask_safe_image_packbits"] = np.packbits(dataset.mask_safe_image.data)
    return out


def _responses(dataset, position):
    out, psf = {}, dataset.psf
    if psf is not None and psf.energy_name == "energy_true":
        out["psf_r68"] = psf.containment_radius(0.68, psf.psf_map.geom.axes["energy_true"].center, position)
        out["psf_exposure_sum"] = psf.exposure_map.data.sum(axis=(1, 2, 3), dtype=float)
    if dataset.edisp is not None:
        kernel = dataset.edisp.get_edisp_kernel(position=position, energy_axis=dataset.counts.geom.axes["energy"])
        out["edisp_kernel"] = kernel.pdf_matrix
    return out


def assert_summary_close(dataset, want, position, skip=(), skip_info=()):
    """Compare a dataset with a stored summary: sums and images to 2e-6 of the largest value."""
    got = summary(dataset, position)
    assert_info_close(dataset.info_dict(), want["info_dict"], skip=("name", *DIFFERENCES, *skip_info))
    _assert_difference_close(dataset.info_dict(), want["info_dict"])
    for key, stored in want.items():
        if key in {"info_dict", "str", *skip} or stored is None:
            continue
        values, stored = np.asarray(u.Quantity(got[key]).value), values_of(stored)
        scale = np.nanmax(np.abs(stored), initial=0)
        np.testing.assert_allclose(np.reshape(values, stored.shape), stored, rtol=2e-6, atol=2e-6 * scale, err_msg=key)


#: entries of an info dict that are small differences of sums, for Gammapy in single precision
DIFFERENCES = ("excess", "excess_rate", "sqrt_ts")


def _assert_difference_close(info, want):
    tolerance = 1e-6 * (want["counts"] + 1)
    np.testing.assert_allclose(info["excess"], want["excess"], rtol=2e-6, atol=tolerance)
    np.testing.assert_allclose(info["sqrt_ts"], want["sqrt_ts"], rtol=2e-5, atol=1e-4)


def values_of(stored):
    """The bare array of a stored quantity, array or list."""
    return np.asarray(stored["value"] if isinstance(stored, dict) else getattr(stored, "data", stored))
