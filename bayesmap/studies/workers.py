"""Simulations here, in processes of this machine, or on a Dask cluster; where they run changes no result."""

import multiprocessing
import pickle
import signal
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import numpy as np

from bayesmap.studies.types import Client, Record, Task, Values

__all__ = ["Job", "do_one", "generator", "listed", "run_jobs"]

#: number of a simulation, and its parameters
type Job = tuple[int, Values]

#: one process has one compiled fit, whose counts belong to one simulation at a time
_TURN = threading.Lock()
_HELD: dict[str, Task] = {}


def generator(seed: int, index: int) -> np.random.Generator:
    """All that is random in a simulation after its parameters, by the seed of the study and its number."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1, index)))


def do_one(task: Task, index: int, truth: Values, seed: int) -> Record:
    """Do one simulation.

    Parameters
    ----------
    task : Task
        What is done.
    index : int
        Number of the simulation: together with the seed it decides all that is drawn.
    truth : dict
        Parameters.
    seed : int
        Of the study.

    Returns
    -------
    dict
        Record of numbers, texts, lists and dictionaries. If it failed there is an ``error``.
    """
    rng = generator(seed, index)
    record: Record = {"index": index, "truth": {name: listed(value) for name, value in truth.items()}}
    with _TURN, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        started = time.perf_counter()
        try:
            record |= task.run(truth, rng)
        except Exception as error:
            record["error"] = f"{type(error).__name__}: {error}"
        record["seconds"] = round(time.perf_counter() - started, 4)
    if messages := sorted({str(w.message) for w in caught if not issubclass(w.category, DeprecationWarning)}):
        record["warnings"] = messages
    return record


def listed(value: Any) -> Any:
    """An array as nested lists, a number as a float."""
    return np.asarray(value, dtype="float64").tolist()


def run_jobs(task: Task, jobs: Sequence[Job], seed: int, n_workers: int = 1, client: Client = None) -> Iterator[Record]:
    """Do simulations, and yield their records as they come.

    Parameters
    ----------
    task : Task
        What is done; it is sent once to each worker.
    jobs : sequence of Job
        Simulations.
    seed : int
        Of the study.
    n_workers : int
        Processes of this machine; 1 is this process.
    client : distributed.Client, optional
        A Dask cluster in place of them.

    Raises
    ------
    RuntimeError
        If a worker process died.
    """
    if client is not None:
        yield from _on_dask(task, jobs, seed, client)
    elif n_workers == 1 or len(jobs) < 2:
        for index, truth in jobs:
            yield do_one(task, index, truth, seed)
    else:
        yield from _in_processes(task, jobs, seed, min(n_workers, len(jobs)))


def _in_processes(task: Task, jobs: Sequence[Job], seed: int, n_workers: int) -> Iterator[Record]:
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(n_workers, context, initializer=_hold, initargs=(pickle.dumps(task),))
    try:
        for future in as_completed([pool.submit(_do_held, *job, seed) for job in jobs]):
            yield future.result()
    except BrokenProcessPool as error:
        raise RuntimeError(
            "a worker process of the study ended: was it killed, did it run out of memory, or does your script lack "
            "'if __name__ == \"__main__\":' around its first call? Simulations so far are in the folder, if one was "
            "given; start again to go on"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _hold(task: bytes) -> None:
    """Begin a worker process: it keeps the task, and leaves Ctrl-C to the process that began the study."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _HELD["task"] = pickle.loads(task)


def _do_held(index: int, truth: Values, seed: int) -> Record:
    return do_one(_HELD["task"], index, truth, seed)


def check_client(client: Client) -> None:
    """Raise unless a client is one of Dask, and connected.

    Raises
    ------
    ImportError
        If Dask is not installed.
    TypeError
        If it is something else.
    ValueError
        If it was closed, or has lost its cluster.
    """
    try:
        from distributed import Client as DaskClient
    except ImportError as error:
        raise ImportError(
            "client= needs the package distributed: install bayesmap with the extra 'dask', or give n_workers"
        ) from error
    if not isinstance(client, DaskClient):
        raise TypeError(f"client must be a distributed.Client, got {type(client).__name__}")
    if client.asynchronous:
        raise TypeError("client must not be asynchronous")
    if client.status != "running":
        raise ValueError(
            f"the Dask client is {client.status}: call this inside its `with` block, or make a new distributed.Client"
        )


def _on_dask(task: Task, jobs: Sequence[Job], seed: int, client: Any) -> Iterator[Record]:
    from distributed import as_completed

    sent = client.scatter(task, broadcast=True)
    futures = [client.submit(do_one, sent, *job, seed, pure=False) for job in jobs]
    try:
        for _, record in as_completed(futures, with_results=True):
            yield record
    finally:
        client.cancel(futures)
