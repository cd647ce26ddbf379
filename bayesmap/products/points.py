"""Flux points and light curves as a posterior: the draws of all norms, and points for each source."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
import xarray as xr
from astropy.table import Table
from astropy.time import Time

from bayesmap._html import html_table
from bayesmap._types import Axes, FileName, Tree
from bayesmap._util import suggest
from bayesmap.estimators import FluxPoints
from bayesmap.io import save
from bayesmap.irf import GTI
from bayesmap.maps import Map, MapAxis, RegionGeom, TimeMapAxis
from bayesmap.modeling import SkyModel

if TYPE_CHECKING:
    from xarray import DataArray

__all__ = ["CONFIDENCE", "PosteriorPoints"]

CONFIDENCE = 0.95  # of upper limits
#: share of the weight of the prior from which on a point says more about the prior than about the data
DOMINATED = 0.5
#: a norm has no lower limit if fewer draws than this lie below its 95 % interval of highest density
TOUCHES = 2e-3


class PosteriorPoints(Mapping[str, FluxPoints]):
    """Flux points, or light curves, of one or more sources, with their joint posterior.

    A mapping from the name of each source to its points. Their ``norm`` is the median, ``norm_err`` the standard
    deviation, ``norm_errn`` and ``norm_errp`` reach to the central 68 %, ``norm_ul`` is the 95 % quantile, and
    ``is_ul`` says that the 95 % interval of highest density begins at zero. ``prior_share`` is the share of the prior
    in the weight of a point: zero for independent points, one where the data say nothing.

    Parameters
    ----------
    draws : xarray.DataArray
        Norms, dimensions chain, draw, source, energy, of light curves source, time, energy.
    references : Mapping of str to SkyModel
        The sources with the spectrum that the norms multiply.
    axis : MapAxis
        Energy bands.
    prior_share : numpy.ndarray
        Shape of the draws without chain and draw.
    intervals : sequence of pairs of `~astropy.time.Time`, optional
        Intervals of a light curve.
    tree : xarray.DataTree
        Result of `bayesmap.sample` for these norms and all that was marginalised.
    extra : Mapping of str to xarray.DataArray
        More draws: ``tilt`` (source, time), added to minus the slope of the spectrum; ``scale`` and ``timescale``
        (source) of the prior.
    """

    def __init__(
        self,
        draws: "DataArray",
        references: Mapping[str, SkyModel],
        axis: MapAxis,
        prior_share: np.ndarray,
        tree: Tree,
        intervals: Sequence[tuple[Time, Time]] | None = None,
        extra: "Mapping[str, DataArray] | None" = None,
    ) -> None:
        self.draws, self.tree, self.energy_axis = draws, tree, axis
        self.extra = dict(extra or {})
        self.intervals = intervals
        self._points = {
            name: self._make(reference, np.asarray(prior_share[i]))
            for i, (name, reference) in enumerate(references.items())
        }

    def _make(self, reference: SkyModel, prior_share: np.ndarray) -> FluxPoints:
        columns = self._columns(reference.name)
        if self.intervals is None:
            return self._one(columns, prior_share, reference, None)
        spans = [GTI.create(u.Quantity([0 * u.s]), (b - a).to("s")[None], a) for a, b in self.intervals]
        points = [
            self._one(columns[:, i], prior_share[i], reference, span) for i, span in enumerate(spans)
        ]  # fmt: skip
        start, stop = (Time([pair[i] for pair in self.intervals]) for i in (0, 1))
        return FluxPoints.from_stack(points, TimeMapAxis.from_time_edges(start, stop))

    def _columns(self, source: str) -> np.ndarray:
        """Draws of the norms of a source, chains joined."""
        values: np.ndarray = self.draws.sel(source=source).values
        return values.reshape(-1, *values.shape[2:])

    def _one(self, columns: np.ndarray, prior_share: np.ndarray, reference: SkyModel, gti: GTI | None) -> FluxPoints:
        low, median, high = np.quantile(columns, [0.15865525, 0.5, 0.84134475], axis=0)
        numbers = {
            "norm": median,
            "norm_err": columns.std(axis=0, ddof=1),
            "norm_errn": median - low,
            "norm_errp": high - median,
            "norm_ul": np.quantile(columns, CONFIDENCE, axis=0),
            "is_ul": np.array([begins_at_zero(column) for column in columns.T]),
            "prior_share": prior_share,
        }
        geom = RegionGeom(None, axes=[self.energy_axis])
        maps = {name: Map.from_geom(geom, data=x.reshape(geom.data_shape), unit="") for name, x in numbers.items()}
        meta = {"n_sigma": 1, "n_sigma_ul": 1.959964, "sed_type_init": "dnde"}
        return FluxPoints(maps, reference, meta, gti)

    # -- mapping ----------------------------------------------------------------------------------------------------
    def __getitem__(self, name: str) -> FluxPoints:
        if name not in self._points:
            raise KeyError(f"no points of {name!r}{suggest(name, self._points)}")
        return self._points[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._points)

    def __len__(self) -> int:
        return len(self._points)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{n} {what}" for what, n in self.draws.sizes.items() if what not in ("chain", "draw"))
        return f"<PosteriorPoints of {', '.join(self)}: {sizes}, {self._columns(next(iter(self))).shape[0]} draws>"

    def _repr_html_(self) -> str:
        parts = []
        for name, points in self.items():
            table = points.to_table("e2dnde", formatted=True)
            headings = [f"{key} [{c.unit}]" if (c := table[key]).unit else key for key in table.colnames]
            columns = [table[key].pformat(show_name=False, show_unit=False, max_lines=-1) for key in table.colnames]
            parts.append(html_table(headings, zip(*columns, strict=True), name))
        return "".join(parts)

    # -- what there is beside the points ----------------------------------------------------------------------------
    @property
    def covariance(self) -> np.ndarray:
        """Covariance of all norms, of shape ``(n, n)``: source by source, interval by interval, band by band."""
        columns = self.draws.values.reshape(self.draws.sizes["chain"] * self.draws.sizes["draw"], -1)
        return np.atleast_2d(np.cov(columns, rowvar=False))

    @property
    def prior_dominated(self) -> dict[str, np.ndarray]:
        """Where the prior has more weight than the data, by source: booleans of the shape of the points."""
        return {name: points.prior_share.data[..., 0, 0] > DOMINATED for name, points in self.items()}

    def flux_draws(self, source: str, sed_type: str = "dnde") -> u.Quantity:
        """Return the draws of the fluxes of a source.

        Parameters
        ----------
        source : str
            Its name.
        sed_type : {"dnde", "e2dnde", "flux", "eflux"}
            How to state fluxes.

        Returns
        -------
        `~astropy.units.Quantity`
            Shape ``(n_draw, n_energy)``, of light curves ``(n_draw, n_time, n_energy)``, chains joined.
        """
        reference = self[source].slice_by_idx({"time": 0}) if self.intervals else self[source]
        fluxes: u.Quantity = self._columns(source) * reference.reference(sed_type)
        return fluxes

    def to_table(self, source: str | None = None, sed_type: str = "dnde") -> Table:
        """Return the points of a source as a table; see `FluxPoints.to_table`.

        Parameters
        ----------
        source : str, optional
            Its name; the only one by default.
        sed_type : {"dnde", "e2dnde", "flux", "eflux", "likelihood"}
            How to state fluxes.
        """
        return self[self._only(source)].to_table(sed_type)

    def _only(self, source: str | None) -> str:
        if source is None and len(self) > 1:
            raise ValueError(f"there are points of several sources, name one of {list(self)}")
        return next(iter(self)) if source is None else source

    def variability(self, source: str | None = None) -> dict[str, u.Quantity]:
        """Return how much, and how fast, the flux in the lowest energy band varies, in each draw.

        Parameters
        ----------
        source : str, optional
            Its name; the only one by default.

        Returns
        -------
        dict of `~astropy.units.Quantity`
            ``"fractional_rms"``: standard deviation of the fluxes of a draw over their mean; ``"doubling_time"``: the
            shortest time in which the flux of a draw doubles or halves, extrapolated from one interval to the next.
            Shape ``(n_draw,)``, chains joined.

        Raises
        ------
        ValueError
            If there are fewer than two intervals.

        Notes
        -----
        The draws of independent norms scatter by their errors too: with few counts take a prior that learns the size
        of the variations (``prior="walk"`` or ``"ou"``), or the excess variance of the points,
        `bayesmap.stats.compute_fvar`.
        """
        if self.intervals is None or len(self.intervals) < 2:
            raise ValueError("variability needs a light curve of at least two intervals")
        norms = self._columns(self._only(source))[:, :, 0]
        middle = np.array([0.5 * (a.tai.mjd + b.tai.mjd) for a, b in self.intervals])
        with np.errstate(divide="ignore"):
            rate = np.abs(np.diff(np.log(norms), axis=1)) / np.diff(middle)
        return {
            "fractional_rms": norms.std(axis=1, ddof=1) / norms.mean(axis=1) * u.one,
            "doubling_time": np.log(2) / rate.max(axis=1) * u.d,
        }

    # -- files and figures ------------------------------------------------------------------------------------------
    def write(self, folder: FileName, sed_type: str = "dnde", overwrite: bool = False) -> list[Path]:
        """Write the points of each source as a FITS table that Gammapy reads, and all draws as netCDF beside them.

        Parameters
        ----------
        folder : str or path
            The folder; it is made if need be.
        sed_type : {"dnde", "e2dnde", "flux", "eflux", "likelihood"}
            How to state fluxes.
        overwrite : bool
            Whether existing files are replaced.

        Returns
        -------
        list of Path
            The files.

        Raises
        ------
        OSError
            If a file exists and is not to be replaced; nothing is written then.
        """
        base = Path(os.fspath(folder))
        tables = {name: base / f"{name}-{'lightcurve' if self.intervals else 'sed'}.fits" for name in self}
        files = [*tables.values(), base / "draws.nc"]
        if not overwrite and (there := [str(f) for f in files if f.exists()]):
            raise OSError(f"{there} exist already; use overwrite=True")
        base.mkdir(parents=True, exist_ok=True)
        save(self.to_tree(), files[-1], overwrite=overwrite)
        for name, file in tables.items():
            self[name].write(file, sed_type=sed_type, overwrite=overwrite)
        return files

    def to_tree(self) -> Tree:
        """Return the result of sampling with a group ``points`` more: ``norm`` and what else there are draws of."""
        tree = self.tree.copy()
        tree["points"] = xr.DataTree(xr.Dataset({"norm": self.draws, **self.extra}))
        return tree

    def plot(self, source: str | None = None, ax: Axes = None, sed_type: str | None = None, **kwargs: Any) -> Axes:
        """Plot the points of a source; arguments as for `FluxPoints.plot`."""
        return self[self._only(source)].plot(ax=ax, sed_type=sed_type, **kwargs)


def begins_at_zero(column: np.ndarray) -> bool:
    """Return whether the shortest interval with 95 % of some draws begins at the lowest of them."""
    ordered = np.sort(column)
    n, inside = len(ordered), int(np.ceil(CONFIDENCE * len(ordered)))
    widths = ordered[inside - 1 :] - ordered[: n - inside + 1]
    return bool(np.argmin(widths) <= TOUCHES * n)
