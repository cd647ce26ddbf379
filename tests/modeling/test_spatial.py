"""Shapes: values, maps and integrals against Gammapy and against a fine grid."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS

from bayesmap.maps import Map, MapAxis, WcsGeom
from bayesmap.modeling import (
    ConstantSpatialModel,
    DiskSpatialModel,
    GaussianSpatialModel,
    GeneralizedGaussianSpatialModel,
    PointSpatialModel,
    Shell2SpatialModel,
    ShellSpatialModel,
    TemplateSpatialModel,
)
from tests.golden import golden, shared_path
from tests.modeling.helpers import case_model, normed_by_pixels, quantity

SHAPES = ["GaussianSpatialModel", "GaussianSpatialModel_narrow", "GaussianSpatialModel_elongated"]
SHAPES += ["DiskSpatialModel", "DiskSpatialModel_elongated_edge"]
SHAPES += ["GeneralizedGaussianSpatialModel", "GeneralizedGaussianSpatialModel_elongated"]
SHAPES += ["ShellSpatialModel", "Shell2SpatialModel"]
TEMPLATES = ["TemplateSpatialModel", "TemplateSpatialModel_unnormalised"]
# Gammapy interpolates templates in single precision; when it normalises, it divides each pixel by its solid angle as if
# the map held integrals, which changes the shape by the variation of the solid angle (2e-4 over these maps). Its norm
# is the sum over pixels, ours the integral of what is interpolated: the shapes are compared with Gammapy's norm.
RTOL = {"TemplateSpatialModel": 2.5e-4, "TemplateSpatialModel_unnormalised": 2e-6}


def stored_geom(stored, axes=None):
    return WcsGeom(WCS(stored["header"]), tuple(int(n) for n in stored["npix"].data), axes=axes)


def template(name, dimension="2d"):
    path = shared_path("data", "models", f"template_{dimension}.fits.gz")
    model = TemplateSpatialModel.read(path, normalize="unnormalised" not in name)
    return normed_by_pixels(model) if model.normalize else model


def case(name, topic="spatial"):
    values = golden("models")[f"{topic}/{name}"]
    model = template(name) if name in TEMPLATES else case_model(f"{topic}/{name}", values, "spatial")
    return values, model, stored_geom(values["geom"])


@pytest.mark.parametrize("name", SHAPES + TEMPLATES)
def test_values(name):
    values, model, _ = case(name)
    position, dl = values["position"], values["grid_dl_deg"].data
    lon = position["lon_deg"] + dl[None, :] / np.cos(np.deg2rad(position["lat_deg"])) + np.zeros((15, 1))
    lat = position["lat_deg"] + dl[:, None] + np.zeros((1, 15))
    expected = quantity(values["value_grid"])
    result = model(lon * u.deg, lat * u.deg).to_value(expected.unit)
    np.testing.assert_allclose(result, expected.value, rtol=RTOL.get(name, 1e-8), atol=1e-12 * expected.value.max())
    for key in ("evaluation_radius", "evaluation_bin_size_min"):
        stored = values[key]
        if name not in TEMPLATES or key == "evaluation_radius":
            assert getattr(model, key).to_value("deg") == pytest.approx(stored["value"], rel=1e-10)


@pytest.mark.parametrize("topic", ["spatial", "spatial_icrs_geom"])
@pytest.mark.parametrize("name", [*SHAPES, *TEMPLATES, "PointSpatialModel"])
def test_evaluate_geom(name, topic):
    values, model, geom = case(name, topic)
    expected = quantity(values["evaluate_geom"])
    result = model.evaluate_geom(geom).to_value(expected.unit)
    atol = (1e-7 if name == "PointSpatialModel" else 1e-11) * expected.value.max()
    np.testing.assert_allclose(result, expected.value, rtol=RTOL.get(name, 1e-8), atol=atol)


@pytest.mark.parametrize("topic", ["spatial", "spatial_icrs_geom"])
@pytest.mark.parametrize("name", [*SHAPES, *TEMPLATES, "PointSpatialModel", "ConstantSpatialModel"])
def test_integrate_geom(name, topic):
    values, model, geom = case(name, topic)
    expected = quantity(values["integrate_geom"])
    # with Gammapy's sub-pixels, Gammapy's numbers
    size = model.evaluation_bin_size_min
    factor = int(np.ceil(0.05 / size.to_value("deg"))) if size is not None and size > 0 else 1
    result = model.integrate_geom(geom, oversampling_factor=factor).quantity.to_value(expected.unit)
    rtol = RTOL.get(name, 1e-6)
    atol = 5e-5 if "narrow" in name else max(rtol, 1e-6)  # Gammapy cuts the narrow one at five sigma
    np.testing.assert_allclose(result, expected.value, rtol=rtol, atol=atol * expected.value.max())
    stored = values["integrate_geom_factor1_total"]
    total = model.integrate_geom(geom, oversampling_factor=1).quantity.sum().to_value(stored["unit"])
    assert total == pytest.approx(stored["value"], rel=max(1e-7, rtol / 100))
    if "Disk" in name or "Shell" in name:
        return  # Gammapy's sub-pixels do not resolve the edges: 18 % of the peak; see the comparison with a fine grid
    result = model.integrate_geom(geom).quantity.to_value(expected.unit)
    np.testing.assert_allclose(result, expected.value, atol=1.1e-2 * expected.value.max())


@pytest.mark.parametrize("normalize", [True, False])
def test_energy_dependent_template(normalize):
    values = golden("models")["spatial_energy/TemplateSpatialModel_3d" + ("" if normalize else "_unnormalised")]
    axis = MapAxis.from_energy_edges(values["energy_true"]["edges"] * u.TeV, name="energy_true")
    geom = stored_geom(values["geom"], axes=[axis])
    model = template("" if normalize else "unnormalised", "3d")
    assert model.is_energy_dependent
    expected = quantity(values["evaluate_geom"])
    rtol = 2.5e-4 if normalize else 2e-6
    np.testing.assert_allclose(model.evaluate_geom(geom).to_value(expected.unit), expected.value, rtol=rtol)
    expected = quantity(values["integrate_geom"])
    result = model.integrate_geom(geom).quantity.to_value(expected.unit)
    np.testing.assert_allclose(result, expected.value, atol=0.02 * expected.value.max())
    center, expected = geom.center_skydir, quantity(values["value_at"])
    lon, lat = center.data.lon + [0.1, -0.3] * u.deg, center.data.lat + [0.05, 0.2] * u.deg
    np.testing.assert_allclose(
        model(lon, lat, energy=[0.5, 5] * u.TeV).to_value(expected.unit), expected.value, rtol=rtol
    )


def narrow_geom(binsz=0.05, width=2.0):
    return WcsGeom.create(skydir=(0, 0), binsz=binsz, width=width, frame="galactic")


@pytest.mark.parametrize(
    ("model", "tolerance"),
    [
        (GaussianSpatialModel(lon_0="0.013 deg", lat_0="0.02 deg", sigma="0.05 deg", frame="galactic"), 1e-5),
        (GaussianSpatialModel(sigma="0.004 deg", lon_0="0.013 deg", frame="galactic"), 1e-4),
        (GaussianSpatialModel(sigma="0.15 deg", e=0.9, phi="40 deg", frame="galactic"), 1e-5),
        (DiskSpatialModel(r_0="0.3 deg", lon_0="0.013 deg", frame="galactic"), 1e-2),
        (DiskSpatialModel(r_0="0.3 deg", e=0.8, phi="25 deg", edge_width=0.3, frame="galactic"), 1e-3),
        (DiskSpatialModel(r_0="0.03 deg", lat_0="0.01 deg", frame="galactic"), 1e-2),
        (GeneralizedGaussianSpatialModel(r_0="0.1 deg", eta=1.0, frame="galactic"), 1e-4),
        (GeneralizedGaussianSpatialModel(r_0="0.3 deg", eta=0.05, e=0.8, phi="20 deg", frame="galactic"), 2e-4),
        (ShellSpatialModel(radius="0.3 deg", width="0.1 deg", lon_0="0.013 deg", frame="galactic"), 3e-3),
        (Shell2SpatialModel(r_0="0.1 deg", eta=0.05, lat_0="0.02 deg", frame="galactic"), 3e-3),
        (Shell2SpatialModel(r_0="0.4 deg", eta=1.0, frame="galactic"), 3e-3),
    ],
    ids=lambda x: type(x).__name__ if not isinstance(x, float) else "",
)
def test_integrate_geom_against_a_fine_grid(model, tolerance):
    geom = narrow_geom()
    result = model.integrate_geom(geom).data
    coarse, fine = (model.integrate_geom(geom, oversampling_factor=n).data for n in (25, 50))
    if isinstance(model, GaussianSpatialModel):
        fine = (4 * fine - coarse) / 3  # the error of mid-points falls with the square
    np.testing.assert_allclose(result, fine, atol=tolerance * fine.max())
    assert result.sum() == pytest.approx(1, abs=1e-2)


def test_pixel_integrals_do_not_jump_where_the_number_of_sub_pixels_does():
    geom = narrow_geom(width=1.0)
    sizes = 0.05 / np.array([1 - 1e-7, 1 + 1e-7, 2 - 1e-7, 2 + 1e-7])
    maps = [GaussianSpatialModel(sigma=s * u.deg, frame="galactic").integrate_geom(geom).data for s in sizes]
    for one, two in [(0, 1), (2, 3)]:
        np.testing.assert_allclose(maps[one], maps[two], atol=2e-5 * maps[one].max())


@pytest.mark.parametrize("frame", ["icrs", "galactic"])
@pytest.mark.parametrize("position", [(0, 0), (83.6, 22.0), (266.4, -28.9), (12, 75)])
def test_shapes_integrate_to_one_anywhere(frame, position):
    center = SkyCoord(*position, unit="deg", frame="icrs")
    geom = WcsGeom.create(skydir=center, binsz=0.1, width=6, frame="icrs", proj="TAN")
    for model in (
        GaussianSpatialModel.from_position(center.transform_to(frame), sigma="0.4 deg"),
        GaussianSpatialModel.from_position(center.transform_to(frame), sigma="0.4 deg", e=0.8, phi="30 deg"),
        DiskSpatialModel.from_position(center.transform_to(frame), r_0="0.8 deg"),
        DiskSpatialModel.from_position(center.transform_to(frame), r_0="0.8 deg", e=0.9, phi="30 deg"),
        GeneralizedGaussianSpatialModel.from_position(center.transform_to(frame), r_0="0.5 deg", eta=0.4),
        GeneralizedGaussianSpatialModel.from_position(
            center.transform_to(frame), r_0="0.4 deg", eta=0.7, e=0.7, phi="10 deg"
        ),
        ShellSpatialModel.from_position(center.transform_to(frame), radius="0.8 deg", width="0.3 deg"),
        Shell2SpatialModel.from_position(center.transform_to(frame), r_0="1 deg", eta=0.8),
        PointSpatialModel.from_position(center.transform_to(frame)),
    ):
        assert model.frame == frame
        assert model.integrate_geom(geom).data.sum() == pytest.approx(1, abs=2e-3)


def test_axes_and_angle_of_elongated_shapes():
    model = GaussianSpatialModel(sigma="0.3 deg", e=0.8, phi="30 deg", frame="galactic")
    center = model.position
    along = center.directional_offset_by(30 * u.deg, 0.3 * u.deg)
    across = center.directional_offset_by(120 * u.deg, 0.18 * u.deg)
    peak = model(0 * u.deg, 0 * u.deg)
    for position in (along, across):
        ratio = model(position.l, position.b) / peak
        assert ratio.to_value("") == pytest.approx(np.exp(-0.5), rel=1e-5)
    major, minor, phi = model.gaussian_graph(model.values)
    assert (major, minor, phi) == pytest.approx((0.3, 0.18, 30))
    assert model.to_region().angle == 30 * u.deg


def test_disk_tends_to_its_round_form():
    lon, lat = np.linspace(-1, 1, 9) * u.deg, 0.1 * u.deg
    np.testing.assert_allclose(DiskSpatialModel(e=1e-6)(lon, lat), DiskSpatialModel()(lon, lat), rtol=1e-9)


def test_gaussian_widths_for_the_graph():
    assert PointSpatialModel().gaussian_graph({}) == (0, 0, 0)
    assert DiskSpatialModel().gaussian_graph({}) is None
    model = GaussianSpatialModel(sigma="12 arcmin")
    assert model.gaussian_graph(model.values) == pytest.approx((0.2, 0.2, 0))


def test_point_source_shares_its_flux_bilinearly():
    geom = narrow_geom(binsz=0.1, width=1.0)
    x, y = 4.25, 3.5
    lon, lat = geom.pix_to_coord((x, y))
    model = PointSpatialModel(lon_0=lon, lat_0=lat, frame="galactic")
    data = model.integrate_geom(geom).data
    assert data[3, 4] == pytest.approx(0.375, abs=1e-9)
    assert data[4, 5] == pytest.approx(0.125, abs=1e-9)
    model.position = SkyCoord(10, 10, unit="deg", frame="galactic")
    assert model.integrate_geom(geom).data.sum() == 0
    with pytest.raises(TypeError, match="no surface brightness"):
        model(0 * u.deg, 0 * u.deg)
    with pytest.raises(TypeError, match="no surface brightness"):
        model.evaluate_graph(0.0, 0.0, model.values)


def test_cube_geometry_repeats_the_image():
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3, name="energy_true")
    geom = narrow_geom(width=1.0).to_cube([axis])
    result = ConstantSpatialModel(value="2 sr-1").integrate_geom(geom)
    assert result.data.shape == geom.data_shape
    np.testing.assert_allclose(result.quantity.value[1], 2 * geom.solid_angle().to_value("sr")[0])


def test_position_is_kept_in_the_frame_of_the_model():
    model = PointSpatialModel(frame="galactic", lon_0="5 arcmin")
    model.position = SkyCoord(83.63, 22.01, unit="deg", frame="icrs")
    assert model.lon_0.unit == "arcmin"
    assert model.position.frame.name == "galactic"
    assert model.position.icrs.ra.deg == pytest.approx(83.63)
    assert ConstantSpatialModel().position is None
    with pytest.raises(AttributeError, match="has no position"):
        ConstantSpatialModel().position = model.position


def flat_map(value=1.0, **kwargs):
    kwargs = {"unit": "sr-1"} | kwargs
    return Map.from_geom(narrow_geom(binsz=0.1, width=1.0), data=np.full((10, 10), value), **kwargs)


def test_template_is_normalised_and_can_move():
    model = TemplateSpatialModel(flat_map(3.0))
    assert model.integrate_geom(narrow_geom(binsz=0.1, width=1.0)).data.sum() == pytest.approx(1, abs=1e-6)
    before = model(0.2 * u.deg, 0.1 * u.deg)
    model.position = SkyCoord(30, 60, unit="deg", frame="galactic")
    moved = model.position.spherical_offsets_by(0.2 * u.deg, 0.1 * u.deg)
    assert model(moved.l, moved.b).value == pytest.approx(before.value, rel=1e-6)
    assert model(0.2 * u.deg, 0.1 * u.deg) == 0


def test_template_refuses_maps_that_make_no_sense():
    with pytest.raises(ValueError, match="negative values"):
        TemplateSpatialModel(flat_map(-1.0))
    with pytest.raises(ValueError, match="no positive values"):
        TemplateSpatialModel(flat_map(0.0))
    with pytest.warns(UserWarning, match="has no unit"):
        assert TemplateSpatialModel(flat_map(unit="")).unit == "1 / sr"
    data = flat_map()
    data.data[3, 4] = np.nan
    with pytest.warns(UserWarning, match="NaN or infinite"):
        TemplateSpatialModel(data)
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2, name="energy")
    with pytest.raises(ValueError, match="axis 'energy_true' only"):
        TemplateSpatialModel(Map.from_geom(narrow_geom().to_cube([axis]), unit="sr-1"))


def test_template_in_a_graph_is_a_constant():
    model = TemplateSpatialModel(flat_map())
    value = model.evaluate_graph(np.array([0.1]), np.array([0.1]), model.values).eval()
    np.testing.assert_allclose(value, model([0.1] * u.deg, [0.1] * u.deg).value)
    model.lon_0.frozen = False
    with pytest.raises(TypeError, match="freeze lon_0"):
        model.evaluate_graph(np.array([0.1]), np.array([0.1]), model.values)
