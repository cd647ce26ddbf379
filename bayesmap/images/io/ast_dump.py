"""The gnomonic projection of a tract in the language of AST, which ``lsst-images`` reads instead of the FITS keywords.

References
----------
Berry, Warren-Smith & Jenness 2016, Astronomy and Computing 15, 33: AST: a library for modelling and manipulating
coordinate systems. Calabretta & Greisen 2002, A&A 395, 1077: the rotation between native and celestial coordinates.
"""

import numpy as np
from astropy.wcs import WCS

__all__ = ["to_ast"]

#: AST describes an object by lines between "Begin" and "End"; those after "IsA" belong to the class it derives from
_FRAME = """Begin Frame
Naxes = 2
Domain = "{domain}"
Ax1 =
Begin Axis
{unit}End Axis
Ax2 =
Begin Axis
{unit}End Axis
End Frame"""
_SKY = """Begin SkyFrame
Ident = " "
IsA Object
Naxes = 2
System = "ICRS"
Ax1 =
Begin SkyAxis
End SkyAxis
Ax2 =
Begin SkyAxis
End SkyAxis
IsA Frame
Proj = "gnomonic"
SRefIs = "Ignored"
SRef1 = {lon}
SRef2 = {lat}
End SkyFrame"""
_COMPOUND = """Begin CmpMap
Nin = {n_in}
{n_out}IsA Mapping
{inverted}MapA =
{first}
MapB =
{second}
End CmpMap"""
_SPHERICAL = """Begin SphMap
Nin = 3
Nout = 2
IsA Mapping
UntRd = 1
PlrLg = {longitude}
End SphMap"""
_GNOMONIC = """Begin WcsMap
Nin = 2
Invert = 1
IsA Mapping
Type = "TAN"
PV1_3 = 180
PV1_4 = {latitude}
End WcsMap"""
_ZOOM = """Begin ZoomMap
Nin = 2
IsA Mapping
Zoom = {zoom}
End ZoomMap"""
_SHIFT = """Begin ShiftMap
Nin = 2
IsA Mapping
Sft1 = {x}
Sft2 = {y}
End ShiftMap"""
_FRAME_SET = """Begin FrameSet
IsA Frame
Nframe = 4
Base = 4
Currnt = 2
Lnk2 = 3
Inv2 = 1
Lnk3 = 1
Lnk4 = 1
Frm1 =
{grid}
Frm2 =
{sky}
Frm3 =
{plane}
Frm4 =
{pixel}
Map2 =
{sky_to_plane}
Map3 =
{grid_to_plane}
Map4 =
{grid_to_pixel}
End FrameSet
"""


def to_ast(wcs: WCS) -> str:
    """Describe a projection from absolute pixel coordinates to the sky.

    Parameters
    ----------
    wcs : `~astropy.wcs.WCS`
        Gnomonic (TAN) in ICRS, without distortions.

    Returns
    -------
    str
        An AST FrameSet, from pixels to longitude and latitude in rad.

    Raises
    ------
    ValueError
        If the projection is another one.
    """
    parameters = wcs.wcs
    if wcs.has_distortion or list(parameters.ctype) != ["RA---TAN", "DEC--TAN"] or parameters.radesys != "ICRS":
        raise ValueError(
            f"only gnomonic projections in ICRS (RA---TAN, DEC--TAN) without distortions can be written, got "
            f"{list(parameters.ctype)} in {parameters.radesys or 'no frame'}"
        )
    if parameters.lonpole != 180:
        raise ValueError(f"only projections with LONPOLE = 180 can be written, got {parameters.lonpole}")
    lon, lat = np.deg2rad(parameters.crval)
    # forwards: from sky to the plane; a CmpMap with InvA uses its first part backwards
    native = _compound(_matrix(_rotation(lon, lat)), _spherical_to_plane(lat), n_in=3, n_out=2, inverted=True)
    sky_to_plane = _compound(_SPHERICAL.format(longitude=_number(lon)), native, inverted=True)
    shift = _SHIFT.format(x=_number(-parameters.crpix[0]), y=_number(-parameters.crpix[1]))
    text = _FRAME_SET.format(
        grid=_FRAME.format(domain="GRID", unit=""),
        sky=_SKY.format(lon=_number(lon), lat=_number(lat)),
        plane=_FRAME.format(domain="IWC", unit='Unit = "deg"\n'),
        pixel=_FRAME.format(domain="PIXEL", unit=""),
        sky_to_plane=sky_to_plane,
        grid_to_plane=_compound(shift, _matrix(wcs.pixel_scale_matrix)),
        grid_to_pixel=_SHIFT.format(x=-1, y=-1),
    )
    # lines begin with a blank, as the library writes them
    return "".join(f" {line}\n" for line in text.splitlines())


def _spherical_to_plane(lat: float) -> str:
    """From native Cartesian coordinates on the sphere to deg in the plane."""
    plane = _compound(
        _GNOMONIC.format(latitude=_number(np.rad2deg(lat))), _ZOOM.format(zoom=_number(np.rad2deg(1.0))), n_in=2
    )
    return _compound(_SPHERICAL.format(longitude=0), plane, n_in=3, n_out=2)


def _rotation(lon: float, lat: float) -> np.ndarray:
    """Matrix from native to celestial Cartesian coordinates, for the native pole at ``lon, lat``, LONPOLE = 180."""
    sin_a, cos_a, sin_d, cos_d = np.sin(lon), np.cos(lon), np.sin(lat), np.cos(lat)
    return np.array(
        [
            [sin_d * cos_a, -sin_a, cos_d * cos_a],
            [sin_d * sin_a, cos_a, cos_d * sin_a],
            [-cos_d, 0, sin_d],
        ]
    )


def _matrix(matrix: np.ndarray) -> str:
    elements = _elements("M", matrix) + _elements("IM", np.linalg.inv(matrix))
    return "\n".join(
        ["Begin MatrixMap", f"Nin = {len(matrix)}", "IsA Mapping", *elements, 'Form = "Full"', "End MatrixMap"]
    )


def _elements(name: str, matrix: np.ndarray) -> list[str]:
    return [f"{name}{index} = {_number(value)}" for index, value in enumerate(matrix.ravel())]


def _compound(first: str, second: str, n_in: int = 2, n_out: int = 2, inverted: bool = False) -> str:
    return _COMPOUND.format(
        n_in=n_in,
        n_out=f"Nout = {n_out}\n" if n_out != n_in else "",
        inverted="InvA = 1\n" if inverted else "",
        first=first,
        second=second,
    )


def _number(value: float) -> str:
    return f"{value:.17g}"
