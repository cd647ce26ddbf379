"""Studies on a Dask cluster of two worker processes of this machine."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from bayesmap.studies import sbc
from bayesmap.studies.workers import check_client
from tests.studies.analyses import GammaPoisson
from tests.studies.test_folder import assert_equal, run


@pytest.fixture(scope="module")
def client():
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        yield client


@pytest.mark.filterwarnings("default")  # those of Dask about ports and shutdown are not ours
def test_a_cluster_gives_what_one_process_does(client, tmp_path):
    analysis = GammaPoisson(failing=(3.0,))
    result = run(analysis, 24, client=client, folder=tmp_path / "s")
    assert_equal(result, run(analysis, 24))
    # both did some, and what is there is not done again
    assert len(client.scheduler_info()["workers"]) == 2
    assert_equal(run(analysis, 26, client=client, folder=tmp_path / "s"), run(analysis, 26))


def test_a_closed_client_is_refused(monkeypatch):
    """With a stand-in for the package: what Dask says of itself is an attribute."""

    class Client:
        asynchronous, status = False, "closed"

    monkeypatch.setitem(sys.modules, "distributed", SimpleNamespace(Client=Client))
    with pytest.raises(ValueError, match="the Dask client is closed: call this inside its `with` block"):
        sbc(GammaPoisson(), 2, client=Client())
    Client.status = "running"
    check_client(Client())


def test_something_else_is_no_client():
    with pytest.raises(TypeError, match=r"client must be a distributed\.Client, got str"):
        sbc(GammaPoisson(), 2, client="tcp://localhost")


def test_without_the_package():
    code = (
        "import sys; sys.modules['distributed'] = None\n"
        "from bayesmap.studies.workers import check_client\n"
        "check_client(object())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ImportError: client= needs the package distributed: install bayesmap with the extra 'dask'" in done.stderr
