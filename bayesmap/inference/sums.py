"""A log-posterior as a sum of terms, of which some may be alike: the runs of one instrument."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pymc as pm
import pytensor
import pytensor.tensor as pt

from bayesmap._backend.expressions import parents, reached
from bayesmap._backend.structure import Anatomy, sum_of_alike
from bayesmap.inference.defined import defined
from bayesmap.inference.looped import Member

__all__ = ["Term", "Terms"]

#: terms that are alike are put into a loop from this number on; fewer are faster together with all others
FEW = 3
#: scalar priors that are alike are put into vectors from this number on
MANY = 8


@dataclass(frozen=True, eq=False)
class Term:
    """The likelihood of one dataset.

    Attributes
    ----------
    observed : Observation
        Gives the log-likelihood.
    arguments : list of TensorVariable
        Its parameters and latent variables, random variables of a model or made of them.
    """

    observed: Any
    arguments: list[Any]

    def logp(self, arguments: Sequence[Any]) -> Any:
        """Log-likelihood of the data at hand, a scalar expression."""
        return self.observed.logp(self.observed.value, *arguments)


class Terms:
    """The log-posterior of a model, sorted into what is alike and the rest.

    Parameters
    ----------
    model : pymc.Model
        Priors, and potentials.
    likelihoods : sequence of Term, optional
        By default all observed variables of the model, in the rest.

    Attributes
    ----------
    weight : TensorVariable
        Of the logarithm of the Jacobian determinant.
    alike : list of list of Member
        Log-densities of equal structure. With a likelihood goes the prior of each variable that nothing else needs.
    rest : TensorVariable
        All others, in one expression of the value variables.
    """

    def __init__(self, model: pm.Model, likelihoods: Sequence[Term] | None = None) -> None:
        self.model, self.likelihoods = model, likelihoods
        self.weight = pt.scalar("jacobian", dtype="float64")
        self.alike: list[list[Member]] = []
        if likelihoods is None:
            self.rest = model.logp(vars=model.observed_RVs) + self._priors(model.free_RVs)
            return
        if len(likelihoods) < FEW:
            arguments = iter(model.replace_rvs_by_values([x for term in likelihoods for x in term.arguments]))
            logps = [term.logp([next(arguments) for _ in term.arguments]) for term in likelihoods]
            self.rest = sum(logps, start=self._priors(model.free_RVs))
            return
        with pytensor.config.change_flags(traceback__limit=0):  # half of the time to make a graph
            self._sort(likelihoods)

    def _sort(self, likelihoods: Sequence[Term]) -> None:
        own = self._own_variables(likelihoods)
        flat = [x for term in likelihoods for x in term.arguments]
        flat += [x for variables in own for rv in variables for x in self._prior(rv)]
        in_values = iter(self.model.replace_rvs_by_values(flat))
        values = {self.model.rvs_to_values[rv] for rv in self.model.free_RVs}
        logps = [term.logp([next(in_values) for _ in term.arguments]) for term in likelihoods]
        priors = [sum((next(in_values) + self.weight * next(in_values) for _ in v), start=0.0) for v in own]
        wholes = [defined(a + b) if v else a for a, b, v in zip(logps, priors, own, strict=True)]
        groups: dict[Any, list[int]] = defaultdict(list)
        anatomies = [Anatomy(whole, values | {self.weight}) for whole in wholes]
        for i, anatomy in enumerate(anatomies):
            groups[anatomy.key if all(x.ndim < 2 for x in anatomy.leaves) else i].append(i)
        together = [g for g in groups.values() if len(g) >= FEW]
        self.alike = [[Member(anatomies[i], likelihoods[i].observed) for i in g] for g in together]
        looped = {i for g in together for i in g}
        done = {rv for i in looped for rv in own[i]}
        rest = self._priors([rv for rv in self.model.free_RVs if rv not in done])
        self.rest = sum((logp for i, logp in enumerate(logps) if i not in looped), start=rest)

    def _own_variables(self, likelihoods: Sequence[Term]) -> list[list[Any]]:
        """Free variables that the likelihood of one dataset depends on, and nothing else does."""
        free = set(self.model.free_RVs)
        needed = [reached(term.arguments, free) for term in likelihoods]
        others = [x for rv in self.model.free_RVs for x in reached(parents(rv), free)]
        number = Counter([*(rv for row in needed for rv in row), *others, *reached(self.model.potentials, free)])
        return [[rv for rv in row if number[rv] == 1] for row in needed]

    def _prior(self, rv: Any) -> tuple[Any, Any]:
        """Log-density of a variable, and what the Jacobian of its transformation adds."""
        value, transform = self.model.rvs_to_values[rv], self.model.rvs_to_transforms[rv]
        if transform is None:
            return pm.logp(rv, value).sum(), pt.constant(0.0)
        inside = transform.backward(value, *parents(rv))
        return pm.logp(rv, inside).sum(), transform.log_jac_det(value, *parents(rv)).sum()

    def _priors(self, variables: list[Any]) -> Any:
        """Prior of some variables, and all potentials."""
        together, variables = self._vectors(variables)
        variables = variables + self.model.potentials
        if not variables:
            return together
        # The likelihood must enter once: its gradient would be computed for each occurrence.
        prior = self.model.logp(vars=variables, jacobian=False)
        return together + prior + self.weight * (self.model.logp(vars=variables, jacobian=True) - prior)

    def _vectors(self, variables: list[Any]) -> tuple[Any, list[Any]]:
        """Prior of scalar variables of which many have the same distribution, and the other variables."""
        total, free = pt.constant(0.0), set(self.model.free_RVs)
        done: set[Any] = set()
        alone = [rv for rv in variables if rv.ndim == 0 and not reached(parents(rv), free)]
        if len(alone) < MANY:
            return total, variables
        groups: dict[Any, list[tuple[Any, Anatomy]]] = defaultdict(list)
        leaves = {self.model.rvs_to_values[rv] for rv in alone} | {self.weight}
        for rv in alone:
            logp, jacobian = self._prior(rv)
            anatomy = Anatomy(logp + self.weight * jacobian, leaves)
            groups[anatomy.key].append((rv, anatomy))
        for group in groups.values():
            part = sum_of_alike([anatomy for _, anatomy in group]) if len(group) >= MANY else None
            if part is not None:
                total, done = total + part, done | {rv for rv, _ in group}
        return total, [rv for rv in variables if rv not in done]
