"""Event lists drawn from the prediction of a dataset: `MapDatasetEventSampler`."""

from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
import scipy
from astropy.coordinates import SkyCoord, SkyOffsetFrame
from astropy.table import Table, vstack

from bayesmap._types import RandomState
from bayesmap._util import get_random_state
from bayesmap.data import EventList
from bayesmap.data.event_list import time_header
from bayesmap.datasets.events import draws
from bayesmap.datasets.predict import npred_signal, signal_models
from bayesmap.irf import EDispKernelMap
from bayesmap.maps import WcsGeom
from bayesmap.modeling import PointSpatialModel, SkyModel

if TYPE_CHECKING:
    from bayesmap.datasets.map import MapDataset
    from bayesmap.irf import GTI

__all__ = ["MapDatasetEventSampler"]

#: pixels along one side of the grid on which the directions of a source are drawn, at most
MAX_NPIX = 1001
#: part of the photons that the reach of the PSF holds
CONTAINMENT = 0.9999


class MapDatasetEventSampler:
    """Draw events from the predicted counts of a `MapDataset`.

    Photons of each source are drawn from its flux times the exposure, then moved by the energy dispersion and the
    point spread function; background events are drawn from the predicted background. Binned back, the events follow
    ``dataset.npred()`` but for its approximations: the prediction takes the responses at the position of the source
    and at the centres of the bins of true energy, the sampler at each event.

    Parameters
    ----------
    random_state : int, "random-seed", "global-rng" or generator
        Source of randomness.
    oversample_energy_factor : int
        Parts of a bin of true energy within which a spectrum is approximated by a power law of index one.
    keep_mc_id : bool
        Whether events carry the number of their model in the column ``MC_ID``: 0 for the background, 1, 2, ... for
        the sources in the order of ``dataset.models``. The header keywords ``MMN00001`` and so on hold the names.

    Raises
    ------
    ValueError
        If the factor is not at least one.

    Examples
    --------
    >>> from bayesmap.datasets import simulate_cta_like
    >>> from bayesmap.modeling import SkyModel
    >>> dataset = simulate_cta_like(SkyModel.create("pl", "point"), random_state=1)  # doctest: +SKIP
    >>> events = MapDatasetEventSampler(random_state=0).run(dataset)  # doctest: +SKIP
    >>> events.write("events.fits.gz")  # doctest: +SKIP
    """

    def __init__(
        self, random_state: RandomState = "random-seed", oversample_energy_factor: int = 10, keep_mc_id: bool = True
    ) -> None:
        if oversample_energy_factor < 1:
            raise ValueError(f"oversample_energy_factor must be at least 1, got {oversample_energy_factor}")
        self.random_state = get_random_state(random_state)
        self.oversample_energy_factor = int(oversample_energy_factor)
        self.keep_mc_id = keep_mc_id

    def run(
        self,
        dataset: "MapDataset",
        observation: Any = None,
        *,
        obs_id: int | None = None,
        pointing: SkyCoord | None = None,
        gti: "GTI | None" = None,
        livetime: u.Quantity | None = None,
        telescope: str | None = None,
        instrument: str | None = None,
    ) -> EventList:
        """Draw an event list.

        Parameters
        ----------
        dataset : MapDataset
            With models or a background, an exposure for sources, and good time intervals.
        observation : object, optional
            Where the following are taken from if they are not given: any object that has some of them as attributes.
            Its ``pointing`` may have a ``fixed_icrs``.
        obs_id : int, optional
            Number of the observation; 0 by default.
        pointing : `~astropy.coordinates.SkyCoord`, optional
            Pointing; the centre of the map by default. It is the origin of ``DETX`` and ``DETY``.
        gti : GTI, optional
            Good time intervals; those of the dataset by default.
        livetime : `~astropy.units.Quantity`, optional
            Live time, only written; by default that of the exposure's ``meta``, or else the sum of the intervals.
        telescope, instrument : str, optional
            Names, only written; empty by default.

        Returns
        -------
        EventList
            Events inside the map, in the order of time. Photons that the responses carry outside of the map, or that
            they do not hold at all, are not in it. The mask is not applied.

        Raises
        ------
        ValueError
            If there are no good time intervals, the dataset has no sky pixels, or OFF counts; if a source has no
            spatial model, a temporal model or negative predictions.
        """
        given = {"obs_id": obs_id, "pointing": pointing, "gti": gti, "livetime": livetime}
        given |= {"telescope": telescope, "instrument": instrument}
        info: dict[str, Any] = {
            key: getattr(observation, key, None) if value is None else value for key, value in given.items()
        }
        info["gti"] = dataset.gti if info["gti"] is None else info["gti"]
        _check(dataset, info["gti"])
        tables = [self._reconstruct(dataset, self.sample_sources(dataset)), self.sample_background(dataset)]
        table = vstack(tables, metadata_conflicts="error")
        table = table[_inside(table, dataset._geom)]
        table["TIME"] = draws.draw_times(len(table), info["gti"], self.random_state)
        table.sort("TIME")
        return EventList(self._finish(table, dataset, info), info["gti"])

    def sample_sources(self, dataset: "MapDataset") -> Table:
        """Draw the photons of all models other than the background, before the responses.

        Parameters
        ----------
        dataset : MapDataset
            With an exposure.

        Returns
        -------
        `~astropy.table.Table`
            True energies and directions, ``ENERGY_TRUE``, ``RA_TRUE`` and ``DEC_TRUE``, and the number of the model.
            Events of predicted count templates already have reconstructed energies and directions.

        Raises
        ------
        ValueError
            If a model changes the response of the dataset.
        """
        if unknown := [m.name for m in dataset.models or () if m.contribution == "response"]:
            raise ValueError(
                f"dataset {dataset.name!r}: events are drawn with its response functions as they are; remove "
                f"the models {unknown} of its response, or draw counts with fake()"
            )
        tables = [_table([] * u.TeV, SkyCoord([], [], unit="deg"), 0)]
        for number, model in enumerate(signal_models(dataset), start=1):
            if isinstance(model, SkyModel):
                tables.append(self._photons(dataset, model, number))
            else:
                tables.append(self._from_cube(npred_signal(dataset, [model.name]), number, model.name))
        return vstack(tables)

    def _photons(self, dataset: "MapDataset", model: Any, number: int) -> Table:
        """True energies and directions of one source."""
        if model.spatial_model is None or model.temporal_model is not None:
            raise ValueError(f"events of {model.name!r} need a spatial model, and none that depends on time")
        if dataset.exposure is None:
            raise ValueError(f"dataset {dataset.name!r} has no exposure, events of {model.name!r} need it")
        axis = dataset.exposure.geom.axes["energy_true"]
        flux = model.spectral_model.integral(axis.edges[:-1], axis.edges[1:])
        if isinstance(model.spatial_model, PointSpatialModel):
            position = SkyCoord([model.position])
            mean = (flux[:, None] * _exposure_at(dataset.exposure, position)).to_value("")
        else:
            geom = _source_geom(dataset, model.spatial_model).to_cube([axis])
            position = geom.to_image().get_coord().skycoord.ravel()
            shares = model.spatial_model.integrate_geom(geom).quantity.reshape(axis.nbin, -1)
            mean = (flux[:, None] * shares * _exposure_at(dataset.exposure, position)).to_value("")
        energy_index, pixel = _draw_bins(mean, self.random_state, model.name)
        if isinstance(model.spatial_model, PointSpatialModel):
            direction = position[pixel]
        else:
            direction = _inside_pixels(geom.to_image(), pixel, self.random_state)
        factor = self.oversample_energy_factor
        energy = draws.draw_energies(energy_index, axis, model.spectral_model, factor, self.random_state)
        return _table(energy, direction, number)

    def sample_background(self, dataset: "MapDataset") -> Table:
        """Draw background events.

        Parameters
        ----------
        dataset : MapDataset
            Dataset; without a background there are none.

        Returns
        -------
        `~astropy.table.Table`
            Energies and directions. ``ENERGY_TRUE`` and the others are those of the reconstruction.
        """
        background = dataset.npred_background()
        if background is None:
            return self._from_cube(None, 0, "background")
        return self._from_cube(background, 0, "background")

    def _from_cube(self, npred: Any, number: int, name: str) -> Table:
        """Events of a cube in reconstructed energy."""
        if npred is None:
            energy, direction = [] * u.TeV, SkyCoord([], [], unit="deg")
        else:
            mean = npred.data.reshape(len(npred.data), -1)
            energy_index, pixel = _draw_bins(mean, self.random_state, name)
            energy = draws.inside_bins(energy_index, npred.geom.axes["energy"], self.random_state)
            direction = _inside_pixels(npred.geom.to_image(), pixel, self.random_state)
        table = _table(energy, direction, number)
        for column in ("ENERGY", "RA", "DEC"):
            table[column] = table[f"{column}_TRUE"]
        return table

    def _reconstruct(self, dataset: "MapDataset", table: Table) -> Table:
        """Apply the responses to the events of each model, except where they are switched off for it."""
        names = {number: model for number, model in enumerate(signal_models(dataset), start=1)}
        parts = []
        for number in np.unique(table["MC_ID"]):
            part = table[table["MC_ID"] == number]
            model = names[int(number)]
            parts.append(self._respond(dataset, model, part) if isinstance(model, SkyModel) else part)
        return vstack(parts) if parts else table

    def _respond(self, dataset: "MapDataset", model: Any, table: Table) -> Table:
        edisp = dataset.edisp if model.apply_irf["edisp"] else None
        psf = dataset.psf if model.apply_irf["psf"] else None
        table = self.sample_edisp(edisp, table)
        return self.sample_psf(psf, table)

    def sample_edisp(self, edisp_map: Any, events_table: Table) -> Table:
        """Draw reconstructed energies.

        Parameters
        ----------
        edisp_map : EDispKernelMap, EDispMap or None
            Energy dispersion; energies stay as they are if None. It is that of the nearest pixel, as in the prediction.
        events_table : `~astropy.table.Table`
            With ``ENERGY_TRUE``, ``RA_TRUE`` and ``DEC_TRUE``.

        Returns
        -------
        `~astropy.table.Table`
            The events whose reconstructed energy the response holds, with the column ``ENERGY``. From matrices,
            energies are uniform in the logarithm inside their bins.
        """
        table, energy = events_table.copy(), events_table["ENERGY_TRUE"].quantity
        if edisp_map is not None:
            kernel = isinstance(edisp_map, EDispKernelMap)
            draw = draws.draw_kernel if kernel else draws.draw_migration
            energy = draw(edisp_map.edisp_map, _true_direction(table), energy, self.random_state)
        table["ENERGY"] = energy.to("TeV")
        return table[np.isfinite(energy)]

    def sample_psf(self, psf_map: Any, events_table: Table) -> Table:
        """Draw reconstructed directions.

        Parameters
        ----------
        psf_map : PSFMap, RecoPSFMap or None
            Point spread function; directions stay as they are if None.
        events_table : `~astropy.table.Table`
            With ``ENERGY_TRUE``, ``RA_TRUE`` and ``DEC_TRUE``, and ``ENERGY`` for a `RecoPSFMap`.

        Returns
        -------
        `~astropy.table.Table`
            The events for which there is a point spread function, with the columns ``RA`` and ``DEC``.
        """
        table, direction = events_table.copy(), _true_direction(events_table)
        seen = np.ones(len(table), dtype=bool)
        if psf_map is not None:
            column = "ENERGY_TRUE" if psf_map.energy_name == "energy_true" else "ENERGY"
            rad = draws.draw_offsets(psf_map, direction, table[column].quantity, self.random_state)
            seen = np.isfinite(rad)
            angle = self.random_state.uniform(0, 360, len(table)) * u.deg
            direction = direction.directional_offset_by(angle, np.nan_to_num(rad))
        table["RA"], table["DEC"] = direction.ra.to("deg"), direction.dec.to("deg")
        return table[seen]

    def _finish(self, table: Table, dataset: "MapDataset", info: dict[str, Any]) -> Table:
        """Order the columns, and add numbers, coordinates around the pointing and the header."""
        pointing = _pointing(info["pointing"], dataset)
        direction = SkyCoord(table["RA"].quantity, table["DEC"].quantity, frame="icrs")
        around = direction.transform_to(SkyOffsetFrame(origin=pointing))
        table["EVENT_ID"] = np.arange(len(table))
        table["DETX"], table["DETY"] = around.lon.wrap_at("180d").to("deg"), around.lat.to("deg")
        names = ["EVENT_ID", "TIME", "RA", "DEC", "ENERGY", "DETX", "DETY", "ENERGY_TRUE", "RA_TRUE", "DEC_TRUE"]
        table = table[[*names, "MC_ID"] if self.keep_mc_id else names]
        table.meta = _header(dataset, info, pointing)
        if self.keep_mc_id:
            table.meta |= _model_header(dataset)
        return table


def _check(dataset: "MapDataset", gti: "GTI") -> None:
    if gti is None or not len(gti.table):
        raise ValueError(f"dataset {dataset.name!r} has no good time intervals; give gti=GTI.create(start, stop)")
    if dataset._geom.is_region or getattr(dataset, "counts_off", None) is not None:
        raise ValueError(
            f"events are drawn from a MapDataset with sky pixels and a predicted background, dataset {dataset.name!r} "
            f"is a {type(dataset).__name__} on {dataset._geom!r}"
        )


def _exposure_at(exposure: Any, position: SkyCoord) -> u.Quantity:
    """Exposure, linear between pixels and that of the edge outside of the map, shape ``(n_true, n_position)``."""
    lon, lat = exposure.geom.to_image().coord_to_pix(position)
    values = [
        scipy.ndimage.map_coordinates(image.astype("float64"), (lat, lon), order=1, mode="nearest")
        for image in exposure.data
    ]
    return np.array(values) * exposure.unit


def _source_geom(dataset: "MapDataset", spatial: Any) -> WcsGeom:
    """Grid around a source that resolves it, or the map and what the PSF carries into it for sources as wide."""
    image = dataset.exposure.geom.to_image()
    pixel, radius = image.pixel_scales.min().to("deg"), spatial.evaluation_radius
    if radius is not None and spatial.position is not None:
        size = spatial.evaluation_bin_size_min
        binsz = pixel if size is None else np.clip(size.to("deg"), pixel / 20, pixel)
        npix = 2 * int(np.ceil((radius / binsz).to_value(""))) + 3
        if npix <= MAX_NPIX:
            return WcsGeom.create(skydir=spatial.position, npix=npix, binsz=binsz, proj="TAN", frame=image.frame)
    if dataset.psf is None:
        return image
    centers = dataset.psf.psf_map.geom.axes[dataset.psf.energy_name].center
    reach = dataset.psf.containment_radius(CONTAINMENT, centers).max()
    return image.pad(int(np.ceil((reach / pixel).to_value(""))))


def _draw_bins(mean: np.ndarray, rng: np.random.Generator, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Energy bin and pixel of each event of a Poisson process with these means, shape ``(n_energy, n_pixel)``."""
    if not np.isfinite(mean).all() or (mean < 0).any():
        raise ValueError(f"the events of {name!r} cannot be drawn: predicted counts are negative or not finite")
    counts = rng.poisson(mean)
    energy, pixel = np.nonzero(counts)
    repeats = counts[energy, pixel]
    return np.repeat(energy, repeats), np.repeat(pixel, repeats)


def _inside_pixels(image: WcsGeom, pixel: np.ndarray, rng: np.random.Generator) -> SkyCoord:
    """Directions uniform inside pixels, given by their flat index."""
    y, x = np.unravel_index(pixel, image.data_shape_image)
    lon, lat = image.pix_to_coord((x + rng.uniform(-0.5, 0.5, len(x)), y + rng.uniform(-0.5, 0.5, len(y))))
    return SkyCoord(lon, lat, frame=image.frame)


def _table(energy: u.Quantity, direction: SkyCoord, number: int) -> Table:
    icrs = direction.icrs
    table = Table({"ENERGY_TRUE": energy.to("TeV"), "RA_TRUE": icrs.ra.to("deg"), "DEC_TRUE": icrs.dec.to("deg")})
    table["MC_ID"] = np.full(len(table), number)
    return table


def _true_direction(table: Table) -> SkyCoord:
    return SkyCoord(table["RA_TRUE"].quantity, table["DEC_TRUE"].quantity, frame="icrs")


def _inside(table: Table, geom: WcsGeom) -> np.ndarray:
    """Events inside the map and its energies."""
    direction = SkyCoord(table["RA"].quantity, table["DEC"].quantity, frame="icrs")
    return np.asarray(geom.contains({"skycoord": direction, "energy": table["ENERGY"].quantity}), dtype=bool)


def _pointing(pointing: Any, dataset: "MapDataset") -> SkyCoord:
    pointing = getattr(pointing, "fixed_icrs", pointing)
    return (dataset._geom.center_skydir if pointing is None else pointing).icrs


def _header(dataset: "MapDataset", info: dict[str, Any], pointing: SkyCoord) -> dict[str, Any]:
    """Mandatory keywords of the format, where they are known."""
    times = dict(time_header(info["gti"]))
    livetime = info["livetime"]
    if livetime is None and dataset.exposure is not None:
        livetime = dataset.exposure.meta.get("livetime")
    seconds = times["ONTIME"] if livetime is None else u.Quantity(livetime).to_value("s")
    return {
        "HDUCLASS": "GADF",
        "HDUDOC": "https://gamma-astro-data-formats.readthedocs.io",
        "HDUVERS": "0.2",
        "HDUCLAS1": "EVENTS",
        "HDUCLAS2": "ACCEPTED",
        "ORIGIN": "bayesmap",
        "CREATOR": "bayesmap",
        "TELESCOP": info["telescope"] or "",
        "INSTRUME": info["instrument"] or "",
        "OBSERVER": "",
        "OBJECT": dataset.name,
        "OBS_MODE": "POINTING",
        "OBS_ID": 0 if info["obs_id"] is None else int(info["obs_id"]),
        "RA_PNT": pointing.ra.deg,
        "DEC_PNT": pointing.dec.deg,
        "EQUINOX": 2000.0,
        "RADECSYS": "ICRS",
        "EV_CLASS": "",
        **times,
        "LIVETIME": seconds,
        "DEADC": seconds / times["ONTIME"] if times["ONTIME"] else 0.0,
    }


def _model_header(dataset: "MapDataset") -> dict[str, Any]:
    """Names of the models by their numbers."""
    names = ["background", *(model.name for model in signal_models(dataset))]
    header: dict[str, Any] = {"NMCIDS": len(names)}
    for number, name in enumerate(names):
        header |= {f"MID{number:05d}": number, f"MMN{number:05d}": name}
    return header
