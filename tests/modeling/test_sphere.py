"""Spherical geometry against astropy."""

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord

from bayesmap.modeling.formulas import sphere
from bayesmap.modeling.formulas.evaluate import evaluate


def random_positions(rng, n=500):
    lon, lat = rng.uniform(-360, 360, n), np.rad2deg(np.arcsin(rng.uniform(-1, 1, n)))
    near = 10 ** rng.uniform(-7, 2, n)
    angle = rng.uniform(0, 360, n)
    other = SkyCoord(lon, lat, unit="deg").directional_offset_by(angle * u.deg, near * u.deg)
    return lon, lat, other.ra.deg, other.dec.deg


def test_separation_and_direction(rng):
    lon_0, lat_0, lon, lat = random_positions(rng)
    one, two = SkyCoord(lon_0, lat_0, unit="deg"), SkyCoord(lon, lat, unit="deg")
    separation, angle = one.separation(two).rad, one.position_angle(two).rad
    np.testing.assert_allclose(
        evaluate(sphere.one_minus_cos, lon, lat, lon_0, lat_0), 2 * np.sin(separation / 2) ** 2, rtol=1e-6, atol=1e-17
    )
    np.testing.assert_allclose(evaluate(sphere.separation, lon, lat, lon_0, lat_0), np.rad2deg(separation), rtol=1e-6)
    east, north = evaluate(_east, lon, lat, lon_0, lat_0), evaluate(_north, lon, lat, lon_0, lat_0)
    scale = np.sin(separation)
    np.testing.assert_allclose(east, scale * np.sin(angle), atol=1e-7 * scale.max() * 1e-3, rtol=1e-5)
    np.testing.assert_allclose(north, scale * np.cos(angle), atol=1e-7 * scale.max() * 1e-3, rtol=1e-5)


def test_known_unit_vectors_change_nothing(rng):
    lon_0, lat_0, lon, lat = random_positions(rng)

    def on_grid(function):
        def formula(lon, lat, lon_0, lat_0, *vectors):
            return function(*sphere.on_grid(lon, lat, vectors), lon_0, lat_0)

        return evaluate(formula, lon, lat, lon_0, lat_0, *sphere.unit_vectors(lon, lat))

    def plain(function):
        return evaluate(function, lon, lat, lon_0, lat_0)

    w = plain(sphere.one_minus_cos)
    # what is left of unit vectors with errors of 1e-16 that differ by as little as 2e-9
    np.testing.assert_allclose(on_grid(sphere.one_minus_cos), w, rtol=1e-12, atol=1e-15 * np.sqrt(w).max())
    far = w > 1e-8
    np.testing.assert_allclose(on_grid(sphere.separation)[far], plain(sphere.separation)[far], rtol=1e-11)
    for part in (_east, _north):
        np.testing.assert_allclose(on_grid(part), plain(part), rtol=1e-9, atol=3e-15)


def test_direction_cosines_add_up(rng):
    lon_0, lat_0, lon, lat = random_positions(rng)
    phi = rng.uniform(-180, 180, len(lon))
    cos_square = evaluate(_cos_square, lon, lat, lon_0, lat_0, phi)
    angle = SkyCoord(lon_0, lat_0, unit="deg").position_angle(SkyCoord(lon, lat, unit="deg")).deg
    np.testing.assert_allclose(cos_square, np.cos(np.deg2rad(angle - phi)) ** 2, atol=1e-5)
    assert evaluate(_cos_square, 10.0, 20.0, 10.0, 20.0, 33.0) == 1


def _east(*args):
    return sphere.offsets(*args)[0]


def _north(*args):
    return sphere.offsets(*args)[1]


def _cos_square(*args):
    return sphere.direction_cosines(*args)[0]
