"""Catalogues to start from, and catalogues of what was found."""

import astropy.units as u
import numpy as np
import pytest
import xarray as xr
from astropy.table import MaskedColumn, QTable, Table

from bayesmap.datasets import ImageDataset, source_table, sources_from_table
from bayesmap.modeling import ExponentialSpatialModel, GaussianSpatialModel, PointSpatialModel, SersicSpatialModel
from tests.scenes import source, stored_coadd, true_models


@pytest.fixture(scope="module")
def coadd():
    return stored_coadd()


def catalogue():
    return QTable(
        {
            "label": ["a", "b", "c"],
            "ra": [150.07, 150.071, 150.072] * u.deg,
            "dec": [2.434 * 60, 2.435 * 60, 2.436 * 60] * u.arcmin,
            "flux": [1.0, 2.0, 3.0] * u.uJy,
            "r_eff": [np.nan, 0.5, 1.0] * u.arcsec,
            "q": [np.nan, 0.5, 0.7],
            "phi": [0, 170, 30] * u.deg,
            "n": [np.nan, np.nan, 2.5],
        }
    )


def tree_of(draws):
    """A result with given draws in the declared units."""
    return xr.DataTree.from_dict({"posterior": xr.Dataset({k: (("chain", "draw"), [v]) for k, v in draws.items()})})


def test_rows():
    models = sources_from_table(catalogue())
    assert models.names == ["source-a", "source-b", "source-c"]
    star, disk, sersic = (model.spatial_model for model in models)
    assert [type(shape) for shape in (star, disk, sersic)] == [
        PointSpatialModel,
        ExponentialSpatialModel,
        SersicSpatialModel,
    ]
    assert models[1].spectral_model.flux.quantity.to_value("nJy") == pytest.approx(2000)
    assert disk.lat_0.quantity.to_value("deg") == pytest.approx(2.435)
    assert disk.phi.quantity.to_value("deg") == pytest.approx(-10)
    assert disk.q.value == 0.5
    assert (sersic.n.value, sersic.r_eff.quantity) == (2.5, 1 * u.arcsec)
    assert not any(parameter.frozen for model in models for parameter in model.parameters)


def test_least_columns():
    table = Table({"ra": [150.0, 150.1], "dec": [2.0, 2.1], "flux": [100, 200]}, units=["deg", "deg", "nJy"])
    models = sources_from_table(table, prefix="s")
    assert models.names == ["s1", "s2"]
    assert all(isinstance(model.spatial_model, PointSpatialModel) for model in models)
    assert len(sources_from_table(table[:0])) == 0


def test_masked_cells():
    table = Table(catalogue())
    table["r_eff"] = MaskedColumn([9.0, 0.5, 1.0], mask=[True, False, False], unit="arcsec")
    assert isinstance(sources_from_table(table)[0].spatial_model, PointSpatialModel)
    assert isinstance(sources_from_table(QTable(table))[0].spatial_model, PointSpatialModel)
    table["flux"] = MaskedColumn([1.0, 2.0, 3.0], mask=[False, True, False], unit="uJy")
    with pytest.raises(ValueError, match="source b has no flux: row 1"):
        sources_from_table(table)


def test_wrong_tables():
    table = catalogue()
    del table["flux"]
    with pytest.raises(KeyError, match="no column 'flux'"):
        sources_from_table(table)
    table = Table(catalogue())
    table["ra"].unit = None
    with pytest.raises(ValueError, match="column 'ra' has no unit"):
        sources_from_table(table)
    table["ra"].unit = "m"
    with pytest.raises(ValueError, match="column 'ra' has the unit m, which does not convert to deg"):
        sources_from_table(table)
    table = catalogue()
    table["q"][2] = 1.5
    with pytest.raises(ValueError, match="source c, row 2 of the table: .*q"):
        sources_from_table(table)
    table = catalogue()
    table["r_eff"][1] = -1 * u.arcsec
    with pytest.raises(ValueError, match="source b, row 1 of the table: the half-light radius is negative"):
        sources_from_table(table)
    table = catalogue()
    table["label"][1] = "a"
    with pytest.raises(ValueError, match="source-a"):
        sources_from_table(table)


def test_catalogue_of_a_posterior(coadd):
    """Means and standard deviations in the units of catalogues, small differences in deg kept."""
    models = sources_from_table(catalogue(), prefix="")
    models["c"].spatial_model.n.frozen = True
    dataset = ImageDataset(coadd, models, name="r")
    rng = np.random.default_rng(1)
    draws = {}
    for model in models:
        for p in model.parameters:
            width = 1e-6 if p.name in ("lon_0", "lat_0") else 0.01 * abs(p.value)
            draws[f"{model.name}.{p.name}"] = p.value + width * rng.normal(size=1000)
    draws["b.phi"] = np.where(np.arange(1000) % 2, 89.0, -89.0)
    table = source_table(tree_of(draws), dataset)
    assert table.colnames[:6] == ["label", "kind", "x", "y", "ra", "ra_err"]
    assert list(table["kind"]) == ["point", "exponential", "sersic"]
    np.testing.assert_allclose(table["ra"].to_value("deg"), [np.mean(draws[f"{k}.lon_0"]) for k in "abc"], rtol=1e-12)
    errors = [np.std(draws[f"{k}.lon_0"]) * np.cos(np.deg2rad(2.435)) for k in "abc"]
    np.testing.assert_allclose(table["ra_err"].to_value("deg"), errors, rtol=1e-4)
    np.testing.assert_allclose(table["flux_err"].to_value("nJy"), [np.std(draws[f"{k}.flux"]) for k in "abc"])
    assert np.isnan(table["r_eff"][0])
    assert table["r_eff_err"][2].to_value("arcsec") == pytest.approx(0.01, rel=0.1)
    assert (table["n"][1], table["n_err"][1], table["n"][2], table["n_err"][2]) == (1, 0, 2.5, 0)
    assert abs(table["phi"][1].to_value("deg")) == pytest.approx(90, abs=1e-6)
    assert table["phi_err"][1].to_value("deg") == pytest.approx(1, abs=1e-6)
    x, y = coadd.projection.sky_to_pixel(models["b"].spatial_model.position)
    assert (table["x"][1], table["y"][1]) == pytest.approx((float(x), float(y)), abs=0.01)
    again = sources_from_table(table, prefix="")
    assert again.names == models.names
    assert again["c"].spatial_model.r_eff.value == pytest.approx(table["r_eff"][2].to_value("arcsec"))


def test_other_frames_and_shapes(coadd):
    """A Galactic position, right ascensions on both sides of zero, and a shape that is no profile."""
    shape = GaussianSpatialModel(lon_0="96.34 deg", lat_0="-60.19 deg", sigma="1 arcsec", frame="galactic")
    dataset = ImageDataset(coadd, source(shape, 100, "wide"), name="r")
    centre = shape.position.icrs
    lon = shape.lon_0.value + np.linspace(-1, 1, 101)
    draws = {f"wide.{p.name}": np.full(101, p.value) for p in shape.parameters} | {"wide.flux": np.full(101, 100.0)}
    table = source_table(tree_of(draws | {"wide.lon_0": lon}), dataset)
    assert min(centre.ra.deg, 360 - centre.ra.deg) < 0.5
    assert abs((table["ra"][0].to_value("deg") - centre.ra.deg + 180) % 360 - 180) < 0.05
    assert 0.1 < table["ra_err"][0].to_value("deg") < 1
    assert np.isnan(table["r_eff"][0])


def test_free_parameters_that_were_not_sampled(coadd):
    dataset = ImageDataset(coadd, true_models([0]), name="r")
    with pytest.raises(KeyError, match="'r'.*no variables.*s0.lon_0"):
        source_table(tree_of({"s0.flux": [1.0, 2.0]}), dataset)


def test_no_sources(coadd):
    assert len(source_table(tree_of({"s0.flux": [1.0, 2.0]}), ImageDataset(coadd, name="r"))) == 0
