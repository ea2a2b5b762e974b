"""Budgets from the environment, the last word on them: `HW_BUDGET_RECOVERY_S` is `recovery_s`, and so on.

A CI job tightens or loosens one figure without a file of its own; a variable
that names no key is refused as a misspelt one.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.criteria.budget import Budget
from harness.tables import read_environment

BUDGET_PREFIX = "HW_BUDGET_"


def read_budget(environ: Mapping[str, str]) -> Budget:
    """Return what the variables HW_BUDGET_* say of a budget; `over` lays it over another.

    Numbers and texts are those of the file's keys; `HW_BUDGET_SERIES` is the table
    `series` as TOML has it inline. Raises an ExceptionGroup of an InputError for
    each rule broken, that names the variable.
    """
    return read_environment(Budget, environ, BUDGET_PREFIX)
