"""Tables, draws and maps that are kept in a workspace under a name."""

from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import xarray as xr
from astropy.table import Table

from bayesmap._files import whole
from bayesmap._util import suggest
from bayesmap.errors import FormatError
from bayesmap.io import load, save
from bayesmap.maps import Map
from bayesmap.maps.tables import read_table
from bayesmap.workspace.folder import MANIFEST, Folder

if TYPE_CHECKING:
    from bayesmap.workspace.folder import Entry

__all__ = ["Product", "Products"]

type Product = Table | xr.DataTree | Map


@dataclass(frozen=True)
class _Kind:
    """How products of one type are stored."""

    cls: type
    suffix: str
    write: Callable[[Product, Path], None]
    read: Callable[[Path], Product]
    describe: Callable[[Product], str]


def _write_table(table: Table, path: Path) -> None:
    with whole(path) as part:
        table.write(part, format="ascii.ecsv")


KINDS = {
    "table": _Kind(Table, ".ecsv", _write_table, read_table, lambda table: f"{len(table)} rows"),  # type: ignore[arg-type]
    "tree": _Kind(xr.DataTree, ".nc", save, load, lambda tree: ", ".join(sorted(tree.children))),  # type: ignore[union-attr]
    "map": _Kind(
        Map,
        ".fits",
        lambda map, path: map.write(path),  # type: ignore[union-attr]
        Map.read,
        lambda map: " x ".join(str(n) for n in map.geom.data_shape),  # type: ignore[union-attr]
    ),
}


class Products(MutableMapping[str, "Product"]):
    """Products of a workspace by name: tables (`~astropy.table.Table`), trees (`xarray.DataTree`) and maps.

    Parameters
    ----------
    folder : Folder
        Of the workspace.

    Notes
    -----
    Once an assignment returns the product is on the disk, and stays there whatever happens later; what a name stood for
    before is there until then. Tables are stored as ECSV, trees as netCDF, maps as FITS; each access reads the file.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def __getitem__(self, name: str) -> "Product":
        """Read a product.

        Raises
        ------
        KeyError
            If there is none of this name; the message lists the names.
        bayesmap.errors.FormatError
            If its file is missing, truncated or changed, or it is of a kind that only a newer version knows.
        """
        path = self._folder.check(f"the product {name!r}", entry := self.entry(name))
        kind = KINDS.get(str(entry["kind"]))
        if kind is None:
            raise FormatError(
                f"{self._folder.path / MANIFEST}: the product {name!r} is a {entry['kind']!r}; this bayesmap reads "
                f"{', '.join(KINDS)}"
            )
        return kind.read(path)

    def entry(self, name: str) -> "Entry":
        """What is known of a product without reading it: file, checksum, kind, and the posterior that it was made of.

        Raises
        ------
        KeyError
            If there is none of this name.
        """
        entries = self._folder.read().products
        if name not in entries:
            raise KeyError(f"the workspace has no product {name!r}{suggest(name, entries)}")
        return entries[name]

    def __setitem__(self, name: str, product: "Product") -> None:
        """Store a product.

        Raises
        ------
        TypeError
            If it is no table, tree or map, or the name is no text.
        OSError
            If it cannot be written; what was there is as it was.
        """
        if not isinstance(name, str) or not name.strip():
            raise TypeError(f"the name of a product must be a text, got {name!r}")
        kind = next((key for key, kind in KINDS.items() if isinstance(product, kind.cls)), None)
        if kind is None:
            raise TypeError(
                f"product {name!r}: a workspace keeps tables (astropy), trees (xarray.DataTree) and maps (Map), got "
                f"{type(product).__name__}; flux points and light curves have to_table()"
            )
        with self._folder.changed() as manifest:
            file = self._folder.new_file("products", name, KINDS[kind].suffix)
            KINDS[kind].write(product, self._folder.path / file)
            made_of = None if manifest.posterior is None else manifest.posterior["file"]
            facts = {"kind": kind, "shown": KINDS[kind].describe(product), "posterior": made_of}
            manifest.products[name] = self._folder.entry(file, **facts)

    def __delitem__(self, name: str) -> None:
        self.entry(name)
        with self._folder.changed() as manifest:
            manifest.products.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._folder.read().products)

    def __len__(self) -> int:
        return len(self._folder.read().products)

    def __repr__(self) -> str:
        return f"<Products {list(self)}>"
