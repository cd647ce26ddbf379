"""What checks found, in numbers and in sentences."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr
from astropy.table import Table

from bayesmap._html import html_table, html_text
from bayesmap.checks.blocks import Blocks

__all__ = ["CheckResult", "Checks", "ProfileCheck"]


@dataclass(frozen=True)
class CheckResult:
    """One check of one dataset.

    Attributes
    ----------
    dataset, name : str
        What was checked.
    p : float
        Probability of data at least as extreme under the posterior; near one if the agreement is better than it should
        be.
    value, expected : float
        The statistic of the data, and its mean over replicated data. NaN for the uniformity of PITs.
    fails : bool
        Whether the model fails, at the level of all checks of the dataset together.
    sentence : str
        What is wrong and where; of a check that is passed, that it is.
    """

    dataset: str
    name: str
    p: float
    value: float
    expected: float
    fails: bool
    sentence: str


@dataclass(frozen=True, eq=False)
class ProfileCheck:
    """Counts along an axis beside replicated ones.

    Attributes
    ----------
    edges : `~astropy.units.Quantity`
        Edges of the energies or of the rings, shape ``(n + 1,)``.
    counts : numpy.ndarray
        Observed counts, shape ``(n,)``.
    replicates : numpy.ndarray
        Drawn counts, shape ``(n_draw, n)``.
    """

    edges: Any
    counts: np.ndarray
    replicates: np.ndarray


@dataclass(frozen=True, eq=False)
class Checks:
    """All checks of an analysis; print it.

    Attributes
    ----------
    results : list of CheckResult
        Of all datasets.
    alpha : float
        The rate at which a dataset whose model is right fails in any check, at most.
    remarks : tuple of str
        What limits the checks: divergent chains, few draws, weights that cannot be trusted.
    tree : xarray.DataTree
        Groups ``pit`` and ``loo_pit`` with a variable for each dataset, in [0, 1], of the dimension
        ``<dataset>_block``, ``pareto_k``, and ``deviation``: how far a block lies from the prediction, in standard
        deviations, mean over the draws. The latter is missing where only transforms are checked.
    blocks : dict of Blocks
        The blocks, by dataset.
    spectra : dict of ProfileCheck
        Counts per energy, by dataset.
    profiles : dict of ProfileCheck
        Counts in rings around sources, by ``"<dataset>.<source>"``.
    """

    results: list[CheckResult]
    alpha: float
    remarks: tuple[str, ...]
    tree: xr.DataTree
    blocks: dict[str, Blocks] = field(default_factory=dict)
    spectra: dict[str, ProfileCheck] = field(default_factory=dict)
    profiles: dict[str, ProfileCheck] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether no check fails."""
        return not any(result.fails for result in self.results)

    @property
    def sentences(self) -> list[str]:
        """What is wrong and where, a sentence for each check that fails, and the remarks."""
        return [f"{r.dataset}: {r.sentence} (p = {r.p:.2g})." for r in self.results if r.fails] + list(self.remarks)

    def table(self) -> Table:
        """Return the numbers: columns dataset, check, value, expected, p and fails."""
        columns = {"dataset": "dataset", "check": "name", "value": "value", "expected": "expected"}
        columns |= {"p": "p", "fails": "fails"}
        return Table({key: [getattr(r, name) for r in self.results] for key, name in columns.items()})

    def _repr_html_(self) -> str:
        rows = [
            (r.dataset, r.name, f"{r.value:.4g}", f"{r.expected:.4g}", f"{r.p:.2g}", "fails" if r.fails else "")
            for r in self.results
        ]
        return html_text(str(self)) + html_table(("dataset", "check", "value", "expected", "p", ""), rows)

    def __str__(self) -> str:
        failed = sum(r.fails for r in self.results)
        of = f"{len(self.results)} checks at a false-alarm rate of {self.alpha:.2g} for each dataset"
        verdict = f"{failed} of {of} fail" if failed else f"None of {of} fails"
        return "\n".join([f"{verdict}.", *(f"- {sentence}" for sentence in self.sentences)])
