"""Comparison with the stored numbers of Gammapy."""

import functools

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from bayesmap.io import read_components
from bayesmap.irf import EDispKernel, EDispMap, PSFMap
from bayesmap.maps import Map, MapAxis, WcsGeom
from tests.golden import golden, shared_path

FILES = {
    "cta": ("cta-1dc-gc", "cta-1dc-gc.fits.gz"),
    "crab": ("hess-dl3-dr1-reduced", "crab-stacked-edispkernelmap.fits.gz"),
    "crab_map": ("hess-dl3-dr1-reduced", "crab-stacked-edispmap.fits.gz"),
    "crab1": ("hess-dl3-dr1-reduced", "crab-23523.fits.gz"),
    "crab2": ("hess-dl3-dr1-reduced", "crab-23559.fits.gz"),
    "fermi": ("fermi-3fhl-gc", "fermi-3fhl-gc.fits.gz"),
    "hawc_reco": ("hawc", "nHit-8.fits.gz"),
}
FILES |= {"cta_maxradius": FILES["cta"], "cta_containment0p9": FILES["cta"], "cta_kernelmap": FILES["cta"]}
FILES |= {"crab_kernelmap": FILES["crab"], "crab_edispmap": FILES["crab_map"], "fermi_diagonal": FILES["fermi"]}
#: images of all energies are stored, or every third
ENERGY_STEP = {"fermi": 3, "hawc_reco": 3}


@functools.cache
def components(key):
    return read_components(shared_path("data", *FILES[key]))


def position_of(stored):
    if stored is None:
        return None
    return SkyCoord(stored["lon_deg"], stored["lat_deg"], unit="deg", frame=stored["frame"])


def quantity_of(stored):
    if isinstance(stored, dict):
        return stored["value"] * u.Unit(stored["unit"])
    return stored.data * u.Unit(stored.unit)


def assert_close(got, stored, **kwargs):
    want = quantity_of(stored)
    np.testing.assert_allclose(u.Quantity(got).to_value(want.unit), want.value, **kwargs)


def cases(group):
    return [name.partition("/")[2] for name in golden("irf") if name.startswith(f"{group}/")]


@pytest.mark.parametrize("case", cases("psf_containment"))
def test_psf_containment(case):
    want, psf = golden("irf")[f"psf_containment/{case}"], components(case)["psf"]
    assert psf.energy_name == want["energy_name"]
    assert psf.has_single_spatial_bin == want["has_single_spatial_bin"]
    energies = quantity_of(want["energies"])
    step = 1.001 * psf.psf_map.geom.axes["rad"].bin_width.to_value("deg").max() / 20
    fractions = want["fractions"].data
    for fraction, radius in zip(fractions, want["radius_default_position"], strict=True):
        assert_close(psf.containment_radius(fraction, energies), radius, rtol=0, atol=step)
    for stored, radii in zip(want["positions"], want["radius"], strict=True):
        for fraction, radius in zip(fractions, radii, strict=True):
            got = psf.containment_radius(fraction, energies, position_of(stored))
            assert_close(got, radius, rtol=0, atol=step)
    for stored, inside in zip(want["positions"], want.get("containment", []), strict=False):
        for rad, value in zip(want["rads"], inside, strict=True):
            assert_close(psf.containment(quantity_of(rad), energies, position_of(stored)), value, rtol=1e-6)
    for stored, value in zip(want["positions"], want["psf_value"], strict=True):
        coords = {"skycoord": position_of(stored), psf.energy_name: energies[:, None], "rad": [0, 0.03, 0.1] * u.deg}
        np.testing.assert_allclose(psf.psf_map.interp_by_coord(coords), value.data, rtol=1e-6)
    if hasattr(want.get("radius_map"), "data"):
        got = psf.containment_radius_map(energies[0], fraction=0.68)
        assert_close(got.quantity, want["radius_map"], rtol=0, atol=step)


@pytest.mark.parametrize("case", cases("psf_kernel"))
def test_psf_kernel(case):
    want, parts = golden("irf")[f"psf_kernel/{case}"], components(case)
    psf = parts["psf"]
    geom = parts["counts" if psf.energy_name == "energy" else "exposure"].geom
    settings = {"cta_maxradius": {"max_radius": "0.2 deg"}, "cta_containment0p9": {"containment": 0.9}}
    for i, stored in enumerate(want["positions"]):
        kernel = psf.get_psf_kernel(geom, position=position_of(stored), **settings.get(case, {}))
        stored = want[f"kernel_{i}"]
        np.testing.assert_array_equal(kernel.data.shape, np.ravel(getattr(stored["shape"], "data", stored["shape"])))
        for image, expected in zip(kernel.data[:: ENERGY_STEP.get(case, 1)], stored["data"].data, strict=True):
            if case == "fermi":  # Gammapy cuts image i at the containment of energy i of another axis, that of the PSF
                image = image * (expected > 0) / image[expected > 0].sum()
            np.testing.assert_allclose(image, expected, rtol=0, atol=1e-6 * max(expected.max(), 1e-30))
        total = stored["sum_per_energy"].data.copy()
        if case == "fermi":  # the PSF has 11 energies and the exposure 12: Gammapy leaves the last image empty
            np.testing.assert_array_equal(total[-1], 0)
            total[-1] = 1
        np.testing.assert_allclose(kernel.data.sum(axis=(1, 2)), total, atol=1e-6)


@pytest.mark.parametrize("case", cases("edisp"))
def test_edisp_kernel(case):
    want, parts = golden("irf")[f"edisp/{case}"], components(case)
    edisp = parts["edisp"]
    assert type(edisp).__name__ == want["type"]
    axes = [None]
    if isinstance(edisp, EDispMap):
        axes = [parts["counts"].geom.axes["energy"], MapAxis.from_energy_bounds("1 TeV", "30 TeV", nbin=5)]
    for i, stored in enumerate(want["positions"]):
        for j, axis in enumerate(axes):
            kernel, value = (
                edisp.get_edisp_kernel(position=position_of(stored), energy_axis=axis),
                want[f"kernel_pos{i}_axis{j}"],
            )
            np.testing.assert_allclose(kernel.pdf_matrix, value["pdf_matrix"].data, atol=1e-6)
            np.testing.assert_allclose(kernel.pdf_matrix.sum(axis=1), value["row_sum"].data, atol=1e-6)
            np.testing.assert_allclose(kernel.axes["energy"].edges.value, value["energy"]["edges"], rtol=1e-10)
            energy = kernel.axes["energy_true"].center[3:9]
            assert_close(kernel.get_resolution(energy), value["resolution"], rtol=1e-4)
            if case != "fermi_diagonal":  # Gammapy subtracts one before it converts keV / MeV
                assert_close(kernel.get_bias(energy), value["bias"], rtol=1e-4, atol=1e-6)
    if "to_edisp_kernel_map_sum" in want:
        kernel_map = edisp.to_edisp_kernel_map(axes[0]).edisp_map
        np.testing.assert_array_equal(kernel_map.data.shape, want["to_edisp_kernel_map_shape"].data)
        np.testing.assert_allclose(kernel_map.data.sum(axis=(2, 3)), want["to_edisp_kernel_map_sum"].data, atol=2e-5)


def assert_same_wcs(geom, stored):
    header = geom.wcs.to_header()
    for key in ("CRPIX1", "CRPIX2", "CDELT1", "CDELT2", "CRVAL1", "CRVAL2"):
        np.testing.assert_allclose(header[key], stored["header"][key], atol=1e-9)
    np.testing.assert_array_equal(geom.npix, stored["npix"].data)


@pytest.mark.parametrize("case", cases("irf_ops"))
def test_irf_operations(case):
    want, parts = golden("irf")[f"irf_ops/{case}"], components(case)
    args = golden("irf").args(f"irf_ops/{case}")
    psf, edisp = parts["psf"], parts["edisp"]
    position, width = position_of(args["position"]), quantity_of(args["width"])
    assert_same_wcs(psf.cutout(position, width).psf_map.geom, want["psf_cutout_wcs"])
    assert_same_wcs(edisp.cutout(position, width).edisp_map.geom, want["edisp_cutout_wcs"])
    np.testing.assert_allclose(psf.to_region_nd_map(position).psf_map.data, want["psf_region"].data, rtol=1e-6)
    np.testing.assert_allclose(edisp.to_region_nd_map(position).edisp_map.data, want["edisp_region"].data, rtol=1e-6)
    np.testing.assert_allclose(psf.exposure_map.data, want["psf_exposure"].data, rtol=1e-6)
    exposure = edisp.exposure_map.data.sum(axis=(-1, -2), dtype=float).squeeze()
    np.testing.assert_allclose(exposure, want["edisp_exposure_sum"].data, rtol=1e-6)
    image = psf.to_image().psf_map.data.sum(axis=(0, 2, 3), dtype=float)
    np.testing.assert_allclose(image, want["psf_to_image"].data, rtol=1e-5)
    if "edisp_downsample" in want:
        axis = MapAxis.from_energy_edges(parts["counts"].geom.axes["energy"].edges[::3])
        results = {
            "edisp_downsample": edisp.downsample(2, axis_name="energy"),
            "edisp_to_image": edisp.to_image(),
            "edisp_resample": edisp.resample_energy_axis(axis),
        }
        for key, result in results.items():
            np.testing.assert_allclose(result.get_edisp_kernel().pdf_matrix, want[key].data, atol=1e-6)


def test_irf_stack():
    want, one, two = golden("irf")["irf_stack/crab_kernel"], components("crab1"), components("crab2")
    position, energy = position_of(golden("irf").args("irf_stack/crab_kernel")["position"]), None
    psf, plain = one["psf"].copy(), one["psf"].copy()
    image = two["psf"].psf_map.geom.to_image()
    weights = Map.from_geom(image, data=want["mask_safe_psf"].data, unit="")
    psf.stack(two["psf"], weights=weights)
    plain.stack(two["psf"])
    energy = psf.psf_map.geom.axes["energy_true"].center
    assert_close(psf.containment_radius(0.68, energy, position), want["psf_r68"], rtol=0, atol=5.1e-4)
    assert_close(plain.containment_radius(0.68, energy, position), want["psf_r68_noweights"], rtol=0, atol=5.1e-4)
    np.testing.assert_allclose(psf.psf_map.data.sum(axis=(1, 2, 3), dtype=float), want["psf_sum"].data, rtol=1e-5)
    exposure = psf.exposure_map.data.sum(axis=(1, 2, 3), dtype=float)
    np.testing.assert_allclose(exposure, want["psf_exposure"].data, rtol=1e-6)
    edisp = one["edisp"].copy()
    edisp.stack(two["edisp"], weights=edisp_mask(two, want["mask_safe_edisp_sum"].data))
    kernel = edisp.get_edisp_kernel(position=position)
    np.testing.assert_allclose(kernel.pdf_matrix, want["edisp_kernel"].data, atol=1e-5)


def edisp_mask(parts, n_safe):
    """Safe mask on the pixels of the energy dispersion, as Gammapy makes it: interpolated, true above zero."""
    geom = parts["edisp"].edisp_map.geom.squash("energy_true")
    mask = parts["mask_safe"]
    values = Map.from_geom(mask.geom, data=mask.data.astype(float)).interp_by_coord(
        {"skycoord": geom.to_image().get_coord().skycoord, "energy": geom.axes["energy"].center[:, None, None]}
    )
    data = np.abs(values) > 0
    data[n_safe == data[0].size] = True  # bins that are safe by the round-off of Gammapy's interpolation only
    np.testing.assert_array_equal(data.sum(axis=(1, 2)), n_safe)
    return Map.from_geom(geom, data=data[None], unit="")


def test_from_gauss():
    want, args = golden("irf")["from_gauss"], golden("irf").args("from_gauss")
    axis = MapAxis.from_energy_edges(args["energy_axis_true"]["edges"], unit="TeV", name="energy_true")
    psf = PSFMap.from_gauss(energy_axis_true=axis, sigma=quantity_of(args["sigmas"]))
    assert_close(psf.containment_radius(0.68, axis.center), want["r68"], rtol=0, atol=5.1e-4)
    assert_close(psf.containment_radius(0.95, axis.center), want["r95"], rtol=0, atol=5.1e-4)
    kernel = psf.get_psf_kernel(WcsGeom.create(binsz=0.04, width=2, axes=[axis]), max_radius=0.6 * u.deg)
    np.testing.assert_allclose(kernel.data, want["kernel"].data, atol=1e-6 * want["kernel"].data.max())
    reco = axis.copy(name="energy").downsample(2)
    gauss = EDispKernel.from_gauss(axis, reco, sigma=args["sigma_e"], bias=args["bias"])
    # ours is the exact integral of the Gaussian, Gammapy's comes from a table of migrations
    np.testing.assert_allclose(gauss.pdf_matrix, want["edisp_gauss"].data, atol=3e-4)
    coarse = MapAxis.from_energy_edges(axis.edges[1:-1:2])
    diagonal = EDispKernel.from_diagonal_response(axis, coarse)
    np.testing.assert_allclose(diagonal.pdf_matrix, want["edisp_diagonal"].data, atol=1e-6)
    kernel = EDispMap.from_diagonal_response(axis).get_edisp_kernel(energy_axis=coarse)
    np.testing.assert_allclose(kernel.pdf_matrix, want["edispmap_diagonal"].data, atol=1e-6)
