"""Downloads, from a server on this machine that has the public files, or something else."""

import functools
import http.server
import shutil
import socket
import sys
import threading

import pytest

from bayesmap._downloads import DOWNLOADS, registry
from bayesmap.cli.main import main
from bayesmap.datasets import SpectrumDatasetOnOff
from bayesmap.io import download
from tests.files import names
from tests.golden import shared_path


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A server without words."""

    def log_message(self, *args):
        pass


@pytest.fixture(name="mirror")
def fixture_mirror(tmp_path):
    """A folder, and the address at which a server offers it."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    handler = functools.partial(Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_joint_crab(mirror, tmp_path):
    folder, url = mirror
    shutil.copytree(shared_path("data", "joint-crab"), folder / "joint-crab")
    paths = download("joint-crab", tmp_path / "data", base_url=url)
    assert len(paths) == 42
    run = SpectrumDatasetOnOff.read(tmp_path / "data" / "joint-crab" / "spectra" / "hess" / "pha_obs23523.fits")
    assert run.counts.data.sum() == 189
    shutil.rmtree(folder / "joint-crab")
    assert download("joint-crab", tmp_path / "data", base_url=url) == paths  # nothing is fetched again


@pytest.mark.parametrize("name", [name for name in DOWNLOADS if name != "cta-1dc-gc"])
def test_stored_files_are_the_published_ones(name):
    """The checksums are those of the repository of the collection; the shared data are its files, byte by byte."""
    listed = [file for file in registry() if file.path.startswith(f"{name}/")]
    assert any(file.path.endswith("LICENCE.rst") for file in listed)
    for file in listed:
        assert file.is_at(shared_path("data", *file.path.split("/"))), file.path


def test_identity_in_a_repository(tmp_path):
    """That of git for a file with the word hello and a newline."""
    path = tmp_path / "hello"
    path.write_bytes(b"hello\n")
    file = next(file for file in registry() if file.kind == "git")
    assert file._replace(checksum="ce013625030ba8dba906f756967f9e9ca394464a").is_at(path)
    assert not file.is_at(path)


def test_another_file_is_not_kept(mirror, tmp_path, capsys):
    folder, url = mirror
    shutil.copytree(shared_path("data", "fermi-3fhl-gc"), folder / "fermi-3fhl-gc")
    changed = folder / "fermi-3fhl-gc" / "fermi-3fhl-gc.fits.gz"
    changed.chmod(0o644)
    changed.write_bytes(changed.read_bytes()[:-1] + b"x")
    assert main(["download", "fermi-3fhl-gc", "--to", str(tmp_path / "data"), "--from", url]) == 2
    assert "fermi-3fhl-gc.fits.gz is not the published file: its sha256 checksum differs" in capsys.readouterr().err
    assert names(tmp_path / "data" / "fermi-3fhl-gc") == {"LICENCE.rst"}


def test_a_file_of_that_name_is_left_alone(mirror, tmp_path):
    own = tmp_path / "cta-1dc-gc" / "cta-1dc-gc.fits.gz"
    own.parent.mkdir()
    own.write_bytes(b"mine")
    folder, url = mirror
    shutil.copytree(shared_path("data", "cta-1dc-gc"), folder / "cta-1dc-gc")
    with pytest.raises(ValueError, match="is there already and is not the published file: move it away"):
        download("cta-1dc-gc", tmp_path, base_url=url)
    assert own.read_bytes() == b"mine"


def test_no_network(tmp_path, capsys):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = ["download", "joint-crab", "--to", str(tmp_path), "--from", f"http://127.0.0.1:{port}"]
    assert main(arguments) == 2
    assert "without a network, copy the folder from another machine, or name another place" in capsys.readouterr().err


def test_missing_on_the_server(mirror, tmp_path):
    with pytest.raises(ConnectionError, match=r"cannot fetch .*joint-crab/spectra/LICENCE.rst \(HTTPError\)"):
        download("joint-crab", tmp_path, base_url=mirror[1])


def test_without_pooch(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pooch", None)
    assert main(["download", "joint-crab", "--to", str(tmp_path)]) == 2
    assert "downloads need pooch" in capsys.readouterr().err


def test_list_and_unknown_name(capsys):
    assert main(["download"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in DOWNLOADS)
    assert main(["download", "joint-crap"]) == 2
    assert "did you mean 'joint-crab'?" in capsys.readouterr().err
