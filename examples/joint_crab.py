"""The Crab nebula with five instruments: one spectrum, ten ON/OFF datasets, one posterior.

    python joint_crab.py [--background marginal|profile] [--data FOLDER] [--output FOLDER]

Spectra of Fermi-LAT, MAGIC, VERITAS, FACT and H.E.S.S. in OGIP format, published with Nigro et al. 2019, A&A 625, A10;
they are looked for in the folder that the environment variable BAYESMAP_DATA names, else in ``../shared/data`` beside
the repository. The background of every bin is integrated out; "profile" maximises it instead, as the publication did.
"""

import argparse
import os
from pathlib import Path

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np

import bayesmap as bm
from bayesmap.datasets import SpectrumDatasetOnOff
from bayesmap.likelihoods import OnOffLikelihood
from bayesmap.modeling import LogParabolaSpectralModel
from bayesmap.plot import plot_corner, plot_spectrum_posterior

DATA = Path(os.environ.get("BAYESMAP_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
#: energy ranges of the publication, in TeV
RANGES = {"fermi": (0.03, 2), "magic": (0.08, 30), "veritas": (0.15, 30), "fact": (0.4, 30), "hess": (0.66, 30)}
PUBLISHED = {"amplitude": (38.49e-12, 1.14e-12), "alpha": (2.505, 0.026), "beta": (0.236, 0.025)}


def read(folder, background):
    """All spectra of all instruments, each in the energy range of its instrument."""
    datasets = bm.Datasets()
    for instrument, (low, high) in RANGES.items():
        for path in sorted((folder / instrument).glob("pha_*.fits")):
            dataset = SpectrumDatasetOnOff.read(path, name=f"{instrument}-{path.stem}")
            dataset.mask_fit = dataset.counts.geom.energy_mask(low * u.TeV, high * u.TeV)
            dataset.likelihood = OnOffLikelihood(background)
            datasets.append(dataset)
    return datasets


def main(folder, output, background):
    """Sample the joint posterior, print it beside the published fit, and draw two figures."""
    output.mkdir(parents=True, exist_ok=True)
    datasets = read(folder, background)
    spectrum = LogParabolaSpectralModel(reference="1 TeV", amplitude="1e-11 cm-2 s-1 TeV-1")
    crab = bm.SkyModel(spectral_model=spectrum, name="crab")
    datasets.models = [crab]
    print(datasets.info_table()["name", "counts", "excess", "sqrt_ts"])

    tree = bm.sample(datasets, random_state=1, progress_bar=False)
    print(bm.convergence_report(tree))
    for name, (value, error) in PUBLISHED.items():
        draws = tree["posterior"][f"crab.{name}"].to_numpy() * (np.log(10) if name == "beta" else 1)
        print(f"{name:10} {draws.mean():.4g} +- {draws.std():.2g}   published {value:.4g} +- {error:.2g}")
    bm.save(tree, output / "posterior.nc")

    fig, ax = plt.subplots(layout="constrained")
    plot_spectrum_posterior(tree, crab, ("0.03 TeV", "30 TeV"), ax)
    ax.set_title("Crab nebula, five instruments")
    fig.savefig(output / "spectrum.png", dpi=120)
    plot_corner(tree)[0, 0].figure.savefig(output / "corner.png", dpi=120)
    print(f"pictures and posterior are in {output}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--background", choices=("marginal", "profile"), default="marginal")
    parser.add_argument("--data", type=Path, default=DATA / "joint-crab" / "spectra")
    parser.add_argument("--output", type=Path, default=Path("joint-crab"))
    options = parser.parse_args()
    main(options.data, options.output, options.background)
