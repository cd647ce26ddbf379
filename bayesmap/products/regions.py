"""Credible regions of positions and extensions, as regions of the sky."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np
import scipy
from astropy.coordinates import Angle, SkyCoord
from astropy.io import fits

from bayesmap._files import write_text
from bayesmap._types import FileName, Region, Tree
from bayesmap._util import check_option, make_path
from bayesmap.maps.files import write_hdulist
from bayesmap.maps.region import RegionGeom
from bayesmap.maps.region_fits import region_hdu
from bayesmap.modeling import Models, SkyModel
from bayesmap.modeling.parameter import Parameter
from bayesmap.modeling.posterior import Posterior
from bayesmap.modeling.roles import part_of, role_of
from bayesmap.products.limits import needed_draws, shortest_interval
from bayesmap.products.sources import sources_of
from bayesmap.products.tangent import TangentPlane

if TYPE_CHECKING:
    from regions import Regions

__all__ = ["CredibleRegions", "extension_regions", "position_regions"]

#: one standard deviation of a normal distribution on a plane, and the usual ones
LEVELS = (0.39, 0.68, 0.95, 0.99)
KINDS = ("ellipse", "contour")
#: nodes of the density along each axis, and standard deviations around the draws
NODES, REACH = 200, 3.0
#: draws of the kernel density, at most
MOST_DRAWS = 4000


@dataclass(frozen=True, eq=False)
class CredibleRegions:
    """Regions of the sky that hold shares of the draws; print them.

    Attributes
    ----------
    name : str
        Of what.
    center : `~astropy.coordinates.SkyCoord`
        Mean direction of the position.
    levels : tuple of float
        Probabilities, in rising order.
    regions : list of list of `~regions.SkyRegion`
        For each level its parts: one, or for a contour as many as there are islands.
    radii : `~astropy.coordinates.Angle`
        Shape ``(n_level,)``: of a position the radii around the centre within which lie such shares of the draws; of an
        extension the upper ends of its intervals.
    """

    name: str
    center: SkyCoord
    levels: tuple[float, ...]
    regions: list[list[Region]]
    radii: Angle

    def to_regions(self) -> "Regions":
        """Return all regions in one list, each with the label "<name> 95 %"."""
        from regions import RegionMeta, Regions

        labelled = []
        for level, parts in zip(self.levels, self.regions, strict=True):
            labelled += [part.copy(meta=RegionMeta({"text": f"{self.name} {100 * level:g} %"})) for part in parts]
        return Regions(labelled)

    def write(self, filename: FileName, overwrite: bool = False) -> None:
        """Write the regions to a file, completely or not at all.

        Parameters
        ----------
        filename : path
            ``.fits`` (also ``.fits.gz``) holds one table ``LEVEL_95_REGION`` for each level, each a region as
            `bayesmap.maps.RegionGeom` and Gammapy read it, with its projection; ``.reg`` is a DS9 file.
        overwrite : bool
            Whether to replace an existing file.

        Raises
        ------
        ValueError
            If the name has another ending.
        FileExistsError
            If the file exists and ``overwrite`` is False.
        OSError
            If it cannot be written; nothing is left then.

        References
        ----------
        https://fits.gsfc.nasa.gov/registry/region.html
        """
        path = make_path(filename)
        if path.name.endswith((".fits", ".fits.gz")):
            write_hdulist(self._hdulist(), path, overwrite)
        elif path.suffix == ".reg":
            if path.exists() and not overwrite:
                raise FileExistsError(f"{path} exists; use overwrite=True to replace it")
            write_text(self.to_regions().serialize(format="ds9", precision=10), path)
        else:
            raise ValueError(f"{path}: regions are written to .fits, .fits.gz or .reg")

    def _hdulist(self) -> fits.HDUList:
        """A table for each level, in pixels of a projection around the centre."""
        binsz = self.radii.max() / 100
        hdus = [fits.PrimaryHDU()]
        for level, parts in zip(self.levels, self.regions, strict=True):
            hdu = region_hdu(RegionGeom.create(parts, binsz_wcs=binsz), f"LEVEL_{100 * level:g}_REGION")
            hdu.header["LEVEL"] = (level, "probability inside")
            hdus.append(hdu)
        return fits.HDUList(hdus)

    def __str__(self) -> str:
        position = self.center.to_string("decimal", precision=5)
        rows = [f"  {100 * p:g} %: {_angle(r)}" for p, r in zip(self.levels, self.radii, strict=True)]
        return "\n".join([f"{self.name} around {position} deg ({self.center.frame.name}), within a radius of", *rows])


def position_regions(
    tree: Tree, source: str | SkyModel, levels: Sequence[float] = LEVELS, kind: str = "ellipse"
) -> CredibleRegions:
    r"""Credible regions of the position of a source.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of `bayesmap.sample`.
    source : str or SkyModel
        Name of a source whose model is in the tree, or a model that was sampled; its position is free.
    levels : sequence of float
        Probabilities of the regions.
    kind : {"ellipse", "contour"}
        "ellipse": with the axes of the covariance of the draws, so large that it holds that share of them. "contour":
        of the highest density, a kernel density of the draws, for posteriors that are no ellipses or have islands.

    Returns
    -------
    CredibleRegions
        Ellipses, or polygons, in the frame of the model.

    Raises
    ------
    KeyError
        If the source is not in the tree; the message names those that are.
    ValueError
        If the position is not free, does not vary, or is spread over a hemisphere; if levels or kind are impossible, or
        there are too few draws outside of the largest region.

    Notes
    -----
    Everything is done in the plane that touches the sphere at the mean direction of the draws, so that neither a pole
    nor the meridian of zero is special. Of normal draws the ellipse of 0.393 has semi-axes of one standard deviation.
    The kernel density (Scott's rule) widens a normal posterior of 4000 draws by 3 %; the level of a contour is the
    density that such a share of the draws exceeds.
    """
    check_option("kind", kind, KINDS)
    ordered, model, posterior = _checked(levels), sources_of(tree, source)[0], Posterior(tree)
    lon, lat = _position_draws(posterior, model)
    _check_number(lon.size, ordered[-1], model.name)
    plane = TangentPlane(lon, lat, model.frame or "icrs", f"the position of {model.name!r}")
    make = _ellipses if kind == "ellipse" else _contours
    radii = Angle(np.quantile(plane.separations, ordered), "deg")
    return CredibleRegions(f"position of {model.name}", plane.center, ordered, make(plane, ordered), radii)


def extension_regions(tree: Tree, source: str | SkyModel, levels: Sequence[float] = LEVELS) -> CredibleRegions:
    """Credible regions of the extension of a source, as rings around its mean position.

    Parameters
    ----------
    tree, source, levels
        As for `position_regions`; the source has one free extension (``sigma``, ``r_0``, ...), the first if more.

    Returns
    -------
    CredibleRegions
        Rings between the ends of the shortest intervals of the extension; circles where one begins at zero to within 1
        % of its end.

    Raises
    ------
    KeyError
        If the source is not in the tree.
    ValueError
        If no extension is free, or as for `position_regions`.

    Notes
    -----
    Of elongated shapes it is the extension that the model has as a parameter, along the major axis.
    """
    from regions import CircleAnnulusSkyRegion, CircleSkyRegion

    ordered, model, posterior = _checked(levels), sources_of(tree, source)[0], Posterior(tree)
    shape, names = model.spatial_model, _variables(posterior, model)
    free = [p for p in names if shape is not None and role_of(p, part_of(model, p)) == "extension"]
    if not free:
        raise ValueError(f"source {model.name!r} has no free extension in the posterior")
    draws = posterior.column(names[free[0]], free[0])
    _check_number(draws.size, ordered[-1], model.name)
    if np.ptp(draws) == 0:
        raise ValueError(f"the extension of {model.name!r} does not vary: all draws are {draws[0]:g}")
    lon, lat = _position_draws(posterior, model, frozen=True)
    center = TangentPlane(lon, lat, model.frame or "icrs", f"the position of {model.name!r}", points=True).center
    ends = [shortest_interval(draws, level) * free[0].unit for level in ordered]
    regions = [
        [CircleSkyRegion(center, high) if low < 0.01 * high else CircleAnnulusSkyRegion(center, low, high)]
        for low, high in ends
    ]
    radii = Angle(u.Quantity([high for _, high in ends]).to("deg"))
    return CredibleRegions(f"{free[0].name} of {model.name}", center, ordered, regions, radii)


def _checked(levels: Sequence[float]) -> tuple[float, ...]:
    """Probabilities in rising order."""
    ordered = tuple(sorted(float(level) for level in levels))
    if not ordered or not all(0 < level < 1 for level in ordered):
        raise ValueError(f"levels are probabilities between 0 and 1, got {levels!r}")
    return ordered


def _check_number(number: int, level: float, name: str) -> None:
    if number < needed_draws(level):
        raise ValueError(
            f"source {name!r}: {number} draws are too few for a region of {100 * level:g} %, which needs "
            f"{needed_draws(level)}, ten outside of it"
        )


def _variables(posterior: Posterior, model: SkyModel) -> dict[Parameter, str]:
    """Free spatial parameters of a model and their variables."""
    shape = model.spatial_model
    own = [] if shape is None else list(shape.parameters)
    names = Models([model]).parameter_names
    return {p: names[p] for p in own if not p.frozen and names[p] in posterior}


def _position_draws(posterior: Posterior, model: SkyModel, frozen: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Draws of longitude and latitude in deg, chains joined; of frozen ones, if they may be, their value."""
    names, draws = _variables(posterior, model), []
    for key in ("lon_0", "lat_0"):
        parameter = getattr(model.spatial_model, key, None)
        if parameter in names:
            draws.append(posterior.column(names[parameter], parameter) * parameter.unit.to("deg"))
        elif frozen and parameter is not None:
            draws.append(np.full(len(posterior), parameter.quantity.to_value("deg")))
        else:
            raise ValueError(f"source {model.name!r} has no free position: {key} is not in the posterior")
    return draws[0], draws[1]


def _ellipses(plane: TangentPlane, levels: Sequence[float]) -> list[list[Region]]:
    """Ellipses with the axes of the covariance that hold shares of the draws."""
    from regions import EllipseSkyRegion

    offsets = plane.offsets
    middle, covariance = offsets.mean(axis=0), np.cov(offsets.T)
    values, axes = np.linalg.eigh(covariance)
    distances = np.sqrt((((offsets - middle) @ axes) ** 2 / values).sum(axis=1))
    east, north = axes[:, 1]
    # a region is turned from west over north, as pixels are counted with north up and east to the left
    angle = np.degrees(np.arctan2(north, -east)) % 180 * u.deg
    center, (minor, major) = plane.coordinates(middle[None])[0], np.sqrt(values)
    return [
        [EllipseSkyRegion(center, 2 * scale * major * u.deg, 2 * scale * minor * u.deg, angle)]
        for scale in np.quantile(distances, levels)
    ]


def _contours(plane: TangentPlane, levels: Sequence[float]) -> list[list[Region]]:
    """Polygons around the highest density."""
    from contourpy import contour_generator
    from regions import PolygonSkyRegion

    some = plane.offsets[:: -(-len(plane.offsets) // MOST_DRAWS)]
    # in coordinates in which the draws have no correlation and unit width, as the grid has
    root = np.linalg.cholesky(np.cov(some.T))
    middle = some.mean(axis=0)
    units = scipy.linalg.solve_triangular(root, (some - middle).T, lower=True)
    density = scipy.stats.gaussian_kde(units)
    spread = REACH * np.sqrt(density.covariance[0, 0])
    x, y = (np.linspace(row.min() - spread, row.max() + spread, NODES) for row in units)
    image = density(np.stack(np.meshgrid(x, y)).reshape(2, -1)).reshape(NODES, NODES)
    generator = contour_generator(x, y, image, fill_type="OuterOffset")
    found = []
    for threshold in np.quantile(density(units), 1 - np.array(levels)):
        polygons = []
        for points, ends in zip(*generator.filled(threshold, np.inf), strict=True):
            offsets = middle + _one_path(points, ends) @ root.T
            polygons.append(PolygonSkyRegion(plane.coordinates(offsets)))
        found.append(polygons)
    return found


def _one_path(points: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """One closed path, of an outline and of holes in it that are reached over a cut, there and back."""
    rings = [points[start:stop] for start, stop in zip(ends[:-1], ends[1:], strict=True)]
    path = [rings[0]]
    for hole in rings[1:]:
        path += [hole, rings[0][:1]]
    return np.concatenate(path)[: None if len(rings) > 1 else -1]


def _angle(angle: Angle) -> str:
    """An angle in the unit in which it is no small number."""
    unit = next((unit for unit in (u.deg, u.arcmin) if angle >= 1 * unit), u.arcsec)
    return f"{angle.to_value(unit):.4g} {unit}"
