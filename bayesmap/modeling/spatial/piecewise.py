"""Norms at positions on the sky, interpolated smoothly."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self

import astropy.units as u
import numpy as np
import scipy

from bayesmap import maps
from bayesmap._lazy import pt, pytensor
from bayesmap._types import FileName, QuantityLike, Tensor
from bayesmap._util import check_option
from bayesmap.modeling.array_parameter import ArrayParameter, as_norms, declared_norms, node_norms, norms_of
from bayesmap.modeling.formulas.evaluate import evaluate
from bayesmap.modeling.parameter import Parameter, ParameterLike, Parameters, Values
from bayesmap.modeling.spatial.base import SpatialModel
from bayesmap.modeling.spectral.interpolate import on_scale
from bayesmap.units import parse_unit

__all__ = ["PiecewiseNormSpatialModel"]

INTERP = ("lin", "log")


class PiecewiseNormSpatialModel(SpatialModel):
    r"""Norms at some positions, interpolated by piecewise cubic polynomials with continuous slopes.

    .. math::
        \phi(l, b) = f^{-1}\left(\sum_i w_i(l, b) f(n_i)\right)

    with the norms :math:`n_i`, f the identity or the logarithm, and weights from the Clough-Tocher scheme on the
    triangles between the nodes, in the plane of longitude and latitude.

    Parameters
    ----------
    coords : MapCoord
        Positions of the nodes, at least four, in the frame of the model.
    norms : array, list of Parameter, ArrayParameter, or None
        Norms, one per node; by default one. They are the parameters ``norm_0``, ``norm_1``, ... An `ArrayParameter` is
        one parameter ``norm`` for all of them, which compiles in a time that does not grow with the number of nodes.
    interp : {"lin", "log"}
        Whether the norms or their logarithms are interpolated; beside a norm of zero always the norms.
    frame : {"icrs", "galactic"}
        Frame of the positions.
    **values : str, `~astropy.units.Quantity`, float or Parameter
        Norms by name.

    Raises
    ------
    ValueError
        If there are fewer than four nodes, all on one line, or another number of norms, or the coordinates have an
        energy.

    References
    ----------
    Alfeld 1984, Computer Aided Geometric Design 1, 169

    Notes
    -----
    The shape is a factor without a unit, for `FoVBackgroundModel`. Outside of the polygon around the nodes it is NaN,
    as in Gammapy; a prediction that needs it there is an error.
    """

    tag = "piecewise-norm"
    unit = ""
    file_keys = ("frame", "lon", "lat", "interp", "array")
    fixed_positions: ClassVar[bool] = True

    def __init__(
        self, coords: Any, norms: Any = None, interp: str = "lin", *, frame: str = "icrs", **values: ParameterLike
    ) -> None:
        check_option("PiecewiseNormSpatialModel: interp", interp, INTERP)
        coords = coords if isinstance(coords, maps.MapCoord) else maps.MapCoord.create(coords)
        others = [name for name in coords.axis_names if name not in ("lon", "lat", "skycoord")]
        if others:
            raise ValueError(f"PiecewiseNormSpatialModel: nodes are positions only, found also {others}")
        self.interp = interp
        self._lon, self._lat = (np.ravel(c.to_value("deg")) for c in (coords.lon, coords.lat))
        self._middle = _circular_mean(self._lon)
        self._weights: Any = None
        self._is_array = isinstance(norms, ArrayParameter)
        n_norm = len(self._lon) if norms is None else norms.shape[0] if self._is_array else len(norms)
        if len(self._lon) < 4 or n_norm != len(self._lon):
            raise ValueError(
                f"PiecewiseNormSpatialModel: needs at least 4 nodes and as many norms, got {len(self._lon)} nodes and "
                f"{n_norm} norms"
            )
        self._check_nodes()
        self._declare(node_norms(n_norm, norms))
        if self._is_array:
            values = {"norm": norms} | values
        elif norms is not None:
            values = {f"norm_{i}": norm for i, norm in enumerate(norms)} | values
        super().__init__(frame=frame, **values)

    def _check_nodes(self) -> None:
        points = self._plane(self._lon, self._lat)
        if not np.all(np.isfinite(points)) or np.linalg.matrix_rank(points - points[0], tol=1e-9) < 2:
            raise ValueError("PiecewiseNormSpatialModel: the nodes must be finite and must not lie on one line")

    @property
    def coords(self) -> "maps.MapCoord":
        """Positions of the nodes."""
        return maps.MapCoord.create((self._lon * u.deg, self._lat * u.deg), frame=self.frame)

    @property
    def norms(self) -> u.Quantity:
        """The norms."""
        return u.Quantity(self.parameters.value)

    @property
    def lon(self) -> dict[str, Any]:
        """Longitudes of the nodes as a model file holds them."""
        return {"data": self._lon.tolist(), "unit": "deg"}

    @property
    def lat(self) -> dict[str, Any]:
        """Latitudes of the nodes as a model file holds them."""
        return {"data": self._lat.tolist(), "unit": "deg"}

    def _plane(self, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        """Longitude and latitude without a jump in the middle of the nodes, shape ``(n, 2)``."""
        offset = (np.asarray(lon) - self._middle + 180) % 360 - 180
        return np.stack(np.broadcast_arrays(offset, lat), axis=-1)

    def weights(self, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        """Return the weights of the nodes, which add up to one; NaN outside of the polygon around the nodes.

        Parameters
        ----------
        lon, lat : numpy.ndarray
            Positions in the frame of the model, in deg, of one shape.

        Returns
        -------
        numpy.ndarray
            Shape ``(..., n_node)``, the first axes those of the positions.
        """
        if self._weights is None:
            nodes = self._plane(self._lon, self._lat)
            # the scheme is linear in the values, so its weights are what it does to unit vectors
            self._weights = scipy.interpolate.CloughTocher2DInterpolator(
                nodes, np.eye(len(nodes)), tol=1e-10, maxiter=4000
            )
        values: np.ndarray = self._weights(self._plane(lon, lat))
        return values

    def overshoots(self, lon: np.ndarray, lat: np.ndarray) -> bool:
        """Whether a weight is negative on a linear scale; see `SpatialModel.overshoots`."""
        return self.interp != "log" and bool(np.nanmin(self.weights(lon, lat)) < -1e-9)

    @staticmethod
    def _blend_lin(weights: Tensor, norms: Tensor) -> Tensor:
        return pt.tensordot(weights, norms, 1)

    @staticmethod
    def _blend_log(weights: Tensor, norms: Tensor) -> Tensor:
        return on_scale(lambda numbers, _: pt.tensordot(weights, numbers, 1), norms, "log")

    @property
    def _blend(self) -> Any:
        return type(self)._blend_lin if self.interp == "lin" else type(self)._blend_log

    def _evaluate_numbers(self, lon: np.ndarray, lat: np.ndarray, energy: QuantityLike | None = None) -> np.ndarray:
        return evaluate(self._blend, self.weights(lon, lat), np.ravel(self._numbers))

    def evaluate_graph(self, lon: Tensor, lat: Tensor, values: Values) -> Tensor:
        """Return the symbolic factor at fixed positions; see `SpatialModel.evaluate_graph`.

        Raises
        ------
        TypeError
            For symbolic positions.
        ValueError
            If a position lies outside of the polygon around the nodes.
        """
        if not all(isinstance(x, np.ndarray | float) for x in (lon, lat)):
            raise TypeError("PiecewiseNormSpatialModel: positions in a graph must be fixed")
        weights = self.weights(lon, lat)
        outside = ~np.isfinite(weights).all(axis=-1)
        if outside.any():
            raise ValueError(
                f"PiecewiseNormSpatialModel: {int(outside.sum())} of {outside.size} positions lie outside of the "
                "polygon around the nodes, where the model is not defined; move the outer nodes outwards"
            )
        numbers = [pt.as_tensor_variable(value) for value in self._arguments(values)]
        norms = numbers[0] if self._is_array else pt.stack(numbers)
        return self._blend(pytensor.shared(weights, shape=(None,) * weights.ndim), norms)

    @classmethod
    def from_parameters(cls, parameters: Iterable[Parameter], **kwargs: Any) -> Self:
        """Create a model that shares the given parameters; ``kwargs`` hold ``coords``."""
        return cls(norms=norms_of(parameters), **kwargs)

    def file_data(self) -> dict[str, object]:
        """Return what a model file holds besides parameters."""
        data = super().file_data()
        if self.interp == "lin":
            del data["interp"]  # Gammapy's files have none
        if not self._is_array:
            del data["array"]
        return data

    @property
    def array(self) -> bool:
        """Whether the norms are one parameter, as a model file says it."""
        return self._is_array

    @classmethod
    def declared_in_file(cls, data: Mapping[str, object], folder: FileName | None = None) -> Parameters:
        """Return one norm per node, or one parameter for all; see `ModelBase.declared_in_file`."""
        return Parameters(declared_norms(data, len(_angles(data, "lon"))))

    @classmethod
    def from_file_data(
        cls, parameters: Mapping[str, Parameter], data: Mapping[str, object], folder: FileName | None = None
    ) -> Self:
        """Create the model as a model file describes it; see `ModelBase.from_file_data`.

        Raises
        ------
        ValueError
            If the nodes have not as many longitudes as latitudes.
        """
        lon, lat = (_angles(data, key) for key in ("lon", "lat"))
        if len(lon) != len(lat):
            raise ValueError(f"the nodes have {len(lon)} longitudes and {len(lat)} latitudes")
        others = {key: data[key] for key in ("frame", "interp") if key in data}
        arguments: dict[str, Any] = {**others, **as_norms(parameters)}
        return cls(maps.MapCoord.create((lon, lat)), **arguments)


def _circular_mean(lon: np.ndarray) -> float:
    """Mean of longitudes in deg, whatever side of 0 or 360 deg they are on."""
    radians = np.deg2rad(lon)
    return float(np.rad2deg(np.arctan2(np.sin(radians).mean(), np.cos(radians).mean())))


def _angles(data: Mapping[str, object], key: str) -> u.Quantity:
    """Angles of the nodes in a model file."""
    entry = data.get(key)
    if not isinstance(entry, Mapping) or not {"data", "unit"} <= entry.keys():
        raise ValueError(f"piecewise norms need {key}: {{data: [...], unit: deg}}, found {entry!r}")
    try:
        return u.Quantity(np.asarray(entry["data"], dtype="float64"), parse_unit(entry["unit"])).to("deg")
    except (TypeError, ValueError, u.UnitsError) as error:
        raise ValueError(f"{key} of the nodes must be angles: {error}") from None
