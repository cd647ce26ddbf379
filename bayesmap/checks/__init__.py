"""Is the model right? Predictions of the posterior against the data, in numbers and in words."""

from bayesmap.checks.checking import can_check, check
from bayesmap.checks.pit import pit_of
from bayesmap.checks.result import CheckResult, Checks, ProfileCheck

__all__ = ["CheckResult", "Checks", "ProfileCheck", "can_check", "check", "pit_of"]
