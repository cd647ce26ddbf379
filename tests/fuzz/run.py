"""Read damaged files: what comes out must be a legal reading or a documented error."""

import collections
import contextlib
import resource
import shutil
import signal
import tempfile
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import numpy as np

from bayesmap.errors import FormatError, GeometryMismatchError, ModelFileError
from tests.fuzz.mutations import mutated
from tests.fuzz.samples import SAMPLES, Sample

__all__ = ["ALLOWED", "Report", "fuzz", "table"]

#: what a reader may raise, and why: damage (FormatError), a wrong model file, maps of one file that do not fit
#: together; a file that another one names and that is not there
ALLOWED = (FormatError, ModelFileError, GeometryMismatchError, FileNotFoundError)
#: seconds of CPU time for one file of less than 100 kB, and what its reading may take beside what the process has
SECONDS, MEMORY = 5.0, 2**28


class Hang(BaseException):
    """A reader took too long; no `Exception`, so that nothing takes it for an error of the file."""


@dataclass
class Report:
    """What happened to the files of one format.

    Parameters
    ----------
    files, read, refused : int
        Number of damaged files, of those that were read, and of those that were refused by a documented error.
    failures : list of str
        What must not be: other errors, errors that do not name the file, hangs, files that need too much memory.
    """

    files: int = 0
    read: int = 0
    refused: int = 0
    failures: list[str] = field(default_factory=list)


@contextlib.contextmanager
def bounded(seconds: float = SECONDS, memory: int = MEMORY) -> Iterator[None]:
    """Raise `Hang` after some seconds of CPU time, MemoryError beyond some bytes more than now."""

    def stop(signum: int, frame: FrameType | None) -> None:
        raise Hang(f"more than {seconds} s of CPU time")

    old_handler = signal.signal(signal.SIGPROF, stop)
    old_limits = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + memory, old_limits[1]))
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, old_limits)
        signal.signal(signal.SIGPROF, old_handler)


def attempt(sample: Sample, path: Path, names: tuple[str, ...]) -> str:
    """Return "read", "refused", or what went wrong."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"), bounded():
            warnings.simplefilter("ignore")
            sample.read(path)
    except ALLOWED as error:
        return "refused" if any(name in str(error) for name in names) else f"without file: {error!r}"
    except (Exception, Hang) as error:  # noqa: BLE001 (that is what is looked for)
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} in {Path(place.filename).name}:{place.lineno}: {error!s:.150}"
    return "read"


def fuzz(count: int, seed: int, samples: tuple[Sample, ...] = SAMPLES, keep: Path | None = None) -> dict[str, Report]:
    """Damage every sample ``count`` times.

    Parameters
    ----------
    count : int
        Damaged files per sample.
    seed : int
        Seed; file ``i`` of a sample depends on it, on the sample and on ``i`` only.
    samples : tuple of Sample
        What is damaged.
    keep : path, optional
        Folder for the files that failed.

    Returns
    -------
    dict of str to Report
        By format.
    """
    reports: dict[str, Report] = collections.defaultdict(Report)
    for sample in samples:
        with tempfile.TemporaryDirectory() as folder:
            _fuzz_sample(sample, Path(folder), count, seed, reports[sample.format], keep)
    return dict(reports)


def _fuzz_sample(sample: Sample, folder: Path, count: int, seed: int, report: Report, keep: Path | None) -> None:
    sample.write(folder)
    originals = {name: (folder / name).read_bytes() for name in sample.files}
    sample.read(folder / sample.files[0])
    for index in range(count):
        rng = np.random.default_rng([seed, SAMPLES.index(sample), index])
        name = sample.files[index % len(sample.files)]
        way, content = mutated(originals[name], rng)
        (folder / name).write_bytes(content)
        outcome = attempt(sample, folder / sample.files[0], sample.files)
        report.files += 1
        if outcome in ("read", "refused"):
            setattr(report, outcome, getattr(report, outcome) + 1)
        else:
            report.failures.append(f"{sample.format} {sample.read.__qualname__} {name} #{index} ({way}): {outcome}")
            if keep is not None:
                keep.mkdir(exist_ok=True)
                shutil.copy(folder / name, keep / f"{SAMPLES.index(sample)}-{index}-{Path(name).name}")
        (folder / name).write_bytes(originals[name])


def table(reports: dict[str, Report]) -> str:
    """Results as a table in Markdown."""
    rows = [("format", "files", "read", "refused", "failed")]
    rows += [(key, *map(str, (r.files, r.read, r.refused, len(r.failures)))) for key, r in reports.items()]
    total = [sum(getattr(r, key) for r in reports.values()) for key in ("files", "read", "refused")]
    rows.append(("all", *map(str, total), str(sum(len(r.failures) for r in reports.values()))))
    lines = [f"| {' | '.join(row)} |" for row in rows]
    lines.insert(1, "|---|---:|---:|---:|---:|")
    return "\n".join(lines)
