"""Events drawn from a dataset, binned back and compared with the prediction; and their files."""

import types

import astropy.units as u
import numpy as np
import pytest
import scipy.stats
from astropy.coordinates import SkyCoord
from astropy.io import fits
from regions import CircleSkyRegion

from bayesmap.data import GTI, EventList
from bayesmap.datasets import MapDatasetEventSampler, MapDatasetOnOff, simulate_cta_like
from bayesmap.datasets.events.draws import draw_energies
from bayesmap.errors import FormatError
from bayesmap.irf import EDispMap, PSFMap, RecoPSFMap
from bayesmap.maps import Map, MapAxis, WcsGeom
from bayesmap.modeling import (
    FoVBackgroundModel,
    GaussianSpatialModel,
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
    TemplateNPredModel,
)

CENTER = SkyCoord(25.0, 0.0, unit="deg", frame="galactic")


def point(amplitude=1e-10, lon=25.033, lat=0.021):
    return SkyModel(
        PowerLawSpectralModel(index=2.2, amplitude=amplitude * u.Unit("cm-2 s-1 TeV-1")),
        PointSpatialModel(lon_0=lon * u.deg, lat_0=lat * u.deg, frame="galactic"),
        name="point",
    )


def gauss(amplitude=1e-10, lon=24.8, sigma=0.15):
    return SkyModel(
        PowerLawSpectralModel(index=2.5, amplitude=amplitude * u.Unit("cm-2 s-1 TeV-1")),
        GaussianSpatialModel(lon_0=lon * u.deg, lat_0=-0.1 * u.deg, sigma=sigma * u.deg, frame="galactic"),
        name="gauss",
    )


def make(models=(), livetime="10 h"):
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4, name="energy")
    geom = WcsGeom.create(skydir=CENTER, npix=(30, 24), binsz=0.05, frame="galactic", axes=[axis])
    true = MapAxis.from_energy_bounds("0.6 TeV", "20 TeV", nbin=30, name="energy_true")
    dataset = simulate_cta_like(
        list(models), geom=geom, energy_axis_true=true, livetime=livetime, name="tiny", random_state=3
    )
    if dataset.gti is None:
        dataset.gti = GTI.create(0 * u.s, u.Quantity(livetime).to("s"))
    return dataset


def binned(dataset, events):
    counts = Map.from_geom(dataset._geom, data=np.zeros(dataset._geom.data_shape), unit="")
    counts.fill_events(events)
    return counts.data


def assert_poisson(counts, npred, systematic=0.0):
    """Total, spectrum and image agree: Pearson's chi2 per degree of freedom has a probability above 1e-4.

    ``systematic`` is the relative difference that is known from the prediction's approximations.
    """
    assert abs(counts.sum() - npred.sum()) < 4 * np.sqrt(npred.sum()) + systematic * npred.sum()
    for axes in ((1, 2), (0, 2), (0, 1)):
        n, mu = counts.sum(axis=axes), npred.sum(axis=axes)
        some = mu > 20
        chi2 = ((n - mu)[some] ** 2 / (mu[some] + (systematic * mu[some]) ** 2)).sum()
        assert scipy.stats.chi2.sf(chi2, some.sum()) > 1e-4, (axes, n, mu)


def test_background_follows_its_prediction():
    dataset = make([FoVBackgroundModel(dataset_name="tiny")])
    dataset.models["tiny-bkg"].parameters["norm"].value = 2.5
    events = MapDatasetEventSampler(random_state=1).run(dataset)
    assert len(events) > 1000
    assert_poisson(binned(dataset, events), dataset.npred().data)
    assert (events.table["MC_ID"] == 0).all()


@pytest.mark.parametrize(
    "source",
    [point(), point(lon=25.76), gauss(), gauss(sigma=0.01), gauss(lon=25.8)],
    ids=["point", "point outside", "gauss", "narrow gauss", "gauss across the edge"],
)
def test_sources_follow_their_prediction(source):
    dataset = make([source])
    dataset.background = None
    events = MapDatasetEventSampler(random_state=2).run(dataset)
    npred = dataset.npred().data
    assert npred.sum() > 300
    assert_poisson(binned(dataset, events), npred, systematic=0.01)
    assert (events.table["MC_ID"] == 1).all()


def test_migration_densities_and_reco_psf():
    dataset = make([point()])
    dataset.background = None
    true = dataset.exposure.geom.axes["energy_true"]
    reco = dataset._geom.axes["energy"]
    migra = MapAxis.from_bounds(0.2, 2, nbin=90, name="migra", node_type="edges")
    geom = WcsGeom.create(npix=(2, 1), binsz=180, axes=[migra, true])
    density = scipy.stats.norm.pdf(migra.center.value, 1.05, 0.15)
    data = np.broadcast_to(density[None, :, None, None], geom.data_shape).copy()
    dataset.edisp = EDispMap(Map.from_geom(geom, data=data, unit=""))
    dataset.psf = RecoPSFMap(
        Map.from_geom(
            WcsGeom.create(
                npix=(2, 1), binsz=180, axes=[MapAxis.from_bounds(0, 0.6, nbin=60, name="rad", unit="deg"), reco]
            ),
            data=PSFMap.from_gauss(
                reco.copy(name="energy_true"),
                sigma=[0.12, 0.1, 0.08, 0.06] * u.deg,
                rad_axis=MapAxis.from_bounds(0, 0.6, nbin=60, name="rad", unit="deg"),
            ).psf_map.data
            * np.ones((1, 1, 1, 2)),
            unit="sr-1",
        )
    )
    events = MapDatasetEventSampler(random_state=5).run(dataset)
    assert_poisson(binned(dataset, events), dataset.npred().data, systematic=0.01)


def test_without_responses_events_stay_in_place():
    source = point()
    source.apply_irf.update(psf=False, edisp=False)
    dataset = make([source])
    dataset.background = None
    events = MapDatasetEventSampler(random_state=2).run(dataset).table
    np.testing.assert_allclose(events["ENERGY"], events["ENERGY_TRUE"])
    np.testing.assert_allclose(events["RA"], source.position.icrs.ra.deg)
    # the spectrum inside the bins: the mean of the logarithm of the energy for E^-2.2 times the exposure
    low, high = 1.0, 10.0
    energies = np.asarray(events["ENERGY"])
    assert energies.min() >= low
    assert energies.max() <= high


def test_energies_follow_the_spectrum_inside_a_bin():
    dataset = make([point()])
    axis = MapAxis.from_energy_edges([1, 10] * u.TeV, name="energy_true")
    spectrum = dataset.models["point"].spectral_model
    index = np.zeros(200_000, dtype=int)
    energy = draw_energies(index, axis, spectrum, 50, np.random.default_rng(3)).to_value("TeV")
    expected = spectrum.integral(1 * u.TeV, 2 * u.TeV) / spectrum.integral(1 * u.TeV, 10 * u.TeV)
    # the sample fraction is off by more than 4.5 sigma once in 1.5e5 seeds
    assert np.mean(energy < 2) == pytest.approx(float(expected), abs=4.5 * np.sqrt(0.24 / len(index)) + 1e-3)


def test_models_are_told_apart_and_templates_are_drawn():
    cube = make().npred_background()
    template = TemplateNPredModel(Map.from_geom(cube.geom, data=np.full(cube.data.shape, 0.5), unit=""), name="flat")
    dataset = make([point(), template, FoVBackgroundModel(dataset_name="tiny")])
    events = MapDatasetEventSampler(random_state=4).run(dataset)
    table = events.table
    for number, name in ((1, "point"), (2, "flat")):
        assert table.meta[f"MMN{number:05d}"] == name
        part = binned(dataset, events.select_row_subset(table["MC_ID"] == number))
        assert_poisson(part, dataset.npred_signal([name]).data, systematic=0.01)
    assert table.meta["NMCIDS"] == 3
    assert "MC_ID" not in MapDatasetEventSampler(0, keep_mc_id=False).run(dataset).table.colnames


def test_seed_decides():
    dataset = make([point(1e-11), FoVBackgroundModel(dataset_name="tiny")])
    one, two = (MapDatasetEventSampler(random_state=7).run(dataset).table for _ in range(2))
    for name in one.colnames:
        np.testing.assert_array_equal(one[name], two[name])
    other = MapDatasetEventSampler(random_state=8).run(dataset).table
    assert len(other) != len(one) or not np.allclose(other["ENERGY"], one["ENERGY"])


def test_times_are_uniform_in_the_good_intervals():
    dataset = make([FoVBackgroundModel(dataset_name="tiny")])
    gti = GTI.create([0, 5000] * u.s, [1000, 8000] * u.s, reference_time="2020-01-01T00:00:00")
    events = MapDatasetEventSampler(random_state=1).run(dataset, gti=gti)
    seconds = events.table["TIME"].quantity.to_value("s")
    assert (np.diff(seconds) >= 0).all()
    first = (seconds <= 1000).mean()
    assert (((seconds >= 0) & (seconds <= 1000)) | ((seconds >= 5000) & (seconds <= 8000))).all()
    assert first == pytest.approx(0.25, abs=4 * np.sqrt(0.25 * 0.75 / len(seconds)))
    assert events.time[0].iso.startswith("2020-01-01")


def test_file(tmp_path):
    dataset = make([point(1e-11), FoVBackgroundModel(dataset_name="tiny")])
    observation = types.SimpleNamespace(obs_id=42, pointing=types.SimpleNamespace(fixed_icrs=CENTER.icrs))
    events = MapDatasetEventSampler(random_state=7).run(dataset, observation, telescope="CTA")
    path = tmp_path / "events.fits.gz"
    events.write(path)
    with pytest.raises(FileExistsError):
        events.write(path)
    with fits.open(path) as hdulist:
        assert [hdu.name for hdu in hdulist] == ["PRIMARY", "EVENTS", "GTI"]
        header = hdulist["EVENTS"].header
        wanted = (
            "HDUCLASS HDUDOC HDUVERS HDUCLAS1 HDUCLAS2 ORIGIN CREATOR TELESCOP INSTRUME OBSERVER OBJECT OBS_MODE "
            "OBS_ID DATE-OBS DATE-END TSTART TSTOP MJDREFI MJDREFF TIMEUNIT TIMESYS TIMEREF EQUINOX RADECSYS TELAPSE "
            "ONTIME LIVETIME DEADC EV_CLASS RA_PNT DEC_PNT"
        )
        assert not [key for key in wanted.split() if key not in header]
        assert header["OBS_ID"] == 42
        assert header["TELESCOP"] == "CTA"
        assert header["RA_PNT"] == pytest.approx(CENTER.icrs.ra.deg)
        assert header["ONTIME"] == pytest.approx(dataset.gti.time_sum.to_value("s"))
        assert 0 < header["DEADC"] <= 1
        assert hdulist["EVENTS"].columns["ENERGY"].unit == "TeV"
        assert hdulist["EVENTS"].columns["TIME"].unit == "s"
    again = EventList.read(path)
    assert len(again) == len(events)
    np.testing.assert_allclose(again.energy.to_value("TeV"), events.energy.to_value("TeV"))
    assert np.abs((again.time - events.time).to_value("s")).max() < 1e-3
    np.testing.assert_array_equal(binned(dataset, again), binned(dataset, events))
    assert events.galactic.l.deg.mean() == pytest.approx(25, abs=0.5)


def test_detector_coordinates_point_away_from_the_pointing():
    dataset = make([point()])
    events = MapDatasetEventSampler(random_state=7).run(dataset, pointing=CENTER)
    offset = np.hypot(events.table["DETX"], events.table["DETY"])
    np.testing.assert_allclose(offset, events.radec.separation(CENTER).deg, rtol=1e-3)


def test_bad_input(tmp_path):
    dataset = make([point(1e-11)])
    with pytest.raises(ValueError, match="at least 1, got 0"):
        MapDatasetEventSampler(oversample_energy_factor=0)
    without_times = dataset.copy(name="tiny")
    without_times.gti = None
    with pytest.raises(ValueError, match="'tiny' has no good time intervals"):
        MapDatasetEventSampler(0).run(without_times)
    without_exposure = dataset.copy(name="tiny")
    without_exposure.exposure = None
    with pytest.raises(ValueError, match="has no exposure, events of 'point'"):
        MapDatasetEventSampler(0).run(without_exposure)
    dataset.models["point"].parameters["amplitude"].value = -1e-11
    with pytest.raises(ValueError, match="events of 'point' cannot be drawn: predicted counts are negative"):
        MapDatasetEventSampler(0).run(dataset)
    only_spectrum = make()
    only_spectrum.models = [SkyModel(PowerLawSpectralModel(), name="spectrum")]
    with pytest.raises(ValueError, match="events of 'spectrum' need a spatial model"):
        MapDatasetEventSampler(0).run(only_spectrum)
    measured = MapDatasetOnOff(counts=dataset.counts, counts_off=dataset.counts, name="ring", gti=dataset.gti)
    region = dataset.to_spectrum_dataset(CircleSkyRegion(CENTER, 0.2 * u.deg), name="region")
    for other in (measured, region):
        with pytest.raises(ValueError, match=f"dataset '{other.name}' is a {type(other).__name__} on"):
            MapDatasetEventSampler(0).run(other)
    table = MapDatasetEventSampler(0).run(make()).table
    with pytest.raises(ValueError, match=r"\['TIME'\] are missing"):
        EventList(table[["EVENT_ID", "RA", "DEC", "ENERGY"]], dataset.gti)
    broken = table.copy()
    broken["ENERGY"].unit = "s"
    with pytest.raises(ValueError, match="column ENERGY of an event list needs a unit like TeV, got s"):
        EventList(broken, dataset.gti)
    wide = MapDatasetEventSampler(0).run(make()).table.copy()
    wide["RA"] = np.zeros((len(wide), 2)) * u.deg
    with pytest.raises(ValueError, match=r"column RA of an event list needs one number per event, got shape \(2,\)"):
        EventList(wide, dataset.gti)
    path = tmp_path / "no.fits"
    fits.HDUList([fits.PrimaryHDU()]).writeto(path)
    with pytest.raises(FormatError, match="no HDU 'EVENTS'"):
        EventList.read(path)
    events = MapDatasetEventSampler(0).run(make())
    with pytest.raises(ValueError, match="no column 'MIGRA'"):
        events.map_coord(dataset._geom.to_image().to_cube([MapAxis.from_edges([0, 1], name="migra")]))


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"RADECSYS": "FK4"}, "RADECSYS is 'FK4'"),
        ({"EQUINOX": 1950.0}, "EQUINOX 1950"),
        ({"MJDREFI": 50000}, "reference time .* differs"),
        ({"TIMEZERO": 5.0}, "reference time .* differs from that of the HDU 'GTI' by 5 s"),
        ({"TIMESYS": "tai"}, "reference time"),
    ],
)
def test_events_that_would_be_misread_are_refused(tmp_path, keywords, message):
    events = MapDatasetEventSampler(random_state=1).run(make([point()]))
    hdus = events.to_hdulist()
    hdus["EVENTS"].header.update(keywords)
    hdus.writeto(tmp_path / "events.fits")
    with pytest.raises(FormatError, match=f"events.fits: HDU 'EVENTS': .*{message}"):
        EventList.read(tmp_path / "events.fits")
