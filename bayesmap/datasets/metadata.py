"""What is known about the observations behind a dataset."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from astropy.coordinates import AltAz, SkyCoord
from astropy.table import Table
from astropy.time import Time

__all__ = ["CreatorMetaData", "MapDatasetMetaData", "ObsInfoMetaData", "PointingInfoMetaData"]


@dataclasses.dataclass
class CreatorMetaData:
    """Who made the data.

    Parameters
    ----------
    creator : str, optional
        Software.
    date : `~astropy.time.Time` or str, optional
        When.
    origin : str, optional
        Organisation.
    """

    creator: str | None = None
    date: Time | None = None
    origin: str | None = None

    def __post_init__(self) -> None:
        if self.date is not None:
            self.date = Time(self.date)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields that are set, as plain values."""
        return _set_fields({"creator": self.creator, "date": self.date and self.date.isot, "origin": self.origin})


@dataclasses.dataclass
class ObsInfoMetaData:
    """One observation.

    Parameters
    ----------
    obs_id : int or str
        Its identifier.
    telescope, instrument, sub_array, observation_mode : str, optional
        What observed, and how.
    """

    obs_id: int | str
    telescope: str | None = None
    instrument: str | None = None
    sub_array: str | None = None
    observation_mode: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields that are set, as plain values."""
        return _set_fields(dataclasses.asdict(self))


@dataclasses.dataclass
class PointingInfoMetaData:
    """Where a telescope pointed.

    Parameters
    ----------
    radec_mean, altaz_mean : `~astropy.coordinates.SkyCoord`, optional
        Mean position on the sky and in the local frame.
    """

    radec_mean: SkyCoord | None = None
    altaz_mean: SkyCoord | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the positions that are set, in deg."""
        radec = None if self.radec_mean is None else self.radec_mean.icrs
        return _set_fields(
            {
                "radec_mean": radec and [float(radec.ra.deg), float(radec.dec.deg)],
                "altaz_mean": self.altaz_mean and [float(self.altaz_mean.alt.deg), float(self.altaz_mean.az.deg)],
            }
        )

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return what `to_dict` wrote."""
        radec, altaz = data.get("radec_mean"), data.get("altaz_mean")
        return cls(
            None if radec is None else SkyCoord(*radec, unit="deg", frame="icrs"),
            None if altaz is None else SkyCoord(alt=altaz[0], az=altaz[1], unit="deg", frame=AltAz()),
        )


@dataclasses.dataclass
class MapDatasetMetaData:
    """Meta data of a dataset.

    Parameters
    ----------
    creation : CreatorMetaData, optional
        Who made it.
    obs_info : ObsInfoMetaData or list of them, optional
        Its observations.
    pointing : PointingInfoMetaData or list of them, optional
        Where the telescope pointed in each.
    event_type : str or list of str, optional
        Types of events.
    optional : dict, optional
        Anything else that can be written as JSON.

    Raises
    ------
    TypeError
        If a field is of another kind.

    Notes
    -----
    The fields are those of `gammapy.datasets.MapDatasetMetaData`. In files they are one JSON text, under the keyword
    META of the first HDU.

    Examples
    --------
    >>> meta = MapDatasetMetaData(obs_info=ObsInfoMetaData(obs_id=23523, telescope="HESS"))
    >>> meta.to_dict()
    {'obs_info': [{'obs_id': 23523, 'telescope': 'HESS'}]}
    """

    creation: CreatorMetaData | None = None
    obs_info: Any = None
    pointing: Any = None
    event_type: Any = None
    optional: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        kinds = {"creation": CreatorMetaData, "obs_info": ObsInfoMetaData, "pointing": PointingInfoMetaData}
        for key, kind in {**kinds, "event_type": str}.items():
            for value in _listed(getattr(self, key)):
                if not isinstance(value, kind):
                    raise TypeError(f"{key} of a MapDatasetMetaData needs {kind.__name__}, got {type(value).__name__}")
        if self.optional is not None and not isinstance(self.optional, Mapping):
            raise TypeError(f"optional meta data need a dict, got {type(self.optional).__name__}")

    def stack(self, other: "MapDatasetMetaData | Mapping[str, Any]") -> Self:
        """Return the meta data of two stacked datasets: observations, pointings and event types of both.

        Parameters
        ----------
        other : MapDatasetMetaData or Mapping
            That of the second dataset; a mapping counts as optional information. Where both have an optional entry,
            the first is kept. (Gammapy keeps nothing but who made the first.)
        """
        if not isinstance(other, MapDatasetMetaData):
            other = type(self)(optional=dict(other))
        joined = {key: _listed(getattr(self, key)) + _listed(getattr(other, key)) for key in ("obs_info", "pointing")}
        types = list(dict.fromkeys(_listed(self.event_type) + _listed(other.event_type)))
        optional = {**(other.optional or {}), **(self.optional or {})}
        return type(self)(
            creation=self.creation or other.creation,
            event_type=types or None,
            optional=optional or None,
            **{key: value or None for key, value in joined.items()},
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the fields that are set, as plain values that can be written as JSON."""
        fields = {key: [item.to_dict() for item in _listed(getattr(self, key))] for key in ("obs_info", "pointing")}
        return _set_fields(
            {
                "creation": None if self.creation is None else self.creation.to_dict(),
                **{key: value or None for key, value in fields.items()},
                "event_type": _listed(self.event_type) or None,
                "optional": self.optional,
            }
        )

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the meta data that `to_dict` wrote.

        Raises
        ------
        TypeError
            If there are fields that meta data do not have.
        """
        data = dict(data)
        if data.get("creation") is not None:
            data["creation"] = CreatorMetaData(**data["creation"])
        if data.get("obs_info") is not None:
            data["obs_info"] = [ObsInfoMetaData(**item) for item in data["obs_info"]]
        if data.get("pointing") is not None:
            data["pointing"] = [PointingInfoMetaData.from_dict(item) for item in data["pointing"]]
        return cls(**data)

    @classmethod
    def from_meta_table(cls, table: Table) -> Self:
        """Return what a table of observations says, in the layout of Gammapy (cells may list several).

        Parameters
        ----------
        table : `~astropy.table.Table`
            With the column OBS_ID, and as far as known TELESCOP, OBS_MODE, RA_PNT and DEC_PNT in deg.
        """
        columns = {name: np.ravel(np.asarray(table[name])).tolist() for name in table.colnames}
        numbers = range(len(columns.get("OBS_ID", ())))
        names = {"obs_id": "OBS_ID", "telescope": "TELESCOP", "observation_mode": "OBS_MODE"}
        names = {key: name for key, name in names.items() if name in columns}
        infos = [ObsInfoMetaData(**{key: columns[name][i] for key, name in names.items()}) for i in numbers]
        pointings = []
        if {"RA_PNT", "DEC_PNT"} <= columns.keys():
            pointings = [
                PointingInfoMetaData(SkyCoord(ra, dec, unit="deg"))
                for ra, dec in zip(columns["RA_PNT"], columns["DEC_PNT"], strict=True)
            ]
        return cls(obs_info=infos or None, pointing=pointings or None)


def _listed(value: Any) -> list[Any]:
    """A list of one, several or no values."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _set_fields(values: Mapping[str, Any]) -> dict[str, Any]:
    """The entries that are not None."""
    return {key: value for key, value in values.items() if value is not None}


def meta_from_file(data: Any) -> Any:
    """Meta data as a file has them: those of our layout as `MapDatasetMetaData`, a free-form dict as it is."""
    fields = {field.name for field in dataclasses.fields(MapDatasetMetaData)}
    return MapDatasetMetaData.from_dict(data) if isinstance(data, Mapping) and data and data.keys() <= fields else data


def meta_to_file(meta: Any) -> Any:
    """Meta data as plain values."""
    return meta.to_dict() if isinstance(meta, MapDatasetMetaData) else meta


def stack_meta(meta: Any, other: Any) -> Any:
    """Meta data of two stacked datasets, see `MapDatasetMetaData.stack`; of two dicts the entries of both."""
    if isinstance(meta, MapDatasetMetaData):
        return meta.stack(other)
    if isinstance(other, MapDatasetMetaData):
        return MapDatasetMetaData(optional=dict(meta)).stack(other)
    return {**other, **meta}
