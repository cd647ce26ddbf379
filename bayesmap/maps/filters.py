"""Smooth maps and convolve them with kernels, image by image."""

from collections.abc import Callable

import astropy.units as u
import numpy as np
import scipy

from bayesmap._util import check_option
from bayesmap.errors import GeometryMismatchError
from bayesmap.maps.map import Map

__all__ = ["convolve", "smooth"]


def smooth[M: Map](m: M, width: object, kernel: str = "gauss", **kwargs: object) -> M:
    """Return the map of `WcsNDMap.smooth`."""
    check_option("kernel", kernel, ("gauss", "disk", "box"))
    pixels = _width_in_pixels(m, width)
    image_filter = _filter(kernel, pixels, kwargs)
    data = np.empty(m.data.shape, dtype="float64")
    for image, idx in m.iter_by_image_data():
        data[idx] = image_filter(image.astype("float64"))
    return m.copy(data=data)


def _width_in_pixels(m: Map, width: object) -> float:
    size = u.Quantity(width)
    if size.unit.is_equivalent("deg"):
        size = size / m.geom.pixel_scales.mean()
    pixels = float(size.to_value(""))
    if not pixels >= 0:
        raise ValueError(f"smooth: width must not be negative, got {width}")
    return pixels


def _filter(kernel: str, pixels: float, kwargs: dict[str, object]) -> Callable[[np.ndarray], np.ndarray]:
    if kernel == "gauss":
        return lambda image: scipy.ndimage.gaussian_filter(image, pixels, **kwargs)
    if kernel == "box":
        return lambda image: scipy.ndimage.uniform_filter(image, max(1, int(pixels)), **kwargs)
    disk = disk_kernel(pixels)
    return lambda image: scipy.ndimage.convolve(image, disk, **kwargs)


def disk_kernel(radius: float) -> np.ndarray:
    """Return a normalised disk of pixels whose centres lie within ``radius`` pixels."""
    half = int(np.ceil(radius))
    y, x = np.indices((2 * half + 1, 2 * half + 1)) - half
    disk = (x**2 + y**2 <= radius**2).astype("float64")
    return disk / disk.sum()


def convolve[M: Map](m: M, kernel: object, method: str = "fft", mode: str = "same") -> M:
    """Return the map of `WcsNDMap.convolve`."""
    check_option("method", method, ("fft", "direct"))
    check_option("mode", mode, ("same", "full"))
    array = _kernel_array(m, kernel)
    half = tuple((n - 1) // 2 for n in array.shape[:-3:-1])
    padded = m.pad(half) if mode == "full" else m
    function = _convolve_fft if method == "fft" else _convolve_direct
    data = np.empty(padded.data.shape, dtype=np.promote_types(m.data.dtype, np.float32))
    for image, idx in padded.iter_by_image_data():
        one = array if array.ndim == 2 else array[idx]
        data[idx] = function(image.astype("float64"), one)
    return padded.copy(data=data)


def _convolve_fft(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Convolution with zeros outside of the image, same size."""
    shape = [scipy.fft.next_fast_len(a + b - 1, real=True) for a, b in zip(image.shape, kernel.shape, strict=True)]
    full = scipy.fft.irfft2(scipy.fft.rfft2(image, shape) * scipy.fft.rfft2(kernel, shape), shape)
    y, x = ((n - 1) // 2 for n in kernel.shape)
    return full[y : y + image.shape[0], x : x + image.shape[1]]


def _convolve_direct(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    return scipy.ndimage.convolve(image, kernel, mode="constant")


def _kernel_array(m: Map, kernel: object) -> np.ndarray:
    """Kernel as an array of two dimensions, or with the axes of the map in front."""
    kernel_map = getattr(kernel, "psf_kernel_map", kernel)
    if isinstance(kernel_map, Map):
        if not np.allclose(kernel_map.geom.pixel_scales.deg, m.geom.pixel_scales.deg, rtol=1e-3):
            raise GeometryMismatchError(
                f"the kernel has pixels of {kernel_map.geom.pixel_scales}, the map of {m.geom.pixel_scales}"
            )
        kernel_map = kernel_map.data
    array = np.asarray(kernel_map, dtype="float64")
    axes = m.geom.axes.shape[::-1]
    if array.ndim > 2 and array.shape[:-2] != axes:
        if any(n != 1 for n in array.shape[:-2]):
            raise GeometryMismatchError(f"the kernel has shape {array.shape}, the axes of the map {axes}")
        array = array.reshape(array.shape[-2:])
    if array.ndim < 2 or any(n % 2 == 0 for n in array.shape[-2:]):
        raise ValueError(f"a kernel needs an odd number of pixels in both directions, got shape {array.shape}")
    return array
