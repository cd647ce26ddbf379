"""Meta data of datasets: fields, files, stacking."""

import astropy.units as u
import pytest
from astropy.coordinates import AltAz, SkyCoord
from astropy.table import Table

from bayesmap.datasets import MapDataset, MapDatasetMetaData
from bayesmap.datasets.metadata import CreatorMetaData, ObsInfoMetaData, PointingInfoMetaData, stack_meta


@pytest.fixture
def meta():
    return MapDatasetMetaData(
        creation=CreatorMetaData("bayesmap", "2026-11-21T12:00:00", "home"),
        obs_info=[ObsInfoMetaData(1, telescope="T"), ObsInfoMetaData("two", instrument="camera")],
        pointing=PointingInfoMetaData(
            SkyCoord(83.5, 22, unit="deg"), SkyCoord(alt=70, az=10, unit="deg", frame=AltAz())
        ),
        event_type=["a", "b"],
        optional={"cut": 3},
    )


def test_dict_and_back(meta):
    data = meta.to_dict()
    assert data["creation"]["date"] == "2026-11-21T12:00:00.000"
    again = MapDatasetMetaData.from_dict(data)
    assert again.to_dict() == data
    assert again.creation == meta.creation
    assert again.pointing[0].radec_mean.separation(meta.pointing.radec_mean) < 1e-9 * u.deg
    assert MapDatasetMetaData().to_dict() == {}


def test_files(maps, meta, tmp_path):
    dataset = MapDataset(**maps, meta=meta)
    dataset.write(tmp_path / "a.fits")
    again = MapDataset.read(tmp_path / "a.fits")
    assert isinstance(again.meta, MapDatasetMetaData)
    assert again.meta.to_dict() == meta.to_dict()
    assert again.cutout(dataset.counts.geom.center_skydir, 0.4 * u.deg).meta.to_dict() == meta.to_dict()
    assert "META" in dataset.to_hdulist()[0].header
    assert "META" not in MapDataset(**maps).to_hdulist()[0].header


def test_free_form_dicts_stay(maps, tmp_path):
    MapDataset(**maps, meta={"run": 7}).write(tmp_path / "a.fits")
    assert MapDataset.read(tmp_path / "a.fits").meta == {"run": 7}


def test_default_is_empty(maps):
    assert MapDataset(**maps).meta == MapDatasetMetaData()


def test_stacking_joins_the_observations(meta):
    other = MapDatasetMetaData(obs_info=ObsInfoMetaData(3), event_type="b", optional={"cut": 4, "other": 1})
    stacked = stack_meta(meta, other)
    assert [info.obs_id for info in stacked.obs_info] == [1, "two", 3]
    assert len(stacked.pointing) == 1
    assert stacked.event_type == ["a", "b"]
    assert stacked.optional == {"cut": 3, "other": 1}
    assert stack_meta({"a": 1}, {"a": 2, "b": 3}) == {"a": 1, "b": 3}
    assert stack_meta({"a": 1}, other).optional == {"a": 1, "cut": 4, "other": 1}
    assert stack_meta(MapDatasetMetaData(), {"a": 1}).optional == {"a": 1}


def test_table_of_observations():
    table = Table({"OBS_ID": [[1, 2]], "TELESCOP": [["A", "B"]], "RA_PNT": [[83.0, 84.0]], "DEC_PNT": [[21.0, 22.0]]})
    meta = MapDatasetMetaData.from_meta_table(table)
    assert [info.telescope for info in meta.obs_info] == ["A", "B"]
    assert meta.pointing[1].radec_mean.ra.deg == 84
    assert MapDatasetMetaData.from_meta_table(Table()) == MapDatasetMetaData()


def test_wrong_kinds(maps):
    with pytest.raises(TypeError, match="obs_info of a MapDatasetMetaData needs ObsInfoMetaData, got int"):
        MapDatasetMetaData(obs_info=[3])
    with pytest.raises(TypeError, match="need a dict, got list"):
        MapDatasetMetaData(optional=[])
    with pytest.raises(TypeError, match="'tiny': meta must be a MapDatasetMetaData or a dict, got int"):
        MapDataset(**maps, meta=3)
