"""The same seed gives the same draws: with new and with cached code, on any number of cores, in threads, processes."""

import hashlib
import os
import subprocess
import sys
import threading

import pytest

CODE = """
import sys, warnings
import tests.inference.test_repeat as here
fit = here.compiled()
print(here.digest(fit, sys.argv[1], int(sys.argv[2])))
"""


def compiled():
    from bayesmap.inference import compile_fit
    from tests.inference.tiny import make_dataset, source_and_background

    return compile_fit(make_dataset(models=source_and_background()))


def digest(fit, sampler, cores):
    """Checksum of a few draws."""
    tree = fit.sample(20, 30, 2, random_state=3, sampler=sampler, cores=cores, progress_bar=False, searches=1)
    return hashlib.sha256(b"".join(v.to_numpy().tobytes() for v in tree["posterior"].data_vars.values())).hexdigest()


def in_new_process(cache, sampler, cores=1):
    environment = {**os.environ, "PYTENSOR_FLAGS": f"base_compiledir={cache}", "NUMBA_CACHE_DIR": str(cache / "numba")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CODE, sampler, str(cores)],
        capture_output=True, text=True, check=False, env=environment, timeout=1500,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[-1]


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["whitened", "pymc"])
def test_a_second_run_draws_the_same(tmp_path, sampler):
    """The first one compiles, the second one takes the code from the cache."""
    first = in_new_process(tmp_path, sampler)
    assert in_new_process(tmp_path, sampler) == first
    assert in_new_process(tmp_path, sampler, cores=2) == first


@pytest.mark.slow
def test_threads_draw_the_same():
    fit, found = compiled(), []
    expected = digest(fit, "whitened", 1)
    threads = [threading.Thread(target=lambda: found.append(digest(fit, "whitened", 2))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 2
