"""Posteriors of images hold the truth as often as they say: 50 simulated scenes of two sources, a stored one (slow)."""

import sys
import time

import astropy.units as u
import numpy as np
import pytest
from scipy.stats import binom

from bayesmap.datasets import ImageDataset
from bayesmap.images import Image, MaskedImage
from bayesmap.inference import compile_fit, convergence_report, sample, sample_prior
from bayesmap.inference.observations import facts_of
from bayesmap.modeling import ExponentialSpatialModel, PointSpatialModel, Prior
from tests.scenes import at, source, stored_coadd, true_models

SCENES = 50
#: central intervals of the posterior, and how often the truth should be inside
LEVELS = (0.5, 0.8, 0.95)


def two_sources():
    """A star and a galaxy 8 pixels apart beside the corner of four cells, with priors to draw the truth from."""
    dataset = ImageDataset(stored_coadd().absolute[13065:13095, 9825:9855], name="r")
    star = source(at(dataset, PointSpatialModel, 9837.3, 13081.6), 1000, "star")
    galaxy = source(at(dataset, ExponentialSpatialModel, 9843.1, 13076.2, r_eff=0.6 * u.arcsec), 3000, "galaxy")
    for model in (star, galaxy):
        model.spectral_model.flux.prior = Prior("LogNormal", mu=np.log(model.spectral_model.flux.value), sigma=0.4)
        for p in (model.spatial_model.lon_0, model.spatial_model.lat_0):
            p.prior = Prior("Normal", mu=p.value, sigma=0.2 / 3600)
    shape = galaxy.spatial_model
    shape.r_eff.prior = Prior("LogNormal", mu=np.log(0.6), sigma=0.3)
    shape.q.prior = Prior("Uniform", lower=0.2, upper=0.9)
    shape.phi.prior = Prior("Uniform", lower=-90, upper=90)
    dataset.models = [star, galaxy]
    return dataset


def level_of(name, draws, true):
    """Smallest central interval of the draws that holds the truth, as a probability; of angles, around their axis."""
    if name.endswith("phi"):
        axis = np.rad2deg(np.angle(np.exp(2j * np.deg2rad(draws)).mean())) / 2
        away = [abs((angle - axis + 90) % 180 - 90) for angle in (draws, true)]
        return np.mean(away[0] < away[1])
    return abs(2 * np.mean(draws < true) - 1)


def simulated_levels(scenes, seed):
    """`level_of` each parameter in each scene, whose true values are draws of the prior."""
    dataset = two_sources()
    prior = sample_prior(dataset, draws=scenes, random_state=seed).prior
    parameters = {f"{m.name}.{p.name}": p for m in dataset.models for p in m.parameters.free_parameters}
    levels = {name: [] for name in parameters}
    for scene in range(scenes):
        true = {name: float(prior[name].values[0, scene]) for name in parameters}
        for name, p in parameters.items():
            p.value = true[name]
        simulated = ImageDataset(dataset.fake(random_state=1000 * seed + scene), dataset.models, name="r")
        tree = sample(simulated, draws=500, chains=2, random_state=scene, progress_bar=False)
        for name in parameters:
            levels[name].append(level_of(name, tree.posterior[name].values.ravel(), true[name]))
    return {name: np.array(found) for name, found in levels.items()}


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.filterwarnings("ignore:2 modes of comparable mass:UserWarning")  # angles of galaxies that look round
def test_coverage(capsys):
    levels = simulated_levels(SCENES, 7)
    everything = np.concatenate(list(levels.values()))
    rows = [(name, *(np.mean(found <= level) for level in LEVELS)) for name, found in levels.items()]
    with capsys.disabled():
        sys.stdout.writelines("| {} | {:.2f} | {:.2f} | {:.2f} |\n".format(*row) for row in rows)
    for level in LEVELS:
        for name, found in levels.items():
            inside = int((found <= level).sum())
            assert min(binom.cdf(inside, SCENES, level), binom.sf(inside - 1, SCENES, level)) > 1e-3, (name, level)
        assert np.mean(everything <= level) == pytest.approx(
            level, abs=4 * np.sqrt(level * (1 - level) / everything.size)
        )


def distance(name, draws, true):
    """Between mean and truth in standard deviations; of angles, around their axis."""
    if name.endswith("phi"):
        axis = np.rad2deg(np.angle(np.exp(2j * np.deg2rad(draws)).mean())) / 2
        draws, true = ((angle - axis + 90) % 180 - 90 for angle in (draws, true))
    return (draws.mean() - true) / draws.std()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_stored_scene(capsys):
    """All 96 parameters of 20 sources. One star lies in a missing cell: its flux has a prior, as no data tell it."""
    models = true_models()
    true = {f"{m.name}.{p.name}": p.value for m in models for p in m.parameters.free_parameters}
    hidden = next(m for m in models if m.name == "s8").spectral_model.flux
    hidden.prior = Prior("LogNormal", mu=np.log(hidden.value), sigma=0.5)
    fit = compile_fit(ImageDataset(stored_coadd(), models, name="coadd"))
    assert fit.density.size == len(true) == 96
    clock = [time.perf_counter(), time.process_time()]
    tree = fit.sample(draws=1400, tune=400, chains=2, random_state=1, progress_bar=False)
    seconds = time.perf_counter() - clock[0], time.process_time() - clock[1]
    report = convergence_report(tree)
    away = np.array([distance(name, tree.posterior[name].values.ravel(), value) for name, value in true.items()])
    with capsys.disabled():
        sys.stdout.write(
            "{:.0f} s, {:.0f} CPU s, rms {:.2f} sd\n{}\n".format(*seconds, np.sqrt(np.mean(away**2)), report)
        )
    assert max(report.rhat.values()) < 1.01
    assert np.mean(abs(away) < 3) >= 0.95
    assert np.sqrt(np.mean(away**2)) == pytest.approx(1, abs=4 / np.sqrt(2 * away.size))


def star_by_cells(coadd, x, y):
    """A star of flux 1, drawn anew: in each pixel the kernel of its cell, moved by a Lanczos-5 filter."""
    image = Image(0.0, bbox=coadd.bbox, dtype="float64")

    def taps(pixels, center):
        t = pixels[:, None] - np.arange(-12, 13) - center
        lanczos = [np.where(abs(a) < 5, np.sinc(a) * np.sinc(a / 5), 0) for a in (t, np.arange(-5, 6) - center % 1)]
        return lanczos[0] / lanczos[1].sum()

    for cell in coadd.bounds.cell_indices():
        box = coadd.grid.bbox_of(cell).intersection(coadd.bbox)
        image[box].array = taps(box.y.arange, y) @ coadd.psf[cell].array @ taps(box.x.arange, x).T
    return image.array


def biases(dataset, right, flux):
    """Biases of flux and position in standard deviations, to first order, of data that are ``right``."""
    parameters = list(dataset.models.parameters)
    image = facts_of(dataset).observe(parameters).predicted
    at_truth = np.array([p.internal for p in parameters])
    steps = np.diag([flux / 100, 1e-9, 1e-9])
    columns = [(image(*(at_truth + s)) - image(*(at_truth - s))) / (2 * s.sum()) for s in steps]
    mask, sigma = dataset.mask, dataset.sigma[dataset.mask]
    slopes = np.array([column[mask] / sigma for column in columns])
    deviations = (right - image(*at_truth))[mask] / sigma
    covariance = np.linalg.inv(slopes @ slopes.T)
    return covariance @ slopes @ deviations / np.sqrt(np.diag(covariance))


def test_star_on_a_corner_is_not_biased():
    """With the PSF of its own cell everywhere it would be, by several standard deviations."""
    part, flux = stored_coadd().absolute[13065:13095, 9825:9855], 2e4
    dataset = ImageDataset(part, name="r")
    star = source(at(dataset, PointSpatialModel, 9839.5, 13079.5), flux, "star")
    dataset.models = [star]
    right = flux * star_by_cells(part, 9839.5, 13079.5)
    assert abs(biases(dataset, right, flux)).max() < 1e-3
    image = MaskedImage(part.image, mask=part.mask, variance=part.variance)
    kernel = part.psf.compute_kernel_image(x=9839.5, y=13079.5).array
    assert abs(biases(ImageDataset(image, [star], psf=kernel, name="r"), right, flux)).max() > 5
