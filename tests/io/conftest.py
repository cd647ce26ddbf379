"""Components of a tiny dataset: 3 x 4 x 5 bins, 4 true energies."""

import astropy.units as u
import numpy as np
import pytest
from astropy.table import Table

from bayesmap.irf import GTI, EDispKernelMap, PSFMap
from bayesmap.maps import Map, MapAxis, WcsGeom

ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
TRUE = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=4, name="energy_true")


@pytest.fixture
def components():
    image = WcsGeom.create(skydir=(83.6, 22.0), npix=(5, 4), binsz=0.1, proj="TAN")
    geom, true = image.to_cube([ENERGY]), image.to_cube([TRUE])
    random = np.random.default_rng(1)
    safe = np.ones(geom.data_shape, dtype=bool)
    safe[0, :, 0] = False
    return {
        "name": "tiny",
        "counts": Map.from_geom(geom, data=random.poisson(2, geom.data_shape).astype("float32"), unit=""),
        "background": Map.from_geom(geom, data=random.uniform(1, 2, geom.data_shape), unit=""),
        "exposure": Map.from_geom(
            true, data=random.uniform(1, 2, true.data_shape), unit="m2 s", meta={"livetime": 3.5 * u.h}
        ),
        "psf": PSFMap.from_gauss(TRUE, sigma="0.1 deg", geom=image.downsample(1)),
        "edisp": EDispKernelMap.from_gauss(ENERGY, TRUE, sigma=0.1, bias=0, geom=image),
        "mask_safe": Map.from_geom(geom, data=safe, unit=""),
        "mask_fit": Map.from_geom(geom, data=safe[:, ::-1], unit=""),
        "gti": GTI.create([0, 100] * u.s, [50, 200] * u.s),
        "meta_table": Table({"OBS_ID": [7], "TELESCOP": ["HESS"]}),
        "meta": {"instrument": "H.E.S.S.", "comment": "a long text " * 20},
    }
