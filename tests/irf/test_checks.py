"""What the values of responses may be, in files, on assignment and in use."""

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits

from bayesmap.datasets import MapDataset
from bayesmap.errors import FormatError
from bayesmap.irf import EDispKernelMap, EDispMap, PSFMap
from bayesmap.irf.checks import impossible_values
from bayesmap.maps import Map, MapAxis, WcsGeom
from bayesmap.modeling import PointSpatialModel, PowerLawSpectralModel, SkyModel

ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
TRUE = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=6, name="energy_true")
IMAGE = WcsGeom.create(npix=(5, 4), binsz=0.5, skydir=(83.6, 22.0), proj="TAN")
MIGRA = MapAxis.from_bounds(0.2, 5, nbin=20, name="migra")


def migrations():
    geom = IMAGE.to_cube([MIGRA, TRUE])
    edisp = EDispMap.from_geom(geom)
    edisp.edisp_map.data += 1
    edisp.exposure_map.data += 1
    edisp.normalize()
    return edisp


RESPONSES = {
    "edisp": lambda: EDispKernelMap.from_gauss(ENERGY, TRUE, sigma=0.1, bias=0, geom=IMAGE),
    "edisp of migrations": migrations,
    "psf": lambda: PSFMap.from_gauss(TRUE, sigma="0.1 deg", geom=IMAGE),
}


def changed(name, how):
    response = RESPONSES[name]()
    how(response._irf_map.data)
    return response


def fill(value, *index):
    def change(data):
        data[index or ...] = value

    return change


BAD = [
    (fill(np.nan), "not finite in"),
    (fill(np.nan, 0, 0, 0, 0), "not finite in 1 of"),
    (fill(np.inf, 1, 0), "not finite in 20 of"),
    (fill(-1.0, 2, 0, 3, 4), r"negative in 1 of .* first at index \(2, 0, 3, 4\) with value"),
]


@pytest.mark.parametrize("name", RESPONSES)
@pytest.mark.parametrize(("how", "message"), BAD, ids=[message[:14] for _, message in BAD])
def test_impossible(name, how, message):
    response = changed(name, how)
    key = name.split()[0]
    with pytest.raises(ValueError, match=f"dataset 'd': {key} is {message}"):
        MapDataset(name="d", **{key: response})


@pytest.mark.parametrize("name", ["edisp", "edisp of migrations"])
def test_rows_are_probabilities(name):
    response = changed(name, lambda data: np.multiply(data, 2, out=data))
    assert impossible_values(response).startswith("no probability: ")
    for factor in (0.1, 1.01):  # energies that are not reconstructed, tables of real instruments
        assert not impossible_values(changed(name, lambda data, f=factor: np.multiply(data, f, out=data)))


@pytest.mark.parametrize("name", RESPONSES)
def test_possible(name):
    assert not impossible_values(RESPONSES[name]())
    assert not impossible_values(changed(name, fill(0.0)))
    assert not impossible_values(changed(name, fill(np.nan, slice(None), slice(None), 0)))  # unknown at the edge
    assert not impossible_values(changed(name, lambda data: data.__setitem__((0, 0, 0, 0), -1e-9 * data.max())))
    response = changed(name, fill(np.nan, 0))
    response.exposure_map.data[0] = 0
    assert not impossible_values(response)


def dataset():
    geom = IMAGE.to_cube([ENERGY])
    true = IMAGE.to_cube([TRUE])
    return MapDataset(
        counts=Map.from_geom(geom),
        exposure=Map.from_geom(true, data=np.full(true.data_shape, 1e9), unit="m2 s"),
        edisp=RESPONSES["edisp"](),
        psf=RESPONSES["psf"](),
        name="d",
    )


@pytest.mark.parametrize("hdu", ["EDISP", "PSF"])
@pytest.mark.parametrize("factor", [-1.0, np.nan])
def test_files(tmp_path, hdu, factor):
    path = tmp_path / "d.fits"
    dataset().write(path)
    with fits.open(path, mode="update") as hdus:
        hdus[hdu].data = hdus[hdu].data * factor
    with pytest.raises(FormatError, match=f"d.fits: HDU '{hdu}' is (negative|not finite)"):
        MapDataset.read(path)
    lazy = MapDataset.read(path, lazy=True, name="d")
    with pytest.raises(ValueError, match=f"'d': {hdu.lower()} is (negative|not finite)"):
        getattr(lazy, hdu.lower())


@pytest.mark.parametrize("factor", [2.0, -1.0, np.nan])
def test_changes_in_place_are_noticed(factor):
    data = dataset()
    source = PointSpatialModel(lon_0=83.6 * u.deg, lat_0=22 * u.deg)
    data.models = [SkyModel(PowerLawSpectralModel(), source, name="s")]
    data.edisp.edisp_map.data *= factor
    with pytest.raises(ValueError, match="dataset 'd': edisp (has values|is no probability)"):
        data.npred_signal()
