"""Absorption by the extragalactic background light."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import astropy.units as u
import numpy as np

from bayesmap._lazy import pt
from bayesmap._types import FileName, QuantityLike, Tensor
from bayesmap._util import check_option, make_path
from bayesmap.maps.files import named_errors
from bayesmap.modeling.parameter import Parameter, ParameterLike, Values
from bayesmap.modeling.spectral.base import SpectralModel
from bayesmap.modeling.spectral.interpolate import at_most, interpolate
from bayesmap.modeling.spectral.tables import array_to_file, check_energies, check_finite, quantity_from_file
from bayesmap.modeling.spectral.xspec import read_table_model
from bayesmap.units import strip

__all__ = ["EBL_DATA_BUILTIN", "EBLAbsorptionNormSpectralModel"]

EBL_DATA_BUILTIN = {
    "franceschini": "$GAMMAPY_DATA/ebl/ebl_franceschini.fits.gz",
    "dominguez": "$GAMMAPY_DATA/ebl/ebl_dominguez11.fits.gz",
    "finke": "$GAMMAPY_DATA/ebl/frd_abs.fits.gz",
    "franceschini17": "$GAMMAPY_DATA/ebl/ebl_franceschini_2017.fits.gz",
    "saldana-lopez21": "$GAMMAPY_DATA/ebl/ebl_saldana-lopez_2021.fits.gz",
}
_FLOOR = float(np.finfo("float32").tiny)  # tables are in single precision; a transmission of zero counts as this


class EBLAbsorptionNormSpectralModel(SpectralModel):
    r"""Absorption of gamma rays by the extragalactic background light, a factor to another spectrum.

    .. math::
        f(E) = \exp(-\alpha \, \tau(E, z))

    The table holds :math:`\exp(-\tau)`; :math:`\tau` is interpolated linearly in the redshift and in the logarithm of
    the energy, and extrapolated beyond the table. It is never negative.

    Parameters
    ----------
    energy : `~astropy.units.Quantity`
        Energies of the table, ascending, shape ``(m,)``.
    param : sequence of float
        Redshifts of the table, ascending, shape ``(n,)``.
    data : array-like
        The table of :math:`\exp(-\tau)`, shape ``(n, m)``.
    filename : str or None
        File that the table came from; without one a model file holds the whole table.
    redshift : `~astropy.units.Quantity`
        :math:`z`, dimensionless, frozen. Default 0.1.
    alpha_norm : `~astropy.units.Quantity`
        :math:`\alpha`, dimensionless, frozen. Default 1.

    Raises
    ------
    ValueError
        If energies or redshifts do not ascend, or the table has another shape, NaN or negative values.

    Notes
    -----
    Tables are read with `read`: the files of Gammapy's data (Franceschini 2008 and 2017, Finke 2010, Dominguez 2011,
    Saldana-Lopez 2021) are XSPEC table models. Integrals of products are divided at the energies of the table.

    References
    ----------
    Franceschini et al. 2008, A&A 487, 837; Finke et al. 2010, ApJ 712, 238; Dominguez et al. 2011, MNRAS 410, 2556.
    """

    tag = "ebl-norm"
    unit = ""
    file_keys = ("filename", "energy", "param", "values")
    redshift = Parameter("redshift", 0.1, frozen=True, role="shape")
    alpha_norm = Parameter("alpha_norm", 1.0, frozen=True, role="shape")

    def __init__(
        self,
        energy: u.Quantity,
        param: QuantityLike,
        data: QuantityLike,
        filename: FileName | None = None,
        **values: ParameterLike,
    ) -> None:
        label = type(self).__name__
        self.energy = check_energies(label, energy)
        self.param = check_finite(label, "param", u.Quantity(param).to_value(""))
        if self.param.ndim != 1 or len(self.param) < 2 or np.any(np.diff(self.param) <= 0):
            raise ValueError(f"{label}: param must be at least two ascending redshifts, got {self.param}")
        self.data = check_finite(label, "data", u.Quantity(data).to_value(""))
        if self.data.shape != (len(self.param), len(self.energy)):
            raise ValueError(
                f"{label}: {len(self.param)} redshifts and {len(self.energy)} energies need a table of shape "
                f"{(len(self.param), len(self.energy))}, got {self.data.shape}"
            )
        if np.any(self.data < 0):
            raise ValueError(f"{label}: data must not be negative, the least is {self.data.min()}")
        self.filename = None if filename is None else str(filename)
        self._nodes = strip(self.energy)
        self._log_data = np.log(np.maximum(self.data, _FLOOR))
        super().__init__(**values)

    @property
    def output_unit(self) -> u.UnitBase:
        """Dimensionless."""
        return u.dimensionless_unscaled

    @property
    def _arrays(self) -> tuple[np.ndarray, ...]:
        return self._nodes, self.param, self._log_data

    def _inputs(self, values: Values) -> tuple[Tensor, ...]:
        """The row of the table, where the redshift is a number, else all rows."""
        nodes, redshifts, table = self._arrays
        redshift = values[self.redshift]
        if isinstance(redshift, int | float):
            last = len(redshifts) - 2
            row = int(np.clip(np.searchsorted(redshifts, redshift, side="right") - 1, 0, last))
            redshifts, table = redshifts[row : row + 2], table[row : row + 2]
        return (nodes, redshifts, table, *self._arguments(values))

    @staticmethod
    def evaluate(
        energy: Tensor, nodes: Tensor, redshifts: Tensor, table: Tensor, redshift: Tensor, alpha_norm: Tensor
    ) -> Tensor:
        """Return the factor; ``table`` holds minus the optical depth."""
        rows = interpolate(redshifts, pt.as_tensor_variable(table).T, pt.as_tensor_variable(redshift)[..., None])
        points, x = (pt.log(pt.as_tensor_variable(e)) for e in (nodes, energy))
        return pt.exp(alpha_norm * at_most(interpolate(points, rows, x), 0.0))

    def breaks(self, values: Values) -> Sequence[Tensor]:
        """Return the energies of the table; see `SpectralModel.breaks`."""
        return tuple(self._nodes.tolist())

    @classmethod
    def read(
        cls, filename: FileName, redshift: ParameterLike = 0.1, alpha_norm: ParameterLike = 1, **kwargs: Any
    ) -> Self:
        """Read a table from an XSPEC table model.

        Parameters
        ----------
        filename : path
            FITS file; environment variables are expanded.
        redshift, alpha_norm : float, `~astropy.units.Quantity` or Parameter
            Values of the parameters.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file is no table model.
        """
        param, energy, data = read_table_model(filename)
        with named_errors(make_path(filename), "SPECTRA"):
            return cls(energy, param, data, filename=filename, redshift=redshift, alpha_norm=alpha_norm, **kwargs)

    @classmethod
    def read_builtin(
        cls, reference: str = "dominguez", redshift: ParameterLike = 0.1, alpha_norm: ParameterLike = 1
    ) -> Self:
        """Read one of the tables in Gammapy's data, below the folder ``$GAMMAPY_DATA``.

        Parameters
        ----------
        reference : {"franceschini", "dominguez", "finke", "franceschini17", "saldana-lopez21"}
            Name of the table.
        redshift, alpha_norm : float, `~astropy.units.Quantity` or Parameter
            Values of the parameters.

        Raises
        ------
        ValueError
            For an unknown name.
        FileNotFoundError
            If the folder does not hold the table; the message names the file.
        """
        check_option("reference", reference, EBL_DATA_BUILTIN)
        name = EBL_DATA_BUILTIN[reference]
        try:
            return cls.read(name, redshift, alpha_norm)
        except FileNotFoundError:
            folder = os.environ.get("GAMMAPY_DATA")
            where = f"is {folder}, which does not hold it" if folder else "is not set"
            raise FileNotFoundError(
                f"the absorption table {reference!r} is the file {name} of Gammapy's data; GAMMAPY_DATA {where}. "
                f"{cls.__name__}.read reads a table from any file"
            ) from None

    def file_data(self) -> dict[str, object]:
        """Return what a model file holds besides parameters."""
        if self.filename is not None:
            return {"filename": self.filename}
        arrays = {"energy": self.energy, "param": u.Quantity(self.param), "values": u.Quantity(self.data)}
        return {key: array_to_file(quantity) for key, quantity in arrays.items()}

    @classmethod
    def from_file_data(
        cls, parameters: Mapping[str, Parameter], data: Mapping[str, object], folder: FileName | None = None
    ) -> Self:
        """Create the model as a model file describes it; see `ModelBase.from_file_data`.

        A file that does not exist is replaced by the table of the same name in Gammapy's data.

        Raises
        ------
        ValueError
            If the name of the file is no text.
        """
        if "filename" not in data:
            energy, param, values = (quantity_from_file(cls.__name__, data, key) for key in cls.file_keys[1:])
            arguments: dict[str, Any] = {**parameters}
            return cls(energy, param, values, **arguments)
        if not isinstance(data["filename"], str):
            raise ValueError(f"{cls.__name__}: filename must be a text, found {data['filename']!r}")
        path = make_path(data["filename"])
        if folder is not None and not path.is_absolute() and not path.exists():
            path = Path(folder) / path
        same = [make_path(known) for known in EBL_DATA_BUILTIN.values() if Path(known).name == path.name]
        if not path.exists() and same and same[0].exists():
            path = same[0]
        model = cls.read(path, **parameters)
        model.filename = data["filename"]
        return model
