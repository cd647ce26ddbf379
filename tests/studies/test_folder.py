"""A study on disk: resumed after it was killed, refused where it is another."""

import multiprocessing
import signal
from pathlib import Path

import numpy as np
import pytest

from bayesmap.studies import calibration_table, load_study, sbc
from bayesmap.studies.folder import StudyFolder
from tests.studies.analyses import GammaPoisson


def assert_equal(one, other):
    """All that does not depend on the clock."""
    for group in ("prior_sbc", "truth", "mean", "sd"):
        assert one[group].to_dataset().identical(other[group].to_dataset()), group
    forgotten = one["simulations"].to_dataset().drop_vars("seconds")
    assert forgotten.identical(other["simulations"].to_dataset().drop_vars("seconds"))


def run(analysis, n, **kwargs):
    return sbc(analysis, n, seed=7, progress=False, **kwargs)


def test_a_killed_study_goes_on_where_it_was(tmp_path):
    mark = tmp_path / "mark"
    folder = tmp_path / "study"
    killed = GammaPoisson(kill_at=12, mark=str(mark), failing=(3.0,))
    process = multiprocessing.get_context("spawn").Process(target=run, args=(killed, 30), kwargs={"folder": folder})
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL
    done = len(list((folder / "simulations").glob("*.json")))
    assert 0 < done < 30
    begun = int(mark.read_text())
    resumed = run(GammaPoisson(mark=str(mark), failing=(3.0,)), 30, folder=folder)
    tried = 30 - (resumed["simulations"]["error"].to_numpy() != "").sum()
    # of those that were begun only that at the moment of death was done twice
    assert int(mark.read_text()) == tried + 1
    assert begun == 12
    assert_equal(resumed, run(GammaPoisson(failing=(3.0,)), 30))
    assert_equal(load_study(folder), resumed)


def test_a_study_is_extended(tmp_path):
    mark = tmp_path / "mark"
    run(GammaPoisson(mark=str(mark)), 5, folder=tmp_path / "s")
    longer = run(GammaPoisson(mark=str(mark)), 8, folder=tmp_path / "s")
    assert mark.read_text() == "8"
    assert_equal(longer, run(GammaPoisson(), 8))
    assert_equal(run(GammaPoisson(), 5, folder=tmp_path / "s"), run(GammaPoisson(), 5))


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"datasets": GammaPoisson(rate=0.7)}, "models"),
        ({"datasets": GammaPoisson(draws=100)}, "options"),
        ({"seed": 8}, "seed"),
    ],
)
def test_another_study_is_refused(tmp_path, changed, what):
    arguments = {"datasets": GammaPoisson(), "n": 2, "seed": 7, "folder": tmp_path / "s", "progress": False}
    sbc(**arguments)
    with pytest.raises(ValueError, match=f"holds a study of another {what}: give another folder"):
        sbc(**(arguments | changed))


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(ValueError, match="is not empty and holds no study"):
        run(GammaPoisson(), 2, folder=tmp_path)
    with pytest.raises(ValueError, match="holds no study"):
        load_study(tmp_path)


def test_damaged_records_are_named(tmp_path):
    run(GammaPoisson(), 3, folder=tmp_path / "s")
    record = tmp_path / "s" / "simulations" / "000001.json"
    record.write_text(record.read_text()[:40])
    with pytest.raises(ValueError, match=r"000001\.json is damaged .* remove this file and go on"):
        run(GammaPoisson(), 3, folder=tmp_path / "s")
    record.unlink()
    assert calibration_table(run(GammaPoisson(), 3, folder=tmp_path / "s"))["n"][0] == 3


def test_two_processes_give_what_one_does(tmp_path):
    analysis = GammaPoisson(failing=(3.0,))
    alone = run(analysis, 24)
    assert_equal(run(analysis, 24, n_workers=2, folder=tmp_path / "s"), alone)
    np.testing.assert_array_equal(load_study(tmp_path / "s")["prior_sbc"]["s"], alone["prior_sbc"]["s"])


@pytest.mark.slow
def test_a_worker_that_dies_is_told(tmp_path):
    with pytest.raises(RuntimeError, match="a worker process of the study ended"):
        run(GammaPoisson(kill_at=3, mark=str(tmp_path / "mark")), 8, n_workers=2, folder=tmp_path / "s")
    # a mark read by two at once may be passed over, but what was done is kept
    assert_equal(run(GammaPoisson(), 8, folder=tmp_path / "s"), run(GammaPoisson(), 8))


class Stopped(GammaPoisson):
    """Somebody presses Ctrl-C in the second simulation."""

    def posterior(self, data, seed):
        tree = super().posterior(data, seed)
        if Path(self.mark).read_text() == "2":
            raise KeyboardInterrupt
        return tree


def test_an_interrupt_ends_the_study_and_is_no_record(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(Stopped(mark=str(tmp_path / "mark")), 5, folder=tmp_path / "s")
    assert [path.name for path in (tmp_path / "s" / "simulations").iterdir()] == ["000000.json"]
    assert_equal(run(GammaPoisson(), 5, folder=tmp_path / "s"), run(GammaPoisson(), 5))


def test_progress_is_said(capsys, tmp_path):
    sbc(GammaPoisson(), 3, seed=1, folder=tmp_path / "s")
    assert "bayesmap: 3 of 3 simulations (" in capsys.readouterr().err
    sbc(GammaPoisson(), 4, seed=1, folder=tmp_path / "s")
    assert "3 of 4 simulations are there already" in capsys.readouterr().err


def test_killed_before_the_folder_says_what_is_studied(tmp_path):
    """A hidden part of its description is left; the same call begins anew."""
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / ".study.json.x.part").write_text("{")
    assert run(GammaPoisson(), 3, folder=folder)["simulations"].sizes["simulation"] == 3
    assert (folder / "study.json").is_file()


def test_the_threshold_given_last_counts(tmp_path):
    """It is no part of what was simulated: statistics are stored, and readers compare them with it."""
    head = {"format": "bayesmap study", "kind": "power", "seed": 1, "identity": {"a": "b"}, "threshold": 25.0}
    StudyFolder(tmp_path / "s").begin(head)
    StudyFolder(tmp_path / "s").begin({**head, "threshold": 16.0})
    assert StudyFolder(tmp_path / "s").head() == {**head, "threshold": 16.0}
    with pytest.raises(ValueError, match="another seed"):
        StudyFolder(tmp_path / "s").begin({**head, "seed": 2, "threshold": 9.0})
    assert StudyFolder(tmp_path / "s").head()["threshold"] == 16.0
