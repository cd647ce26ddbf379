"""The same lines with Gammapy and with bayesmap: what scripts on reduced data do, as numbers.

``python tests/reference/gammapy_scripts.py`` in an environment with Gammapy writes ``gammapy-2.1-values.json``;
`tests/test_gammapy_scripts.py` runs the lines with bayesmap and compares.
"""

import importlib
import json
import sys
import tempfile
from pathlib import Path

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table
from regions import CircleSkyRegion, EllipseSkyRegion


def maps(package):
    """Maps: resample, reproject, add, reduce, tables, masks, containment."""
    m = importlib.import_module(f"{package}.maps")
    rng = np.random.default_rng(1)
    axis = m.MapAxis.from_energy_bounds("0.1 TeV", "10 TeV", nbin=3)
    geom = m.WcsGeom.create(npix=(12, 10), binsz=0.2, skydir=(83, 22), axes=[axis])
    cube = m.Map.from_geom(geom, data=rng.uniform(1, 2, geom.data_shape), unit="m2")
    other = m.WcsGeom.create(npix=(8, 8), binsz=0.31, skydir=(83.1, 22.1), proj="TAN")
    coarse = m.MapAxis.from_energy_bounds("0.15 TeV", "7 TeV", nbin=2)
    region = CircleSkyRegion(SkyCoord(83.1, 22.1, unit="deg"), 0.5 * u.deg)
    out = {}
    for counts in (False, True):
        out[f"reproject {counts}"] = cube.reproject_to_geom(other, preserve_counts=counts).data
        out[f"by image {counts}"] = cube.reproject_by_image(other, preserve_counts=counts).data
    out["resample"] = cube.resample(other.to_cube([coarse])).data
    out["resample mean"] = cube.resample(other.to_cube([axis]), preserve_counts=False, weights=cube.data > 1.5).data
    added = m.Map.from_geom(other.to_cube([coarse]), unit="cm2", dtype="float64")
    added.coadd(cube)
    out["coadd"] = added.data
    place = {"skycoord": geom.center_skydir, "energy": [0.2, 3] * u.TeV}
    out["integral"] = cube.integral("energy", place).to_value("m2 TeV")
    out["interp"] = cube.interp_by_coord(place)
    out["split"] = [part.data.sum() for part in cube.split_by_axis("energy")]
    out["index"] = list(cube.iter_by_image_index())
    out["reduce"] = cube.reduce("energy", func=np.multiply).data
    matrix = m.RegionNDMap.create(region=None, axes=[axis, m.MapAxis.from_edges([0, 1, 2, 4], name="x")])
    matrix.data = rng.uniform(size=matrix.data.shape)
    out["dot"] = cube.dot(matrix).data
    out["spectrum"] = cube.get_spectrum(region).data
    part, inside = cube.cutout_and_mask_region(region)
    out["cutout"], out["inside"] = part.data, inside.data.astype(int)
    out["sqrt"], out["sum"] = np.asarray(np.sqrt(cube)), np.sum(cube)
    out["equal"] = np.asarray((cube == cube).data, dtype=int)
    out["create mask"] = geom.create_mask("energy", 0.4 * u.TeV).data.astype(int)[:, 0, 0]
    out["idx"] = [i.ravel()[:5] for i in geom.get_idx(idx=(1,))]
    out["coord"] = geom.get_coord(idx=(1,))["energy"].value.ravel()[:3]
    odd = m.WcsGeom.create(npix=(13, 10), binsz=0.2)
    out["even"] = [int(np.squeeze(n)) for n in odd.to_even_npix().npix]
    out["scales"] = m.Map.create(npix=10).geom.pixel_scales.deg
    image = cube.sum_over_axes(keepdims=False)
    image.data = np.exp(-0.5 * ((np.arange(12) - 5.2) ** 2 + (np.arange(10)[:, None] - 4.3) ** 2) / 3)
    out["containment"] = m.containment_radius(image, 0.68, SkyCoord(83.1, 22, unit="deg")).deg
    return out


def axes(package):
    """Axes as tables and headers."""
    m = importlib.import_module(f"{package}.maps")
    energy = m.MapAxis.from_energy_bounds("0.1 TeV", "10 TeV", nbin=3)
    true = m.MapAxis.from_energy_bounds("0.1 TeV", "10 TeV", nbin=2, name="energy_true")
    rad = m.MapAxis.from_edges([0, 0.1, 0.3] * u.deg, name="rad")
    out = {}
    for axis, formats in ((energy, ("ogip", "ogip-sherpa", "gadf-sed", "gadf-dl3")), (true, ("ogip-arf", "gtpsf"))):
        for name in formats:
            table = axis.to_table(format=name)
            out[f"{axis.name} {name}"] = {key: np.ravel(table[key]) for key in table.colnames}
    both = m.MapAxes([energy, rad])
    table = both.to_table()
    out["bands"] = {key: np.ravel(table[key]) for key in table.colnames}
    out["header"] = dict(both.to_header())
    out["round trip"] = m.MapAxes.from_table_hdu(both.to_table_hdu()).names
    out["aligned"] = [energy.is_aligned(energy.slice(slice(1, 3))), energy.is_aligned(true)]
    out["downsample"] = energy.downsample(2, strict=False).edges.value
    return out


def files(package):
    """Region maps and cubes of the Fermi tools in files."""
    m = importlib.import_module(f"{package}.maps")
    axis = m.MapAxis.from_energy_bounds("0.1 TeV", "10 TeV", nbin=3)
    region = CircleSkyRegion(SkyCoord(83.1, 22.1, unit="deg"), 0.5 * u.deg)
    counts = m.RegionNDMap.create(region, axes=[axis])
    counts.data = np.array([33.0, 30.0, 2.0]).reshape(3, 1, 1)
    area = m.RegionNDMap.create(region, axes=[axis.copy(name="energy_true")], unit="m2")
    area.data += 3
    out = {"counts": counts.to_table(format="ogip")["COUNTS"], "rows": len(counts.to_table())}
    with tempfile.TemporaryDirectory() as folder:
        for name, one in (("ogip", counts), ("ogip-arf", area)):
            hdus = [hdu for hdu in one.to_hdulist(format=name) if not isinstance(hdu, fits.PrimaryHDU)]
            fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(f"{folder}/{name}.fits")
            out[name] = m.RegionNDMap.read(f"{folder}/{name}.fits", format=name).data
    geom = m.WcsGeom.create(npix=(4, 3), axes=[axis])
    image = fits.PrimaryHDU(np.ones(geom.data_shape), geom.to_image().wcs.to_header())
    bounds = Table({"CHANNEL": [0, 1, 2], "E_MIN": axis.edges_min.to("keV"), "E_MAX": axis.edges_max.to("keV")})
    cube = m.Map.from_hdulist(fits.HDUList([image, fits.BinTableHDU(bounds, name="EBOUNDS")]))
    out["ccube"] = cube.geom.axes["energy"].edges.to_value("TeV")
    nodes = fits.BinTableHDU(Table({"Energy": axis.center.to_value("MeV")}), name="ENERGIES")
    cube = m.Map.from_hdulist(fits.HDUList([image, nodes]))
    out["template"], out["unit"] = cube.geom.axes["energy_true"].center.to_value("MeV"), str(cube.unit)
    return out


def responses(package):
    """Energy dispersion and point spread functions: bias, thresholds, files of RMF, gtpsf and gtdrm, kernels."""
    m, irf = (importlib.import_module(f"{package}.{name}") for name in ("maps", "irf"))
    models = importlib.import_module(f"{package}.modeling.models")
    energy = m.MapAxis.from_energy_bounds("0.1 TeV", "10 TeV", nbin=6)
    true = m.MapAxis.from_energy_bounds("0.1 TeV", "10 TeV", nbin=8, name="energy_true")
    data = np.exp(-0.5 * ((energy.center.value / true.center.value[:, None] - 1.1) / 0.4) ** 2)
    kernel = irf.EDispKernel(axes=[true, energy], data=data / data.sum(axis=1, keepdims=True) / 1.1)
    out = {"bias": kernel.get_bias(true.center).value, "bias energy": kernel.get_bias_energy(0.2).value}
    out["safe"] = kernel.pdf_in_safe_range(0.3 * u.TeV, 5 * u.TeV)
    out["slice"] = kernel.slice_by_idx({"energy": slice(1, 3)}).data
    out["pad"] = kernel.pad(1, "energy").data
    out["rmf"] = kernel.to_table(format="ogip-arf")["N_GRP"]
    theta, nodes = np.linspace(0, 3, 40), np.geomspace(1e3, 1e5, 5)
    sigma = np.radians(0.5 * (nodes[:, None] / 1e3) ** -0.3)
    psf = np.exp(-0.5 * (np.radians(theta) / sigma) ** 2) / (2 * np.pi * sigma**2)
    hdus = [fits.BinTableHDU(Table({"Energy": nodes, "Exposure": nodes * 1e8, "Psf": psf}), name="PSF")]
    hdus.append(fits.BinTableHDU(Table({"Theta": theta}), name="THETA"))
    matrix = Table({"ENERG_LO": true.edges_min.to_value("MeV"), "ENERG_HI": true.edges_max.to_value("MeV")})
    matrix["MATRIX"] = np.full((8, 6), 0.1)
    drm = fits.BinTableHDU(matrix, name="DRM")
    drm.header["DETCHANS"] = 6
    with tempfile.TemporaryDirectory() as folder:
        kernel.write(f"{folder}/rmf.fits")
        out["read rmf"] = irf.EDispKernel.read(f"{folder}/rmf.fits").data
        fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(f"{folder}/psf.fits")
        fermi = irf.PSFMap.read(f"{folder}/psf.fits", format="gtpsf")
        fits.HDUList([fits.PrimaryHDU(), drm]).writeto(f"{folder}/drm.fits")
        edisp = irf.EDispKernelMap.read(f"{folder}/drm.fits", format="gtdrm")
    out["gtpsf"] = fermi.containment(0.5 * u.deg, nodes * u.MeV).value
    out["write gtpsf"] = fermi.to_hdulist(format="gtpsf")["PSF"].data["Psf"]
    out["gtdrm"], out["gtdrm energy"] = edisp.edisp_map.data, edisp.edisp_map.geom.axes["energy"].edges.value
    geom = m.WcsGeom.create(npix=21, binsz=0.1, axes=[true])
    shape = models.GaussianSpatialModel(sigma="0.2 deg")
    out["psf kernel"] = irf.PSFKernel.from_spatial_model(shape, geom, max_radius=0.8 * u.deg, factor=3).data[0]
    round_psf = irf.PSFMap.from_gauss(true, sigma=0.1 * u.deg).get_psf_kernel(geom, max_radius=0.5 * u.deg)
    out["image"] = round_psf.to_image(exposure=np.arange(1, 9)).data
    return out


def parameters(package):
    """Parameters: scale, scans, bounds, selections, status, plain data."""
    modeling, models = (importlib.import_module(f"{package}.{name}") for name in ("modeling", "modeling.models"))
    model = models.PowerLawSpectralModel(index=2.3, amplitude="3.4e-12 cm-2 s-1 TeV-1")
    amplitude, both = model.amplitude, model.parameters
    amplitude.error = 2e-13
    amplitude.autoscale()
    out = {"scale": [amplitude.factor, amplitude.scale]}
    amplitude.factor, amplitude.scan_n_values = 5, 5
    out["scan"] = [amplitude.value, amplitude.scan_min, amplitude.scan_max, *amplitude.scan_values]
    out["confidence"] = [amplitude.conf_min, amplitude.conf_max]
    amplitude.set_lim(1e-13, 1e-11)
    amplitude.scale_transform = "log"
    amplitude.autoscale()
    out["log"] = [amplitude.scale, amplitude.factor, amplitude.conf_min, amplitude.factor_max]
    out["bounds"], out["types"] = np.nan_to_num([both.min, both.max]), both.types
    out["selected"] = [
        both.select(name="index").names,
        both.select(frozen=True).names,
        both.free_unique_parameters.names,
    ]
    with both.restore_status():
        both["index"].value, both["index"].frozen = 5, True
    out["restored"] = [both["index"].value, both["index"].frozen]
    out["dict"] = modeling.Parameters.from_dict(both.to_dict()).value
    both["index"].prior = models.GaussianPrior(mu=2, sigma=0.1)
    out["prior"] = both.prior_stat_sum()
    return out


def sky_models(package):
    """Models: covariance, selections, regions, templates, backgrounds."""
    m, models = (importlib.import_module(f"{package}.{name}") for name in ("maps", "modeling.models"))
    gauss = models.GaussianSpatialModel(lon_0="83 deg", lat_0="22 deg", sigma="0.2 deg", e=0.5, phi="30 deg")
    disk = models.DiskSpatialModel(lon_0="84 deg", lat_0="22.5 deg", r_0="0.3 deg")
    first = models.SkyModel(models.PowerLawSpectralModel(), gauss, name="a")
    both = models.Models([first, models.SkyModel(models.PowerLawSpectralModel(index=2.5), disk, name="b")])
    first.covariance = np.diag(np.arange(1, 9) * 1e-6)
    out = {"errors": [p.error for p in first.parameters], "shape": both.covariance.data.shape}
    matrix = np.zeros((5, 5))
    matrix[:2, :2] = [[4e-4, 1.5e-4], [1.5e-4, 1e-4]]
    gauss.covariance = matrix
    out["position error"] = [gauss.position_error.height.to_value("deg"), gauss.position_error.width.to_value("deg")]
    out["evaluation region"] = gauss.evaluation_region.height.to_value("deg")
    ellipse = EllipseSkyRegion(SkyCoord(83, 22, unit="deg"), 1 * u.deg, 0.6 * u.deg, angle=20 * u.deg)
    shape = models.DiskSpatialModel.from_region(ellipse)
    out["from region"] = [shape.r_0.quantity.to_value("deg"), shape.e.value, shape.phi.quantity.to_value("deg")]
    true = m.MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3, name="energy_true")
    geom = m.WcsGeom.create(npix=40, binsz=0.05, skydir=(83, 22), axes=[true])
    near = CircleSkyRegion(SkyCoord(83, 22, unit="deg"), 0.3 * u.deg)
    mask = geom.to_image().region_mask([near])
    out["selected"] = [
        both.selection_mask(name_substring="a").astype(int).tolist(),
        both.select_mask(mask).names,
        both.select_mask(mask, use_evaluation_region=False).names,
        both.select_from_geom(geom).names,
        both.select_region(near).names,
        bool(first.contributes(mask)),
    ]
    out["positions"] = both.positions.ra.deg
    out["template"] = both.to_template_sky_model(geom, name="t").spatial_model.map.data
    table = both.to_parameters_table()
    table["value"][0] = 3.0
    both.update_parameters_from_table(table)
    both.set_parameters_bounds(tag="pl", model_type="spectral", parameters_names="index", min=1, max=4)
    out["table"] = [both.parameters[0].value, *both.parameters.select(name="index").min]
    out["index"] = first.spectral_model.spectral_index(2 * u.TeV, epsilon=1e-5)
    background = models.FoVBackgroundModel(dataset_name="d")
    background.spectral_model.norm.value, background.spectral_model.tilt.value = 2, 0.3
    reco = m.WcsGeom.create(npix=4, axes=[m.MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)])
    out["background"] = np.ravel(background.evaluate_geom(reco).value)
    background.reset_to_default()
    template = models.TemplateNPredModel(m.Map.from_geom(reco, data=2.0, dtype="float64"))
    template.spectral_model.norm.value = 1.5
    out["sliced"] = template.slice_by_energy(2 * u.TeV, 10 * u.TeV).map.data
    template.stack(models.TemplateNPredModel(m.Map.from_geom(reco, data=1.0, dtype="float64")))
    out["stacked"] = [background.spectral_model.norm.value, template.map.data.sum(), template.spectral_model.norm.value]
    return out


def light_curves(package):
    """Variability of light curves."""
    stats = importlib.import_module(f"{package}.stats")
    rng = np.random.default_rng(0)
    flux, error = rng.uniform(1, 3, (20, 2)), rng.uniform(0.05, 0.1, (20, 2))
    time = np.cumsum(rng.uniform(0.5, 2, 20)) * u.d
    flux[3, 1] = np.nan
    doubling = stats.compute_flux_doubling(flux[:, :1], error[:, :1], time)
    function, distances = stats.structure_function(flux, error, np.round(time))
    lags, correlation, correlation_error = stats.discrete_correlation(
        flux, error, flux[::-1], error[::-1], time, time, 3 * u.d
    )
    return {
        "fvar": stats.compute_fvar(flux, error),
        "fpp": stats.compute_fpp(flux, error),
        "chisq": stats.compute_chisq(flux[:, 0]),
        "doubling": {key: np.ravel(getattr(value, "value", value)) for key, value in doubling.items()},
        "structure": function,
        "distances": distances.value,
        "lags": lags.value,
        "correlation": np.nan_to_num([correlation, correlation_error]),
    }


SCRIPTS = (maps, axes, files, responses, parameters, sky_models, light_curves)


def plain(value):
    """Numbers as lists of plain ones."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    value = getattr(value, "value", value)
    if isinstance(value, np.ndarray) and value.size > 40:  # sums and a few values
        flat = np.nan_to_num(np.asarray(value, dtype="float64").ravel())
        weights = np.cos(np.arange(flat.size))
        return {"shape": list(value.shape), "sum": float(flat.sum()), "weighted": float(flat @ weights)}
    if isinstance(value, np.ndarray | np.generic):
        return np.nan_to_num(value).tolist() if np.asarray(value).dtype.kind == "f" else np.asarray(value).tolist()
    return value


if __name__ == "__main__":
    import gammapy

    result = {script.__name__: plain(script("gammapy")) for script in SCRIPTS}
    target = Path(__file__).with_name("gammapy-2.1-values.json")
    target.write_text(json.dumps({"gammapy": gammapy.__version__, "values": result}, indent=0) + "\n")
    sys.stderr.write(f"{target}\n")
