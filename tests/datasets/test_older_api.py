"""What the older API page of `MapDataset` names: kernels as arguments, BackgroundModel, predictions per model."""

import astropy.units as u
import numpy as np
import pytest

from bayesmap.datasets import MapDataset
from bayesmap.irf import EDispKernel, EDispKernelMap, PSFKernel, PSFMap
from bayesmap.maps import Map, WcsGeom
from bayesmap.modeling import BackgroundModel, FoVBackgroundModel, Models, PowerLawNormSpectralModel
from tests.datasets.conftest import point_model


@pytest.fixture
def kernels(geom, energy_axis_true):
    image = WcsGeom.create(npix=11, binsz=0.1, axes=[energy_axis_true])
    psf = PSFKernel.from_gauss(image, 0.1 * u.deg, max_radius=0.5 * u.deg, factor=20)
    edisp = EDispKernel.from_gauss(energy_axis_true, geom.axes["energy"], sigma=0.2, bias=0)
    return psf, edisp


def test_kernels_as_arguments(maps, kernels, source, energy_axis_true, geom):
    psf, edisp = kernels
    dataset = MapDataset(**maps, psf=psf, edisp=edisp, models=source)
    assert isinstance(dataset.psf, PSFMap)
    assert isinstance(dataset.edisp, EDispKernelMap)
    again = MapDataset(
        **maps,
        psf=PSFMap.from_gauss(energy_axis_true, sigma=0.1 * u.deg),
        edisp=EDispKernelMap.from_edisp_kernel(edisp),
        models=source,
    )
    got, want = dataset.npred_signal().data, again.npred_signal().data
    assert np.abs(got - want).max() < 0.02 * want.max()


def test_a_kernel_without_energies(maps, kernels):
    image = Map.from_geom(kernels[0].psf_kernel_map.geom.to_image(), data=kernels[0].data[0])
    dataset = MapDataset(**maps, psf=PSFKernel(image))
    assert dataset.psf.psf_map.geom.axes["energy_true"].nbin == 1
    with pytest.raises(ValueError, match="no axis 'energy_true'"):
        MapDataset(psf=PSFKernel(image))


def test_background_model_as_background(maps):
    template = maps.pop("background")
    model = BackgroundModel(template, PowerLawNormSpectralModel(norm=2.0), name="hadrons")
    dataset = MapDataset(**maps, background=model)
    assert isinstance(dataset.background_model, FoVBackgroundModel)
    assert dataset.background_model.name == "hadrons"
    np.testing.assert_allclose(dataset.npred_background().data, 2 * template.data)
    model.spectral_model.norm.value = 3
    np.testing.assert_allclose(dataset.npred().data, 3 * template.data)


def test_background_model_among_the_models(maps, tmp_path):
    template = maps.pop("background")
    template.write(tmp_path / "template.fits")
    model = BackgroundModel(template, name="hadrons", filename=tmp_path / "template.fits")
    dataset = MapDataset(**maps, models=[model])
    np.testing.assert_allclose(dataset.npred().data, template.data)
    Models([model]).write(tmp_path / "models.yaml")
    again = Models.read(tmp_path / "models.yaml")["hadrons"]
    assert isinstance(again, BackgroundModel)
    np.testing.assert_allclose(again.map.data, template.data)


def test_predictions_per_model(plain, source, geom, energy_axis_true):
    plain.edisp = EDispKernelMap.from_diagonal_response(geom.axes["energy"], energy_axis_true)
    other = point_model("other", lon=24.8)
    plain.models = [source, other, FoVBackgroundModel(dataset_name="tiny")]
    parts = {name: evaluator.compute_npred() for name, evaluator in plain.evaluators.items()}
    assert list(parts) == ["source", "other"]
    total = plain.npred_signal().data
    np.testing.assert_allclose(sum(m.data for m in parts.values()), total, rtol=1e-6)
    np.testing.assert_array_equal(plain.npred_signal(model=other).data, parts["other"].data)
    np.testing.assert_array_equal(plain.npred_signal(other).data, parts["other"].data)
    np.testing.assert_array_equal(plain.npred_signal("other").data, parts["other"].data)
    assert plain.evaluators["other"].contributes
    assert "'other' in 'tiny'" in repr(plain.evaluators["other"])
    with pytest.raises(ValueError, match="'tiny': give either the names of models or a model"):
        plain.npred_signal("other", model=source)


def test_an_evaluator_knows_what_is_out_of_reach(plain):
    with pytest.warns(UserWarning, match="outside the field"):
        plain.models = point_model("far", lon=30)
    assert not plain.evaluators["far"].contributes
