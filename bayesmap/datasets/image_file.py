"""Images with what makes a dataset of them, as one FITS file: that of the image, and a tree with the settings."""

from collections.abc import Callable
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from bayesmap._files import whole
from bayesmap._types import FileName
from bayesmap._util import make_path
from bayesmap.errors import FormatError
from bayesmap.images import CellCoadd, MaskedImage
from bayesmap.images.io.hdus import Hdus, Reference
from bayesmap.images.io.read import read_tree
from bayesmap.images.io.tree import JSON, Node
from bayesmap.images.io.tree_write import Archive
from bayesmap.images.io.write import write_image
from bayesmap.likelihoods import GaussianLikelihood, Likelihood, StudentTLikelihood
from bayesmap.maps.files import named_errors, open_fits

if TYPE_CHECKING:
    from bayesmap.datasets.image import ImageDataset

__all__ = ["read_image_dataset", "write_image_dataset"]

#: HDU with the settings, and the version of what is in it up to which files are read
SETTINGS, VERSION = "DATASET", 1
LIKELIHOODS = {cls.__name__: cls for cls in (GaussianLikelihood, StudentTLikelihood)}
#: what stands in place of an array that is the standard deviations by the variance of the image
OF_VARIANCE = "variance"


# --- writing


def write_image_dataset(dataset: "ImageDataset", filename: FileName, overwrite: bool = False) -> None:
    """Write an image and its settings to a FITS file; see `ImageDataset.write`."""
    path = make_path(filename)
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists; use overwrite=True to replace it")
    _check_unchanged(dataset)
    more: dict[str, Callable[[Any], JSON]] = {SETTINGS: lambda archive: _settings(dataset, archive)}
    with whole(path) as part:
        write_image(dataset.image, part, {}, None, None, more)


def _check_unchanged(dataset: "ImageDataset") -> None:
    """Raise unless the image is still what the dataset was made of."""
    for key, present, made in zip(
        ("data", "variance"), (dataset.data, dataset.variance), dataset._planes(), strict=True
    ):
        if not np.array_equal(present, made, equal_nan=True):
            raise ValueError(
                f"dataset {dataset.name!r}: its {key} differ from those of its image, which is what a file holds; "
                "change the image and make a dataset of it"
            )


def _settings(dataset: "ImageDataset", archive: Archive) -> dict[str, JSON]:
    """The tree of settings; its arrays go to the archive."""
    settings: dict[str, JSON] = {"version": VERSION, "name": dataset.name, "mask_planes": [*dataset.mask_planes]}
    if not isinstance(dataset.image, CellCoadd):
        settings["psf"] = archive.add_array("PSF_KERNEL", dataset._cells[1][0])
    if wrong := np.count_nonzero(dataset.mask_safe & ~dataset._usable()):
        raise ValueError(
            f"dataset {dataset.name!r}: mask_safe has {wrong} pixels without a finite value and a positive variance"
        )
    if not np.array_equal(dataset.mask_safe, dataset._safe()):
        settings["mask_safe"] = archive.add_array("MASK_SAFE", dataset.mask_safe.astype("uint8"))
    if dataset.mask_fit is not None:
        settings["mask_fit"] = archive.add_array("MASK_FIT", dataset.mask_fit.astype("uint8"))
    if dataset._likelihood is not None:
        settings["likelihood"] = _likelihood_tree(dataset, archive)
    return settings


def _likelihood_tree(dataset: "ImageDataset", archive: Archive) -> dict[str, JSON]:
    likelihood: Any = dataset.likelihood
    name = type(likelihood).__name__
    if type(likelihood) not in LIKELIHOODS.values():
        raise ValueError(f"dataset {dataset.name!r}: files hold {' or '.join(LIKELIHOODS)}, not a {name}")
    if not isinstance(likelihood.scale, Real | str):
        raise ValueError(
            f"dataset {dataset.name!r}: the scale of its {name} is a parameter, which files do not hold; they hold a "
            "number or 'free'"
        )
    scale = likelihood.scale if isinstance(likelihood.scale, str) else float(likelihood.scale)
    tree: dict[str, JSON] = {"type": name, "scale": scale, **likelihood._settings()}
    sigma = likelihood.sigma
    if np.array_equal(sigma, dataset.sigma):
        return tree | {"sigma": OF_VARIANCE}
    return tree | {"sigma": float(sigma) if sigma.ndim == 0 else archive.add_array("SIGMA", sigma)}


# --- reading


def read_image_dataset[T: "ImageDataset"](cls: type[T], filename: FileName, name: str | None = None) -> T:
    """Read an image and, if they are there, its settings; see `ImageDataset.read`."""
    path = make_path(filename)
    with open_fits(path) as hdulist:
        hdus = Hdus(hdulist)
        settings = _Settings(hdus)
        is_coadd = read_tree(hdus, "JSON").get("psf") is not None
    image = (CellCoadd if is_coadd else MaskedImage).read_fits(path)
    with named_errors(path):
        return settings.applied(cls, image, name)


class _Settings:
    """What a file says about a dataset, read from its HDUs; nothing in a file of an image alone."""

    def __init__(self, hdus: Hdus) -> None:
        self.tree, self.arrays = Node({}), dict[str, np.ndarray]()
        if SETTINGS not in {hdu.name for hdu in hdus.hdulist}:
            return
        with named_errors("", SETTINGS):
            self.tree = read_tree(hdus, SETTINGS)
            if self.tree["version"].integer() > VERSION:
                raise self.tree["version"].wrong(f"{VERSION} or less, for this version of the package to read it")
            self._add(hdus, "psf", self.tree.get("psf"))
            for key in ("mask_safe", "mask_fit"):
                self._add(hdus, key, self.tree.get(key))
            likelihood = self.tree.get("likelihood")
            sigma = None if likelihood is None else likelihood["sigma"]
            self._add(hdus, "sigma", sigma if sigma is not None and isinstance(sigma.value, dict) else None)

    def _add(self, hdus: Hdus, key: str, node: Node | None) -> None:
        if node is not None:
            self.arrays[key] = hdus.array(Reference(node))

    def applied[T: "ImageDataset"](self, cls: type[T], image: MaskedImage, name: str | None) -> T:
        """The dataset of an image."""
        with named_errors("", SETTINGS if self.tree.value else ""):
            stored, planes = self.tree.get("name"), self.tree.get("mask_planes")
            dataset = cls(
                image,
                name=name or (None if stored is None else stored.text()),
                mask_planes=None if planes is None else [plane.text() for plane in planes.list()],
                mask_fit=self._mask("mask_fit", image),
                psf=self.arrays.get("psf"),
            )
            safe = self._mask("mask_safe", image)
            if safe is not None:
                if wrong := np.count_nonzero(safe & ~dataset._usable()):
                    raise FormatError(f"mask_safe has {wrong} pixels without a finite value and a positive variance")
                dataset.mask_safe = safe
            likelihood = self.tree.get("likelihood")
            dataset.likelihood = None if likelihood is None else self._likelihood(likelihood, dataset)
            return dataset

    def _mask(self, key: str, image: MaskedImage) -> np.ndarray | None:
        mask = self.arrays.get(key)
        if mask is None:
            return None
        if mask.shape != tuple(image.bbox.shape) or mask.dtype != np.uint8 or (mask > 1).any():
            raise FormatError(
                f"{key} must hold 0 and 1, of type uint8 and shape {tuple(image.bbox.shape)}; it is {mask.dtype} of "
                f"shape {mask.shape}, up to {mask.max()}"
            )
        return mask.astype(bool)

    def _likelihood(self, node: Node, dataset: "ImageDataset") -> Likelihood:
        kind, sigma, scale = node["type"].text(), node["sigma"], node["scale"]
        if kind not in LIKELIHOODS:
            raise node["type"].wrong(" or ".join(LIKELIHOODS))
        arguments: dict[str, Any] = {"scale": "free" if scale.value == "free" else scale.number()}
        if kind == StudentTLikelihood.__name__:
            arguments["nu"] = node["nu"].number()
        if sigma.value == OF_VARIANCE:
            return LIKELIHOODS[kind](dataset.sigma, **arguments)
        return LIKELIHOODS[kind](self.arrays["sigma"] if "sigma" in self.arrays else sigma.number(), **arguments)
