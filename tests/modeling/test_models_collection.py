"""Models: tables of priors, setting them, reassigning, covariance of a posterior."""

import numpy as np
import pytest
import xarray as xr

from bayesmap.modeling import FoVBackgroundModel, HyperParameter, Models, Prior, SkyModel


def models():
    return Models(
        [
            SkyModel.create("pl", "point", name="gc", datasets_names=["run1", "run2"]),
            SkyModel.create("ecpl", "gauss", name="b"),
            FoVBackgroundModel(dataset_name="run1", name="bkg"),
        ]
    )


def test_prior_table():
    members = models()
    norm = members["bkg"].spectral_model.norm
    norm.min = 0.9
    norm.prior = Prior("Normal", mu=1.0, sigma=0.1).as_default()
    scatter = HyperParameter("scatter", Prior("HalfNormal", sigma=0.5))
    members["gc"].spectral_model.index.prior = Prior("Normal", mu=2.3, sigma=scatter)
    members["b"].spectral_model.index.prior = Prior("Flat")
    table = members.prior_table()
    assert list(table.columns) == ["name", "prior", "unit", "min", "max", "default", "low", "high"]
    free = [name for p, name in members.parameter_names.items() if not p.frozen]
    assert list(table["name"]) == [*free, "scatter"]
    rows = {row["name"]: row for row in table}
    assert rows["bkg.norm"]["default"]
    assert rows["bkg.norm"]["prior"] == "Normal(mu=1, sigma=0.1)"
    expected = norm.prior.interval(0.95, lower=0.9)
    assert (rows["bkg.norm"]["low"], rows["bkg.norm"]["high"]) == pytest.approx(expected)
    assert rows["gc.index"]["prior"] == "Normal(mu=2.3, sigma=scatter)"
    assert rows["gc.index"]["high"] > 2.3 + 0.6  # wider than with the median of the scatter, 0.34
    assert rows["b.index"]["prior"] == "Flat()"
    assert np.isnan(rows["b.index"]["low"])
    assert rows["gc.amplitude"]["prior"] == ""
    assert rows["gc.lon_0"]["unit"] == "deg"
    assert len(Models().prior_table()) == 0
    assert "scatter" in str(table)


def test_set_prior():
    members = models()
    index = [m.spectral_model.index for m in members[:2]]
    members.set_prior(index, Prior("Normal", mu=2, sigma=0.3))
    assert index[0].prior == index[1].prior
    members.set_prior(index, [Prior("Normal", mu=2, sigma=0.3), None])
    assert index[1].prior is None
    with pytest.raises(ValueError, match="2 parameters need one prior or 2, got 1"):
        members.set_prior(index, [None])
    index[1].max = 3
    with pytest.raises(ValueError, match="has no mass between its bounds"):
        members.set_prior(index, Prior("Normal", mu=50, sigma=0.1))
    assert index[0].prior == Prior("Normal", mu=2, sigma=0.3)
    with pytest.raises(TypeError, match="prior must be a Prior or None"):
        members.set_prior(index, ["normal", None])


def test_reassign():
    members = models()
    members["b"].spectral_model.index = members["gc"].spectral_model.index
    new = members.reassign("run1", "stacked")
    assert new["gc"].datasets_names == ["stacked", "run2"]
    assert new["bkg"].datasets_names == ["stacked"]
    assert new["b"].datasets_names is None
    assert new.names == members.names
    assert members["gc"].datasets_names == ["run1", "run2"]
    assert new["b"].spectral_model.index is new["gc"].spectral_model.index
    assert new["b"].spectral_model.index is not members["gc"].spectral_model.index
    with pytest.raises(ValueError, match="no model belongs to dataset 'run3'"):
        members.reassign("run3", "stacked")
    with pytest.raises(ValueError, match="'gc' belongs to both datasets already"):
        members.reassign("run1", "run2")
    with pytest.raises(TypeError, match="new_dataset_name must be a string"):
        members.reassign("run1", None)


def test_select_freeze_unfreeze():
    members = models()
    assert members.select(name_substring="g").names == ["gc", "bkg"]
    assert members.select(datasets_names="run2").names == ["gc", "b"]
    assert members.select(tag="pl").names == ["gc"]
    assert members.select(tag=["pl", "ecpl"], model_type="spectral").names == ["gc", "b"]
    assert members.select(tag="FoVBackgroundModel").names == ["bkg"]
    members.freeze("spatial")
    assert [p.name for p in members["gc"].parameters.free_parameters] == ["index", "amplitude"]
    members.freeze()
    assert members.frozen
    assert members.select(frozen=True).names == members.names
    members.unfreeze("spectral")
    assert members["gc"].spectral_model.reference.frozen
    assert not members["gc"].spectral_model.index.frozen
    assert members["gc"].spatial_model.lon_0.frozen
    with pytest.raises(ValueError, match="model_type must be one of"):
        members.freeze("spektral")


def posterior(names, units):
    rng = np.random.default_rng(1)
    z = rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 4]], size=(2, 4000))
    return xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset(
                {
                    n: (("chain", "draw"), z[..., i], {"units": unit})
                    for i, (n, unit) in enumerate(zip(names, units, strict=True))
                }
            )
        }
    )


def test_covariance():
    members = Models(SkyModel.create("pl", name="gc"))
    tree = posterior(["gc.index", "gc.amplitude"], ["", "m-2 s-1 TeV-1"])
    covariance = members.covariance_from(tree)
    assert covariance.names == ["gc.index", "gc.amplitude"]
    np.testing.assert_allclose(covariance.data, [[1, 0.5e-4], [0.5e-4, 4e-8]], rtol=0.1)
    assert covariance.correlation[0, 1] == pytest.approx(0.25, abs=0.05)
    assert covariance.errors["gc.amplitude"] == pytest.approx(2e-4, rel=0.05)
    assert covariance.subset(["gc.amplitude"]).data.shape == (1, 1)
    assert covariance.to_table().colnames == ["name", "unit", "gc.index", "gc.amplitude"]
    with pytest.raises(KeyError, match="did you mean 'gc.index'"):
        covariance.subset(["gc.indx"])
    members.set_values(tree)
    assert members.parameters["index"].error == pytest.approx(covariance.errors["gc.index"], rel=1e-3)
    members.freeze()
    with pytest.raises(ValueError, match="no free parameters"):
        members.covariance_from(tree)
    with pytest.raises(KeyError, match="the posterior has no variables"):
        models().covariance_from(tree)
