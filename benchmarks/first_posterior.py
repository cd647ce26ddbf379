"""First posterior of a model in a fresh process, stage by stage; prints one JSON object.

Started by ``cta_gc.py``; alone: ``python benchmarks/first_posterior.py DATASET.fits COUNTS.npz [MODEL [DRAWS]]``.
"""

import json
import sys
from pathlib import Path

from clock import Clock, peak_memory

__all__ = ["measure"]


def measure(data: Path, counts: Path, letter: str, draws: int) -> dict[str, object]:
    """Seconds of imports, reading, building the model, compiling and sampling; total; peak memory in MB."""
    clock, total = Clock(), Clock()
    import numpy as np
    from own import open_dataset

    import bayesmap.inference  # noqa: F401 - the import is what is measured

    stages = {"imports": clock.lap()}
    dataset = open_dataset(data, letter, np.load(counts)[letter])
    stages["read"] = clock.lap()
    fit = bayesmap.inference.compile_fit(dataset)
    stages["build"] = clock.lap()
    fit.density(fit.density.start)
    stages["compile"] = clock.lap()
    fit.sample(draws=draws, chains=2, random_state=1, progress_bar=False)
    stages["sample"] = clock.lap()
    return {"stages": stages, "total": total.lap(), "peak_memory_mb": peak_memory()}


if __name__ == "__main__":
    arguments = sys.argv[1:]
    letter, draws = (arguments[2:] + ["A", "1000"][len(arguments) - 2 :])[:2]
    print(json.dumps(measure(Path(arguments[0]), Path(arguments[1]), letter, int(draws))))
