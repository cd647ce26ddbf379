"""Public example data: fetched file by file, each compared with its checksum before it gets its name."""

import hashlib
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from bayesmap._types import FileName
from bayesmap._util import make_path, suggest

__all__ = ["DOWNLOADS", "PUBLISHED_AT", "File", "download", "registry"]

#: gammapy-data at its tag v2.1
PUBLISHED_AT = "https://raw.githubusercontent.com/gammapy/gammapy-data/79a6f428f733bcdea10be62ae67b2aeb9ecef4aa/"
#: what can be downloaded, with a line about it; folders of gammapy-data
DOWNLOADS = {
    "cta-1dc-gc": "Galactic centre of CTA's first data challenge (simulated), one map dataset, 6 MB",
    "fermi-3fhl-crab": "Crab Nebula, Fermi-LAT above 10 GeV, map dataset with models, 0.8 MB",
    "fermi-3fhl-gc": "Galactic centre, Fermi-LAT above 10 GeV, one map dataset, 3 MB",
    "joint-crab": "Crab Nebula, ON/OFF spectra of five instruments (Nigro et al. 2019), 0.7 MB",
}


class File(NamedTuple):
    """A file that can be downloaded: its path in the collection, kind of checksum and checksum."""

    path: str
    kind: str
    checksum: str

    def is_at(self, path: Path) -> bool:
        """True if the contents of a path have the checksum."""
        data = path.read_bytes()
        if self.kind == "git":
            return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest() == self.checksum
        return hashlib.sha256(data).hexdigest() == self.checksum


def registry() -> list[File]:
    """All files that can be downloaded."""
    lines = files("bayesmap").joinpath("_downloads.txt").read_text(encoding="utf-8").splitlines()
    words = [line.split() for line in lines if not line.startswith("#")]
    return [File(path, *checksum.split(":")) for path, checksum, _ in words]


def download(name: str, folder: FileName = ".", *, base_url: str = PUBLISHED_AT) -> list[Path]:
    """Download a public dataset of the collection gammapy-data, and compare it with its checksums.

    Parameters
    ----------
    name : str
        Name of the dataset, one of `DOWNLOADS`.
    folder : str or `~pathlib.Path`
        Where a folder of that name is made, laid out as in the collection: the folder can serve as ``GAMMAPY_DATA``.
        Files that are there already are not fetched again.
    base_url : str
        Another place with the same files, for example a mirror.

    Returns
    -------
    list of `~pathlib.Path`
        The files, with that of the licence.

    Raises
    ------
    ImportError
        If pooch is not installed.
    ValueError
        If there is no such dataset, or a file differs from the published one.
    ConnectionError
        If a file cannot be fetched.
    """
    if name not in DOWNLOADS:
        raise ValueError(f"no dataset {name!r} to download{suggest(name, DOWNLOADS)}")
    root, found = make_path(folder), []
    for file in (one for one in registry() if one.path.startswith(f"{name}/")):
        path = root / file.path
        if path.exists() and not (path.is_file() and file.is_at(path)):
            raise ValueError(
                f"{path} is there already and is not the published file: move it away, or name another folder"
            )
        if not path.exists():
            _fetch(file, path, base_url)
        found.append(path)
    return found


def _fetch(file: File, path: Path, base_url: str) -> None:
    """Fetch one file, which gets its name when its checksum is right."""
    try:
        import pooch
    except ImportError:
        raise ImportError("downloads need pooch: python -m pip install pooch") from None
    url = base_url.rstrip("/") + "/" + file.path

    def fetched(url: str, output: str, owner: object) -> None:
        pooch.HTTPDownloader(timeout=60)(url, output, owner)
        if not file.is_at(Path(output)):
            raise ValueError(f"{url} is not the published file: its {file.kind} checksum differs; nothing was kept")

    pooch.get_logger().setLevel("ERROR")
    try:
        pooch.retrieve(url, None, path.name, path.parent, downloader=fetched)
    except OSError as error:
        raise ConnectionError(
            f"cannot fetch {url} ({type(error).__name__}); without a network, copy the folder from another machine, "
            "or name another place with the same files (base_url, --from)"
        ) from error
