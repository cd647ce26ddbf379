"""Write masked images and coadds to files that the package ``lsst-images`` reads."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from astropy.io import fits
from astropy.table import Table

from bayesmap._files import whole
from bayesmap._types import FileName
from bayesmap._util import make_path
from bayesmap.images.io.compression import FitsCompressionOptions, checked_options
from bayesmap.images.io.tree import JSON
from bayesmap.images.io.tree_write import Dialect

if TYPE_CHECKING:
    from bayesmap.images.masked_image import MaskedImage

__all__ = ["write_image"]

#: keywords of the first HDU, and their meanings
ADDRESSES = {
    "INDXADDR": "Offset in bytes to the index of HDUs.",
    "INDXSIZE": "Size of the index of HDUs.",
    "JSONADDR": "Offset in bytes to the JSON tree.",
    "JSONSIZE": "Size of the JSON tree.",
}
#: not allowed in names that references contain
FORBIDDEN = frozenset(",[]")

type Compression = Mapping[str, FitsCompressionOptions | None]


@dataclass
class Stored:
    """An array on its way to a file."""

    name: str
    version: int
    array: np.ndarray
    header: fits.Header


@dataclass
class FitsArchive:
    """Collects arrays and tables in the order of HDUs.

    Parameters
    ----------
    dialect : Dialect
        Names to use.
    tile : tuple of int
        Rows and columns of the tiles of images, if they are not rows.
    """

    dialect: Dialect
    tile: tuple[int, ...] = ()
    arrays: list[Stored] = field(default_factory=list)
    tables: list[fits.BinTableHDU] = field(default_factory=list)

    def add_array(self, name: str, array: np.ndarray, header: fits.Header | None = None) -> dict[str, JSON]:
        """Store an array with header cards under a name; return a reference."""
        name = _hdu_name(name)
        version = 1 + sum(stored.name == name for stored in self.arrays)
        self.arrays.append(Stored(name, version, array, fits.Header() if header is None else header))
        source = f"fits:{name}" if version == 1 else f"fits:{name},{version}"
        return {"source": source, "shape": [*array.shape], "datatype": array.dtype.name, "byteorder": "big"}

    def add_table(self, name: str, table: Table) -> list[dict[str, JSON]]:
        """Store a table under a name; return a reference for each column."""
        name = _hdu_name(name)
        plain = Table({key: np.asarray(table[key]) for key in table.colnames})
        for key in table.colnames:
            plain[key].unit = table[key].unit
        hdu = fits.table_to_hdu(plain, character_as_bytes=True)
        hdu.name = name
        self.tables.append(hdu)
        references = []
        for number, key in enumerate(table.colnames, start=1):
            column = np.asarray(table[key])
            if column.dtype.kind not in "biuf":
                raise ValueError(f"{name}: the column {key!r} holds {column.dtype}; only numbers can be written")
            reference: dict[str, JSON] = {"source": f"fits:{name}[{number}]"}
            if column.ndim > 1 or self.dialect.schema is not None:
                reference["shape"] = [*column.shape[1:]]
            references.append(reference | {"datatype": column.dtype.name, "byteorder": "big"})
        return references


def write_image(
    image: "MaskedImage",
    filename: FileName,
    compression: Compression,
    seed: int | None,
    schema: str | None,
    more: Mapping[str, Callable[[FitsArchive], JSON]] | None = None,
) -> None:
    """Write a masked image or a coadd; see `MaskedImage.write_fits`.

    Parameters
    ----------
    image, filename, compression, seed, schema
        As there; compression by the names of HDUs.
    more : dict of callable, optional
        By the name of an HDU, a function that takes the archive and returns a tree to be put there, beside that of the
        image; readers of images pass over it.
    """
    if schema not in (None, "1.0.0"):
        raise ValueError(f"schema must be '1.0.0' or None, got {schema!r}")
    archive = FitsArchive(Dialect(schema), tile=() if schema is None else image._cell_shape())
    path = _new_path(filename)
    tree = _content(image._tree(archive, archive.dialect), image)
    archive.tables += [_tree_hdu(_as_json(make(archive)), name) for name, make in (more or {}).items()]
    _write(path, tree, archive, _options(archive, compression, seed), image)


def _new_path(filename: FileName) -> Path:
    path = make_path(filename)
    if path.exists():
        raise FileExistsError(f"{path} exists; remove it first, or write to another name")
    if path.suffix == ".gz":
        raise ValueError(f"{path.name}: pixels are compressed inside of the file; choose a name without .gz")
    return path


def _hdu_name(name: str) -> str:
    if not name.isascii() or not name.isprintable() or FORBIDDEN & set(name) or len(name) > 60:
        raise ValueError(
            f"{name!r} cannot be the name of an HDU: up to 60 printable ASCII characters without , [ and ] can"
        )
    return name.upper()


def _content(tree: dict[str, JSON], image: "MaskedImage") -> bytes:
    """The tree as it stands in a file."""
    for key, value in image.metadata.items():
        if not isinstance(value, str | int | float | bool | None) or isinstance(value, float) and not isfinite(value):
            raise TypeError(
                f"metadata[{key!r}] is {value!r}; texts, finite numbers, truth values and None can be written"
            )
    return _as_json(tree)


def _as_json(tree: JSON) -> bytes:
    return json.dumps(tree, allow_nan=False, ensure_ascii=False).encode()


def _tree_hdu(tree: bytes, name: str) -> fits.BinTableHDU:
    """Table with a tree as its only cell."""
    content = np.empty(1, dtype=object)
    content[0] = np.frombuffer(tree, dtype="uint8")
    return fits.BinTableHDU.from_columns([fits.Column("JSON", f"PB({len(tree)})", array=content)], name=name)


def _options(archive: FitsArchive, compression: Compression, seed: int | None) -> list[FitsCompressionOptions | None]:
    """Options of each array, checked."""
    planes = [(p.name, p.array, compression.get(p.name, FitsCompressionOptions.DEFAULT)) for p in archive.arrays]
    return checked_options(planes, seed)


def _write(
    path: Path, tree: bytes, archive: FitsArchive, options: list[FitsCompressionOptions | None], image: "MaskedImage"
) -> None:
    """Write all HDUs, then what says where they begin."""
    primary = fits.PrimaryHDU(header=image._cards.get("PRIMARY"))
    for keyword in ADDRESSES:
        primary.header[keyword] = 0
    hdus = [primary]
    for stored, chosen in zip(archive.arrays, options, strict=True):
        hdus.append(_image_hdu(stored, chosen, archive.tile, image))
    hdus += [*archive.tables, _tree_hdu(tree, "JSON")]
    hdus.append(_index_hdu(max(len(hdu.name) for hdu in hdus), len(hdus)))
    if archive.dialect.schema is not None:
        _add_versions(hdus, json.loads(tree)["schema_url"])
    with whole(path) as part:
        fits.HDUList(hdus).writeto(part)
        _add_addresses(part)


def _image_hdu(
    stored: Stored, options: FitsCompressionOptions | None, tile: tuple[int, ...], image: "MaskedImage"
) -> fits.ImageHDU | fits.CompImageHDU | fits.BinTableHDU:
    if stored.name in image._packed:
        return _packed_hdu(image._packed[stored.name], stored.header)
    header = fits.Header(image._cards.get(stored.name, ()), copy=True) if stored.version == 1 else fits.Header()
    header.update(stored.header)
    if stored.version > 1:
        header["EXTVER"] = stored.version
    if options is None:
        return fits.ImageHDU(stored.array, header, name=stored.name)
    # by default a row, of one kernel in a PSF
    tile = tile if tile and stored.array.ndim == len(tile) else (1,) * (stored.array.ndim - 1) + stored.array.shape[-1:]
    return fits.CompImageHDU(stored.array, header, name=stored.name, **options.keywords(stored.array, tile))


def _packed_hdu(packed: fits.BinTableHDU, header: fits.Header) -> fits.BinTableHDU:
    """Compressed pixels as they were, with other cards about them."""
    hdu = packed.copy()
    for keyword in {*hdu.header, *header} - {"COMMENT", "HISTORY", ""}:
        if keyword in header or keyword.startswith("LTV"):
            hdu.header.remove(keyword, ignore_missing=True, remove_all=True)
    hdu.header.update(header)
    return hdu


def _index_hdu(width: int, rows: int) -> fits.BinTableHDU:
    """Table with a place for each HDU before it."""
    formats = {"EXTNAME": f"{width}A", "EXTVER": "J", "XTENSION": "8A", "ZIMAGE": "L"}
    formats |= dict.fromkeys(("HDRADDR", "DATADDR", "DATSIZE"), "K")
    columns = [fits.Column(name, code) for name, code in formats.items()]
    return fits.BinTableHDU.from_columns(columns, nrows=rows, name="INDEX")


def _add_versions(hdus: list[fits.PrimaryHDU | fits.ImageHDU | fits.BinTableHDU], schema_url: str) -> None:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
    for hdu in hdus:
        hdu.header["DATE"] = (now, "UTC date this HDU was written.")
    hdus[0].header["FMTVER"] = (1, "Version of the layout.")
    hdus[0].header["DATAMODL"] = (schema_url, "Schema.")


def _add_addresses(path: Path) -> None:
    """Put in where each HDU begins, in bytes: all in the last HDU, and where it and the tree are in the first."""
    with fits.open(path, memmap=False, disable_image_compression=True) as hdulist:
        places = [hdu.fileinfo() for hdu in hdulist]
        heads = [(hdu.name, hdu.ver, hdu.header.get("XTENSION", "IMAGE"), hdu.header.get("ZIMAGE")) for hdu in hdulist]
    width = max(len(name) for name, *_ in heads[:-1])
    kinds = [("name", f"S{width}"), ("version", ">i4"), ("kind", "S8"), ("packed", "S1"), *((k, ">i8") for k in "hds")]
    index = np.array(
        [
            (name, version, kind, b"T" if packed else b"F", place["hdrLoc"], place["datLoc"], place["datSpan"])
            for (name, version, kind, packed), place in zip(heads[:-1], places[:-1], strict=True)
        ],
        dtype=kinds,
    )
    values = [
        number
        for place in (places[-1], places[-2])
        for number in (place["hdrLoc"], place["datLoc"] + place["datSpan"] - place["hdrLoc"])
    ]
    with path.open("r+b") as handle:
        handle.seek(places[-1]["datLoc"])
        handle.write(index.tobytes())
        handle.seek(0)
        header = handle.read(places[0]["datLoc"])
        for keyword, value in zip(ADDRESSES, values, strict=True):
            handle.seek(header.index(f"{keyword:<8}=".encode()))
            handle.write(fits.Card(keyword, value, ADDRESSES[keyword]).image.encode())
