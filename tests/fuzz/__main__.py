"""Damage and read files from the command line: ``python -m tests.fuzz 4000 --seed 1``."""

import argparse
import sys
from pathlib import Path

from tests.fuzz.run import fuzz, table
from tests.fuzz.samples import SAMPLES

parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
parser.add_argument("count", type=int, help="damaged files per sample")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--format", help="only this format")
parser.add_argument("--keep", type=Path, help="folder for the files that failed")
arguments = parser.parse_args()
chosen = tuple(sample for sample in SAMPLES if arguments.format in (None, sample.format))
reports = fuzz(arguments.count, arguments.seed, chosen, arguments.keep)
failures = [failure for report in reports.values() for failure in report.failures]
sys.stdout.write("".join(f"{failure}\n" for failure in failures) + table(reports) + "\n")
sys.exit(bool(failures))
