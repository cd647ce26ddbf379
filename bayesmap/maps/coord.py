"""Coordinates in a map: sky position and axis values by name."""

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord

from bayesmap._util import suggest

if TYPE_CHECKING:
    from bayesmap.maps.axes import MapAxis

__all__ = ["MapCoord", "frame_name"]

FRAMES = ("icrs", "galactic")


def frame_name(frame: Any) -> str | None:
    """Return the name of a frame given as a name, frame object or None."""
    if frame is None or isinstance(frame, str):
        return frame
    return frame.name


class MapCoord:
    """Coordinates of a set of points: longitude, latitude and one array per axis.

    Parameters
    ----------
    data : Mapping[str, array_like]
        "lon" and "lat" in deg (or quantities), and values by axis name. The arrays broadcast against each other.
    frame : {"icrs", "galactic"} or None
        Frame of lon and lat.
    match_by_name : bool
        Whether axes are matched by name; otherwise by their order.

    Raises
    ------
    ValueError
        If there is no position.
    """

    def __init__(self, data: Mapping[str, object], frame: object = None, match_by_name: bool = True) -> None:
        missing = {"lon", "lat"} - data.keys()
        if missing:
            raise ValueError(f"map coordinates need 'skycoord' or 'lon' and 'lat', got {list(data)}")
        self._data: dict[str, Any] = {name: _array(value) for name, value in data.items()}
        for name in ("lon", "lat"):
            self._data[name] = u.Quantity(self._data[name], None if _has_unit(self._data[name]) else "deg")
        self._frame = frame_name(frame)
        self.match_by_name = match_by_name

    @classmethod
    def create(cls, data: Any, frame: object = None, axis_names: Sequence[str] | None = None) -> Self:
        """Return coordinates from what users pass.

        Parameters
        ----------
        data : MapCoord, Mapping, tuple or `~astropy.coordinates.SkyCoord`
            A mapping holds "skycoord" (or "lon" and "lat") and values by axis name; a tuple holds either a sky
            coordinate or lon and lat, followed by the values of the axes in the order ``axis_names``.
        frame : {"icrs", "galactic"}, optional
            Frame of the result; bare lon and lat are taken to be in it.
        axis_names : sequence of str, optional
            Names that go with a tuple.

        Raises
        ------
        TypeError
            If ``skycoord`` is no `~astropy.coordinates.SkyCoord`.
        """
        if isinstance(data, cls):
            return data if frame is None or data.frame == frame_name(frame) else data.to_frame(frame)
        if isinstance(data, SkyCoord):
            data = {"skycoord": data}
        by_name = isinstance(data, Mapping)
        values = dict(data) if by_name else _from_tuple(data, axis_names)
        if "skycoord" in values:
            skycoord = values.pop("skycoord")
            if not isinstance(skycoord, SkyCoord):
                raise TypeError(f"'skycoord' must be a SkyCoord, got {skycoord!r}")
            skycoord = skycoord if frame is None else skycoord.transform_to(frame)
            frame = skycoord.frame.name
            values = {"lon": skycoord.data.lon, "lat": skycoord.data.lat} | values
        return cls(values, frame=frame, match_by_name=by_name)

    @property
    def axis_names(self) -> list[str]:
        """Names of the values, "lon" and "lat" first."""
        return list(self._data)

    @property
    def frame(self) -> str | None:
        """Name of the frame."""
        return self._frame

    @property
    def lon(self) -> u.Quantity:
        """Longitude."""
        return self._data["lon"]

    @property
    def lat(self) -> u.Quantity:
        """Latitude."""
        return self._data["lat"]

    @property
    def skycoord(self) -> SkyCoord:
        """Positions as a sky coordinate (broadcast)."""
        lon, lat = np.broadcast_arrays(self.lon, self.lat, subok=True)
        return SkyCoord(lon, lat, frame=self._frame or "icrs")

    @property
    def theta(self) -> np.ndarray:
        """Polar angle in rad, of the shape of ``lat``."""
        return np.pi / 2 - self.lat.to_value("rad")

    @property
    def phi(self) -> np.ndarray:
        """Longitude in rad, of the shape of ``lon``."""
        return self.lon.to_value("rad")

    @property
    def ndim(self) -> int:
        """Number of values per point."""
        return len(self._data)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the broadcast arrays."""
        return np.broadcast_shapes(*(np.shape(value) for value in self._data.values()))

    @property
    def size(self) -> int:
        """Number of points."""
        return int(np.prod(self.shape))

    def __getitem__(self, key: str | int) -> u.Quantity:
        if isinstance(key, int | np.integer):
            return list(self._data.values())[key]
        if key == "skycoord":
            return self.skycoord
        if key not in self._data:
            raise KeyError(f"there is no coordinate {key!r}{suggest(key, self._data)}")
        return self._data[key]

    def __contains__(self, key: object) -> bool:
        return key == "skycoord" or key in self._data

    def __iter__(self) -> Iterator[u.Quantity]:
        return iter(self._data.values())

    @property
    def broadcasted(self) -> Self:
        """Coordinates with all arrays of the same shape."""
        arrays = np.broadcast_arrays(*self._data.values(), subok=True)
        return self._like(dict(zip(self._data, arrays, strict=True)))

    @property
    def flat(self) -> Self:
        """Coordinates with all arrays broadcast and flattened."""
        return self._like({name: value.ravel() for name, value in self.broadcasted._data.items()})

    def _like(self, data: Mapping[str, object], frame: str | None = None) -> Self:
        return type(self)(data, frame=frame or self._frame, match_by_name=self.match_by_name)

    def copy(self) -> Self:
        """Return a deep copy."""
        return copy.deepcopy(self)

    def apply_mask(self, mask: np.ndarray) -> Self:
        """Return the coordinates selected by a boolean array of their shape, one-dimensional."""
        return self._like({name: value[mask] for name, value in self.broadcasted._data.items()})

    def to_frame(self, frame: object) -> Self:
        """Return the coordinates in another frame."""
        name = frame_name(frame)
        if name == self._frame or self._frame is None:
            return self._like(self._data, frame=name)
        sky = self.skycoord.transform_to(name)
        return self._like(self._data | {"lon": sky.data.lon, "lat": sky.data.lat}, frame=name)

    def match_axes(self, axes: Iterable["MapAxis"]) -> Self:
        """Return coordinates with values named and ordered like ``axes``.

        Raises
        ------
        ValueError
            If a value is missing, or if values given by order are too few or too many.
        """
        names = [axis.name for axis in axes]
        sky = {"lon": self.lon, "lat": self.lat}
        others = {name: value for name, value in self._data.items() if name not in sky}
        if self.match_by_name:
            missing = [name for name in names if name not in others]
            if missing:
                raise ValueError(f"coordinates lack the axes {missing}; got {self.axis_names}")
            return self._like(sky | {name: others[name] for name in names})
        if len(others) != len(names):
            raise ValueError(f"{len(names)} axis coordinates ({names}) are needed, got {len(others)}")
        return self._like(sky | dict(zip(names, others.values(), strict=True)))

    def __repr__(self) -> str:
        return f"<MapCoord {self.axis_names}, shape {self.shape}, frame {self._frame}>"


def _has_unit(value: object) -> bool:
    return isinstance(value, u.Quantity)


def _array(value: object) -> object:
    if isinstance(value, u.Quantity):
        return value
    if isinstance(value, str) or (isinstance(value, list | tuple) and any(isinstance(v, u.Quantity) for v in value)):
        return u.Quantity(value)
    return np.asarray(value)


def _from_tuple(coords: Iterable[object], axis_names: Sequence[str] | None) -> dict[str, object]:
    values = list(coords)
    if values and isinstance(values[0], SkyCoord):
        head, values = {"skycoord": values[0]}, values[1:]
    elif len(values) >= 2:
        head, values = {"lon": values[0], "lat": values[1]}, values[2:]
    else:
        raise ValueError(f"map coordinates need a position, got {coords!r}")
    names = list(axis_names) if axis_names is not None else [f"axis{i}" for i in range(len(values))]
    return head | dict(zip(names, values, strict=len(names) == len(values)))
