import json

import pytest

from bayesmap.images import CellCoadd
from tests.golden import shared_path

DIALECTS = {"seed": "coadd.fits", "v1": "coadd_v1.fits"}


def data_file(name):
    return shared_path("data", "cellcoadd", name)


def golden_numbers(name):
    return json.loads(shared_path("golden", "cellcoadd", f"golden_{name}.json").read_text())


@pytest.fixture(scope="session")
def stored():
    """The stored coadd; not to be changed."""
    coadd = CellCoadd.read_fits(data_file("coadd.fits"))
    for plane in (coadd.image, coadd.mask, coadd.variance, *coadd.noise_realizations, *coadd.mask_fractions.values()):
        plane.array.flags.writeable = False
    return coadd


@pytest.fixture
def coadd(stored):
    """A copy of the stored coadd."""
    return stored.copy()
