"""Make docs/landing.png: counts of a simulated field, the posterior of a source in it, and its spectrum."""

import warnings
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
from astropy.coordinates import SkyCoord
from make_figures import save

from bayesmap import FoVBackgroundModel, Models, SkyModel, sample
from bayesmap.datasets.demo import demo_dataset
from bayesmap.plot import plot_spectrum_posterior

field = demo_dataset(random_state=1)
dataset = field.cutout(SkyCoord(24.5, 0.2, unit="deg", frame="galactic"), "1 deg", name="run")
source = SkyModel.create("pl", "point", name="bright")
source.spatial_model.frame = "galactic"
source.spatial_model.lon_0.quantity, source.spatial_model.lat_0.quantity = "24.5 deg", "0.2 deg"
dataset.models = Models([source, FoVBackgroundModel(dataset_name="run")])
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    tree = sample(dataset, random_state=1, progress_bar=False)

figure = plt.figure(figsize=(13, 3.6), layout="constrained")
counts = field.counts.sum_over_axes().smooth("0.05 deg")
sky = figure.add_subplot(1, 3, 1, projection=counts.geom.wcs)
counts.plot(ax=sky, stretch="sqrt", add_cbar=False)
sky.set_title("counts")
scatter = figure.add_subplot(1, 3, 2)
draws = tree["posterior"]
scatter.plot(
    draws["bright.index"].values.ravel(), 1e12 * draws["bright.amplitude"].values.ravel(), ".", ms=2, alpha=0.4
)
scatter.set(xlabel="index", ylabel=r"amplitude [$10^{-12}$ cm$^{-2}$ s$^{-1}$ TeV$^{-1}$]", title="posterior")
spectrum = plot_spectrum_posterior(tree, source, ("0.1 TeV", "30 TeV"), figure.add_subplot(1, 3, 3))
spectrum.set_title("spectrum, 68 % and 95 %")
save(Path(__file__).parent / "landing.png")
