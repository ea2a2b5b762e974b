"""When to end a run early, as a profile asks for it: `[[abort_if]]`, parsed whole.

It saves the rest of a run that nothing can be learned from any more, or a
machine that somebody else needs as well. Whatever ended early is no pass, so
none may ask for that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.criteria.entries import (
    Entry,
    Read,
    read_choice,
    read_count,
    read_list,
    read_scalar,
    read_series,
    read_series_list,
)
from harness.criteria.limits import SUMS, Range, Statistic, When, misfit, names_series, unit_of
from harness.criteria.overrides import parse_lasting_s
from harness.verdict import Verdict

SECTION = "abort_if"
STATISTICS = tuple(each for each in Statistic if each is not Statistic.EVERY)
VERDICTS = (Verdict.INCONCLUSIVE, Verdict.FAIL)
# Shorter ones follow a shared machine's every hiccup; three in a row are no chance.
WINDOW_S, IN_A_ROW = 10.0, 3
_LEVEL = {"type": ["number", "string"]}
# What may stand in a table: the JSON Schema of each key.
ABORT_KEYS: Mapping[str, Mapping[str, object]] = {
    "series": {"type": "string", "description": "name of series, * for anything between two dots"},
    "except": {"type": "array", "items": {"type": "string"}, "description": "series that are not meant"},
    "statistic": {
        "enum": [*STATISTICS],
        "description": "what of a window: sums of all that are named together, else of each by itself",
    },
    "max": {**_LEVEL, "description": "a window with more than this is a bad one"},
    "min": {**_LEVEL, "description": "a window with less than this is a bad one"},
    "window_s": {**_LEVEL, "description": f"how long a window is, {WINDOW_S:g} s if nothing is said"},
    "windows_in_a_row": {
        "type": "integer",
        "minimum": 1,
        "description": f"so many bad ones end the run, {IN_A_ROW} if nothing is said",
    },
    "when": {"enum": [*When], "description": "in which part of the run; warm if nothing is said"},
    "verdict": {"enum": [*VERDICTS], "description": "what the run then comes to at the least; INCONCLUSIVE by itself"},
}


@dataclass(frozen=True, slots=True)
class Abort:
    """End the run when a series that `series` names was outside `allowed` for `in_a_row` windows in a row.

    Each is watched by itself, but sums are of all that are named together. A window is `window_s` seconds long, or
    lasts until there is a sample in it; of 0 seconds, it is one sample. `verdict` is what a run that was ended for it
    comes to.
    """

    series: str
    statistic: Statistic
    allowed: Range
    window_s: float = WINDOW_S
    in_a_row: int = IN_A_ROW
    when: When = When.WARM
    verdict: Verdict = Verdict.INCONCLUSIVE
    excepted: tuple[str, ...] = ()

    @property
    def adds_up(self) -> bool:
        """Whether the statistic is of all series together."""
        return self.statistic in SUMS

    def names(self, name: str) -> bool:
        """Return whether this is about the series `name`."""
        return names_series(self.series, self.excepted, name)


def parse_aborts(source: str, tables: object) -> tuple[Abort, ...]:
    """Return what a list of tables asks for; `source` names the file in errors.

    Raises an ExceptionGroup of an InputError for each rule broken.
    """
    entries, errors = read_list(source, SECTION, tables)
    found = [_abort(entry, fields) for entry, fields in entries]
    if errors:
        raise ExceptionGroup(f"{source}: [[{SECTION}]] breaks {len(errors)} rule(s)", errors)
    return tuple(one for one in found if one is not None)


def _abort(entry: Entry, fields: Mapping[str, object]) -> Abort | None:
    """Return what one table asks for; None when it breaks a rule."""
    values = entry.read(fields, _parsers(fields))
    for key in (key for key in ("series", "statistic") if key not in fields):
        entry.refuse(key, None, "must be given")
    if "min" not in fields and "max" not in fields:
        entry.refuse("", sorted(map(str, fields)), "must have min or max")
    if entry.sound:
        entry.check_order(values)
        if rule := misfit(values["series"], values["statistic"]):
            entry.refuse("statistic", str(values["statistic"]), rule)
    if not entry.sound:
        return None
    names = {"window_s": "window_s", "windows_in_a_row": "in_a_row", "when": "when", "verdict": "verdict"}
    options = {name: values[key] for key, name in (names | {"except": "excepted"}).items() if key in values}
    allowed = Range(values.get("min"), values.get("max"))
    return Abort(values["series"], values["statistic"], allowed, **options)


def _parsers(fields: Mapping[str, object]) -> Mapping[str, Read]:
    """Return what reads each of ABORT_KEYS; they raise ValueError whose text is the rule."""
    statistic = next((each for each in STATISTICS if each == fields.get("statistic")), Statistic.EVERY)
    level = read_scalar(unit_of(str(fields.get("series")), statistic).parse)
    return {
        "series": read_series,
        "except": read_series_list,
        "statistic": read_choice(STATISTICS),
        "max": level,
        "min": level,
        "window_s": read_scalar(parse_lasting_s),
        "windows_in_a_row": read_count(1),
        "when": read_choice(tuple(When)),
        "verdict": read_choice(VERDICTS),
    }
