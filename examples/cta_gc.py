"""The Galactic centre in CTA's first data challenge: from a FITS file to a posterior, and pictures of both.

    python cta_gc.py [DATASET] [FOLDER]

DATASET is ``cta-1dc-gc.fits.gz``; by default it is looked for in the folder that the environment variable
BAYESMAP_DATA names, else in ``../shared/data`` beside the repository. Pictures go to FOLDER, ``cta-gc`` by default.
"""

import os
import sys
from pathlib import Path

import astropy.units as u
import matplotlib.pyplot as plt
from astropy.coordinates import SkyCoord
from regions import CircleSkyRegion

import bayesmap as bm
from bayesmap.modeling import PointSpatialModel, PowerLawSpectralModel
from bayesmap.plot import plot_corner, plot_posterior_predictive, plot_significance, plot_spectrum_posterior

DATA = Path(os.environ.get("BAYESMAP_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


def main(path, folder):
    """Sample the posterior and draw three figures."""
    folder.mkdir(parents=True, exist_ok=True)
    center = SkyCoord(0, 0, unit="deg", frame="galactic")
    dataset = bm.MapDataset.read(path, name="cta-gc").cutout(center, 4 * u.deg, name="cta-gc")

    spatial = PointSpatialModel(lon_0="0 deg", lat_0="0 deg", frame="galactic")
    source = bm.SkyModel(spectral_model=PowerLawSpectralModel(), spatial_model=spatial, name="gc")
    dataset.models = [source, bm.FoVBackgroundModel(dataset_name="cta-gc")]

    tree = bm.sample(dataset, draws=500, chains=2, random_state=1, progress_bar=False)
    print(bm.convergence_report(tree))
    for name, draws in tree["posterior"].data_vars.items():
        print(f"{name:20} {float(draws.mean()):12.5g} +- {float(draws.std()):<10.2g} {draws.attrs['units']}")
    bm.save(tree, folder / "posterior.nc")

    npred = bm.posterior_npred(tree, dataset, num_draws=50)
    ax = plot_significance(dataset, npred=npred)
    ax.set_title("residual significance, 0.1 deg disks")
    ax.figure.savefig(folder / "significance.png", dpi=120)

    region = CircleSkyRegion(center, 0.2 * u.deg)
    fig, (top, bottom) = plt.subplots(2, 1, sharex=True, height_ratios=(3, 1), layout="constrained")
    plot_posterior_predictive(tree, dataset, region, top)
    plot_posterior_predictive(tree, dataset, region, bottom, relative=True)
    top.set_title("counts within 0.2 deg of the Galactic centre")
    fig.savefig(folder / "predictive.png", dpi=120)

    fig, ax = plt.subplots(layout="constrained")
    plot_spectrum_posterior(tree, source, ("0.1 TeV", "10 TeV"), ax).legend()
    fig.savefig(folder / "spectrum.png", dpi=120)

    names = [name for name in tree["posterior"].data_vars if name.startswith("gc.")]
    plot_corner(tree, names)[0, 0].figure.savefig(folder / "corner.png", dpi=120)
    print(f"pictures and posterior are in {folder}")


if __name__ == "__main__":
    arguments = [Path(argument) for argument in sys.argv[1:]]
    defaults = [DATA / "cta-1dc-gc" / "cta-1dc-gc.fits.gz", Path("cta-gc")]
    main(*arguments, *defaults[len(arguments) :])
