"""What the header of an event list says about the observation, and the directions of events relative to it."""

from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
from astropy.coordinates import AltAz, Angle, EarthLocation, SkyCoord
from astropy.time import Time

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["EventInfo"]


class EventInfo:
    """Members of `EventList` that read keywords of its table."""

    if TYPE_CHECKING:
        table: Table
        time: Time
        time_ref: Time
        radec: SkyCoord
        galactic: SkyCoord

    def _keyword(self, *names: str) -> list[Any]:
        """Values of keywords.

        Raises
        ------
        KeyError
            If one is missing.
        """
        missing = [name for name in names if name not in self.table.meta]
        if missing:
            raise KeyError(f"the event list has no keywords {missing}; it has {sorted(self.table.meta)}")
        return [self.table.meta[name] for name in names]

    # -- times ------------------------------------------------------------------------------------------------------
    @property
    def observation_time_start(self) -> Time:
        """Start of the observation, keyword TSTART."""
        return self.time_ref + float(self._keyword("TSTART")[0]) * u.s

    @property
    def observation_time_stop(self) -> Time:
        """End of the observation, keyword TSTOP."""
        return self.time_ref + float(self._keyword("TSTOP")[0]) * u.s

    @property
    def observation_time_duration(self) -> u.Quantity:
        """Length of the observation in s."""
        return u.Quantity((self.observation_time_stop - self.observation_time_start).sec, "s")

    @property
    def observation_live_time_duration(self) -> u.Quantity:
        """Live time in s, keyword LIVETIME."""
        return u.Quantity(float(self._keyword("LIVETIME")[0]), "s")

    @property
    def observation_dead_time_fraction(self) -> float:
        """Fraction of the time in which the instrument was not ready; one minus the keyword DEADC."""
        return 1 - float(self._keyword("DEADC")[0])

    # -- directions -------------------------------------------------------------------------------------------------
    @property
    def is_pointed_observation(self) -> bool:
        """Whether the header says where the instrument pointed (RA_PNT)."""
        return "RA_PNT" in self.table.meta

    @property
    def pointing_radec(self) -> SkyCoord:
        """Direction of the instrument, keywords RA_PNT and DEC_PNT, ICRS."""
        ra, dec = self._keyword("RA_PNT", "DEC_PNT")
        return SkyCoord(float(ra), float(dec), unit="deg", frame="icrs")

    @property
    def galactic_median(self) -> SkyCoord:
        """Medians of Galactic longitude (from -180 to 180 deg) and latitude."""
        lon, lat = self.galactic.l.wrap_at("180d"), self.galactic.b
        return SkyCoord(np.median(lon), np.median(lat), frame="galactic")

    @property
    def offset(self) -> Angle:
        """Angles between events and the direction of the instrument."""
        return Angle(self.pointing_radec.separation(self.radec), unit="deg")

    @property
    def offset_from_median(self) -> Angle:
        """Angles between events and their median position."""
        return Angle(self.galactic_median.separation(self.radec), unit="deg")

    @property
    def center(self) -> SkyCoord:
        """Where figures are centred: the direction of the instrument, or the median position."""
        return self.pointing_radec if self.is_pointed_observation else self.galactic_median

    @property
    def observatory_earth_location(self) -> EarthLocation:
        """Place of the observatory, keywords GEOLON, GEOLAT (deg) and ALTITUDE or GEOALT (m)."""
        lon, lat = (float(value) for value in self._keyword("GEOLON", "GEOLAT"))
        height = self._keyword("GEOALT" if "GEOALT" in self.table.meta else "ALTITUDE")[0]
        return EarthLocation(lon=lon * u.deg, lat=lat * u.deg, height=float(height) * u.m)

    @property
    def altaz_frame(self) -> AltAz:
        """Horizontal frame at the times of the events."""
        return AltAz(obstime=self.time, location=self.observatory_earth_location)

    @property
    def altaz(self) -> SkyCoord:
        """Directions in the horizontal frame."""
        return self.radec.transform_to(self.altaz_frame)

    @property
    def altaz_from_table(self) -> SkyCoord:
        """Directions in the horizontal frame as the columns AZ and ALT say."""
        return SkyCoord(self.table["AZ"], self.table["ALT"], unit="deg", frame=self.altaz_frame)
