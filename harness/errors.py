"""Every exception the project raises on purpose, in one tree.

    HeavyweatherError
    |-- InputError              what the user gave is wrong; the message names file, key, value and rule
    |-- EnvironmentMissing      something needed is absent; the message says how to get it
    |-- NotReady                a bounded wait ran out; the message names what was waited for
    |-- StackError              a provider could not start, stop or describe a service
    |-- ChaosError
    |   |-- Unsupported         this stack or this machine cannot be broken in the way asked for; says why
    |   |-- Refused             breaking is not allowed here: a guard says why
    |   |-- InjectionFailed     a fault could not be put in place or was not what was asked for
    |   `-- HealFailed          a fault could not be undone, or its undoing not verified
    |-- LoadError               the load generator itself cannot go on
    |-- StoppedEarly            the run's own watch saw what no run should go on after
    `-- JournalError            the record of a run cannot be written or read

Anything else that escapes is a bug.
"""

from harness.shown import ABSENT, HIDDEN, UNTOLD, is_secret, quotes, show_value


class HeavyweatherError(Exception):
    """Base of the tree: catch it to print one clear line in place of a traceback."""


class InputError(HeavyweatherError):
    """The user's input breaks a rule.

    `source` is the file, option or variable it came from, `key` the place
    within, `value` what stood there (ABSENT where nothing did) and `rule` what
    it should have been. A value whose key looks like a secret's is neither shown
    nor kept; nor is a rule that quotes it. Nor is one that is `hidden`, by who
    vouches for the rule.
    """

    def __init__(self, source: str, key: str, value: object, rule: str, *, hidden: bool = False) -> None:
        if value is ABSENT:
            message = f"{source}: {key}: {rule}"
        elif hidden or is_secret(key):
            rule = rule if hidden or not quotes(rule, value) else UNTOLD
            value, message = HIDDEN, f"{source}: {key} = {HIDDEN}: {rule}"
        else:
            message = f"{source}: {key} = {show_value(value)}: {rule}"
        super().__init__(message)
        self.source = source
        self.key = key
        self.value = value
        self.rule = rule


class EnvironmentMissing(HeavyweatherError):
    """Something needed is not on this machine; `remedy` says how to get it."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what} is missing: {remedy}")
        self.what = what
        self.remedy = remedy


class NotReady(HeavyweatherError):
    """A bounded wait ran out before its condition held."""

    def __init__(self, what: str, waited_s: float, last_seen: str) -> None:
        super().__init__(f"{what} not ready after {waited_s:.1f} s (last seen: {last_seen})")
        self.what = what
        self.waited_s = waited_s
        self.last_seen = last_seen


class StackError(HeavyweatherError):
    """A provider could not start, stop or describe a service."""


class ChaosError(HeavyweatherError):
    """Breaking or mending went wrong."""


class Unsupported(ChaosError):
    """Here nothing can be broken in the way that was asked for; the message says why."""


class Refused(ChaosError):
    """A guard does not allow anything to be broken here; the message says which, and why."""


class InjectionFailed(ChaosError):
    """A fault could not be put in place, or what was read back is not what was asked for."""


class HealFailed(ChaosError):
    """A fault could not be undone, or its undoing could not be verified."""


class LoadError(HeavyweatherError):
    """The load generator itself cannot go on; the message says what it has run out of, or which worker is gone."""


class StoppedEarly(HeavyweatherError):
    """The run's own watch saw what no run should go on after; the message says what and when."""


class JournalError(HeavyweatherError):
    """The record of a run cannot be written or read."""


def explain(error: BaseException) -> str:
    """Return an error in words, its notes after it, every error of a group on lines of its own."""
    if isinstance(error, BaseExceptionGroup):
        return "\n".join(explain(inner) for inner in error.exceptions)
    return "\n".join([str(error), *getattr(error, "__notes__", [])])
