"""A process that dies, or whose disk is full, at a chosen moment of writing."""

import os
import resource
import traceback
import warnings
from pathlib import Path

import pytest

__all__ = ["at_every_step", "with_full_disk"]

#: what changes files, and when the process can be killed: before any of these
STEPS = [(os, "replace"), (os, "fsync"), (os, "link"), (os, "unlink"), (os, "mkdir"), (os, "rmdir")]


def _in_child(action):
    """Exit status of a child process that does ``action`` and is killed where it asks for it; files are not closed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # there may be threads; the child only writes files
        child = os.fork()
    if not child:
        status = 1
        try:
            status = action() or 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def at_every_step(write, check, limit=400):
    """Kill a child process before each of the steps of ``write`` in turn; ``check`` after each; return how often."""
    if not hasattr(os, "fork"):
        pytest.skip("processes are not forked on this system")

    def until(step):
        count = 0

        def counted(function):
            def replacement(*args, **kwargs):
                nonlocal count
                count += 1
                if count > step:
                    os._exit(9)
                return function(*args, **kwargs)

            return replacement

        for module, name in STEPS:
            setattr(module, name, counted(getattr(module, name)))
        write()

    for step in range(limit):
        status = _in_child(lambda step=step: until(step))
        check()
        if status == 0:
            return step
        assert status == 9
    raise AssertionError(f"not done after {limit} steps")


def with_full_disk(write, size):
    """The OSError that ``write`` raises when no file may grow above ``size`` bytes, as text."""
    read, reply = os.pipe()

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        try:
            write()
        except OSError as error:
            os.write(reply, str(error).encode())
            return 3
        return 0

    status = _in_child(limited)
    os.close(reply)
    with open(read, encoding="utf-8") as stream:
        text = stream.read()
    assert status == 3, f"no error, or another one: status {status}"
    return text


def names(folder):
    """Names in a folder, also hidden ones."""
    return {path.name for path in Path(folder).iterdir()}
