"""Credible regions: they hold the share of the draws that they say, anywhere on the sphere, and in files."""

import astropy.units as u
import numpy as np
import pytest
import regions
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from bayesmap.maps import RegionGeom
from bayesmap.maps.region_fits import read_region_geom
from bayesmap.modeling import Models, SkyModel
from bayesmap.products import extension_regions, position_regions
from tests.products.trees import tree_of

CENTERS = [(83.63, 22.01), (359.999, -2.0), (0.001, 40.0), (12.0, 89.99), (200.0, -89.995)]


def source(shape="point", frame="icrs"):
    model = SkyModel.create("pl", shape, name="crab")
    model.spatial_model.frame = frame
    return model


def around(center, plane):
    """Coordinates of points (east, north) in deg in the plane that touches the sphere at a centre, shape (2, 1000)."""
    middle = SkyCoord(*center, unit="deg")
    wcs = tangent_wcs(middle)
    lon, lat = wcs.wcs_pix2world(-plane[0] / 1e-4, plane[1] / 1e-4, 0)
    return lon.reshape(2, -1) * u.deg, lat.reshape(2, -1) * u.deg


def tangent_wcs(center):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.cdelt, wcs.wcs.crpix = ["RA---TAN", "DEC--TAN"], [-1e-4, 1e-4], [1, 1]
    wcs.wcs.crval = center.ra.deg, center.dec.deg
    return wcs


def normal(center, n=4000, covariance=((4e-4, 3e-4), (3e-4, 6.25e-4)), seed=2):
    """Draws with standard deviations of 0.02 deg to the east and 0.025 deg to the north, correlated."""
    return around(center, np.random.default_rng(seed).multivariate_normal([0, 0], covariance, n).T)


def share(parts, lon, lat, center):
    """Share of directions inside of any of some regions."""
    points, wcs = SkyCoord(lon.ravel(), lat.ravel()), tangent_wcs(SkyCoord(*center, unit="deg"))
    return np.any([part.contains(points, wcs) for part in parts], axis=0).mean()


def position_tree(lon, lat, model=None):
    return tree_of({"crab.lon_0": lon, "crab.lat_0": lat}, Models([model or source()]))


@pytest.mark.parametrize("center", CENTERS)
@pytest.mark.parametrize("kind", ["ellipse", "contour"])
def test_regions_hold_their_share_of_the_draws(center, kind):
    """A turned ellipse of the wrong handedness would hold 45 % in place of 68 %."""
    lon, lat = normal(center)
    found = position_regions(position_tree(lon, lat), "crab", kind=kind)
    assert found.levels == (0.39, 0.68, 0.95, 0.99)
    for level, parts in zip(found.levels, found.regions, strict=True):
        assert share(parts, lon, lat, center) == pytest.approx(level, abs=0.002 if kind == "ellipse" else 0.006)
    assert found.center.separation(SkyCoord(*center, unit="deg")) < 0.0015 * u.deg


def test_an_ellipse_of_normal_draws_has_the_axes_of_the_covariance():
    """1 - exp(-1/2) = 0.3935 of a normal distribution lies within one standard deviation; errors of 1.1 % each."""
    lon, lat = normal((83.63, 22.01), 40000)
    [[ellipse]] = position_regions(position_tree(lon, lat), source(), levels=[1 - np.exp(-0.5)]).regions
    values, axes = np.linalg.eigh([[4e-4, 3e-4], [3e-4, 6.25e-4]])
    assert ellipse.width.to_value("deg") == pytest.approx(2 * np.sqrt(values[1]), rel=0.02)
    assert ellipse.height.to_value("deg") == pytest.approx(2 * np.sqrt(values[0]), rel=0.02)
    position_angle = np.degrees(np.arctan2(axes[0, 1], axes[1, 1])) % 180
    assert (ellipse.angle.to_value("deg") - 90) % 180 == pytest.approx(position_angle, abs=2)


def test_containment_radius_of_a_round_posterior():
    """sqrt(-2 ln(1 - p)) standard deviations, by the Rayleigh distribution."""
    lon, lat = normal((83.63, 22.01), 40000, np.eye(2) * 1e-4)
    found = position_regions(position_tree(lon, lat), "crab", levels=[0.68, 0.95])
    np.testing.assert_allclose(found.radii.to_value("deg"), 0.01 * np.sqrt(-2 * np.log([0.32, 0.05])), rtol=0.015)
    assert "95 %: 1.4" in str(found)


def test_contours_follow_islands_and_holes():
    rng = np.random.default_rng(3)
    islands = rng.normal(0, 0.003, size=(2, 4000))
    islands[0] += rng.choice([-0.03, 0.03], 4000)
    lon, lat = around((0.0, 10.0), islands)
    found = position_regions(position_tree(lon, lat), "crab", levels=[0.68], kind="contour")
    assert len(found.regions[0]) == 2
    angle, radius = rng.uniform(0, 2 * np.pi, 4000), rng.normal(0.03, 0.002, 4000)
    lon, lat = around((0.0, 10.0), radius * np.stack([np.cos(angle), np.sin(angle)]))
    found = position_regions(position_tree(lon, lat), "crab", levels=[0.95], kind="contour")
    assert share(found.regions[0], lon, lat, (0.0, 10.0)) == pytest.approx(0.95, abs=0.006)
    assert share(found.regions[0], np.zeros((1, 1)) * u.deg, np.full((1, 1), 10) * u.deg, (0.0, 10.0)) == 0


@pytest.mark.parametrize("kind", ["ellipse", "contour"])
def test_files_hold_the_regions(tmp_path, kind):
    center = (359.999, 22.0)
    lon, lat = normal(center)
    found = position_regions(position_tree(lon, lat), "crab", levels=[0.68, 0.95], kind=kind)
    found.write(tmp_path / "crab.reg")
    back = regions.Regions.read(tmp_path / "crab.reg", format="ds9")
    assert [part.meta["text"] for part in back] == ["position of crab 68 %", "position of crab 95 %"]
    for level, part in zip(found.levels, back, strict=True):
        assert share([part], lon, lat, center) == pytest.approx(level, abs=0.006)
    found.write(tmp_path / "crab.fits")
    with fits.open(tmp_path / "crab.fits") as hdulist:
        for level in found.levels:
            name = f"LEVEL_{100 * level:g}_REGION"
            assert hdulist[name].header["LEVEL"] == level
            geom = read_region_geom(hdulist, name, [])
            assert isinstance(geom, RegionGeom)
            inside = geom.contains(SkyCoord(lon.ravel(), lat.ravel()))
            assert np.mean(inside) == pytest.approx(level, abs=0.006)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        found.write(tmp_path / "crab.reg")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        found.write(tmp_path / "crab.fits")
    with pytest.raises(ValueError, match=r"\.fits, \.fits\.gz or \.reg"):
        found.write(tmp_path / "crab.txt")
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        found.write(tmp_path / "absent" / "crab.reg")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["crab.fits", "crab.reg"]


def test_galactic_positions_stay_galactic():
    lon, lat = normal((0.0, 0.0))
    found = position_regions(position_tree(lon, lat, source(frame="galactic")), "crab")
    assert found.center.frame.name == "galactic"
    assert found.regions[0][0].center.frame.name == "galactic"


def test_extension_is_a_ring_or_a_circle():
    rng = np.random.default_rng(5)
    lon, lat = normal((0.0005, 22.0))
    model = source("gauss")
    positions = {"crab.lon_0": lon, "crab.lat_0": lat}
    tree = tree_of({**positions, "crab.sigma": rng.normal(0.2, 0.01, (2, 2000)) * u.deg}, Models([model]))
    found = extension_regions(tree, "crab", levels=[0.68, 0.95])
    ring = found.regions[1][0]
    # the shortest interval of 95 % of a normal distribution, its ends within the scatter of 4000 draws
    assert ring.inner_radius.to_value("deg") == pytest.approx(0.2 - 0.0196, abs=0.002)
    assert ring.outer_radius.to_value("deg") == pytest.approx(0.2 + 0.0196, abs=0.002)
    assert ring.center.separation(SkyCoord(0.0005, 22.0, unit="deg")) < 0.002 * u.deg
    tree = tree_of({**positions, "crab.sigma": rng.exponential(0.02, (2, 2000)) * u.deg}, Models([model]))
    [[circle]] = extension_regions(tree, "crab", levels=[0.95]).regions
    assert circle.radius.to_value("deg") == pytest.approx(0.02 * np.log(20), rel=0.1)
    with pytest.raises(ValueError, match="'crab' has no free extension"):
        extension_regions(position_tree(lon, lat), "crab")


def test_what_has_no_region():
    lon, lat = normal((83.63, 22.01))
    with pytest.raises(KeyError, match="no source 'crap'.*did you mean 'crab'.*valid"):
        position_regions(position_tree(lon, lat), "crap")
    frozen = source()
    frozen.spatial_model.freeze()
    with pytest.raises(ValueError, match="'crab' has no free position: lon_0"):
        position_regions(tree_of({"crab.index": lon.value * u.one}, Models([frozen])), "crab")
    with pytest.raises(ValueError, match="does not vary in two directions"):
        position_regions(position_tree(lon, 0 * lat), "crab")
    with pytest.raises(ValueError, match="spread over a hemisphere"):
        position_regions(
            position_tree(lon * 0 + np.linspace(0, 360, 4000).reshape(2, -1) * u.deg, lat - 22 * u.deg), "crab"
        )
    with pytest.raises(ValueError, match="80 draws are too few for a region of 99 %, which needs 1000"):
        position_regions(position_tree(lon[:, :40], lat[:, :40]), "crab")
    with pytest.raises(ValueError, match="probabilities between 0 and 1"):
        position_regions(position_tree(lon, lat), "crab", levels=[68])
    with pytest.raises(ValueError, match="kind must be one of"):
        position_regions(position_tree(lon, lat), "crab", kind="circle")
