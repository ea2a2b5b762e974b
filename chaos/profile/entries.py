"""A profile's `[[timeline]]`: each entry is of the form that its keys tell, with a fault's parameters beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, cast

from pydantic import AfterValidator, Field

from chaos.faults.fault import Drawn, Fault, can_be_ramped, is_adjustable
from chaos.faults.kinds import KINDS
from chaos.faults.ranges import values_of
from chaos.profile.swizzle import Swizzle
from chaos.profile.timeline import STEPS_MAX, At, Change, Every, Planned, Ramp, TimelineEntry, expand
from harness.tables import (
    ByHand,
    Duration,
    Gathered,
    Listed,
    Names,
    PositiveDuration,
    Table,
    keys_of,
    marked_schema,
    one_of,
    rule,
    unknown_key,
    validate,
)


class _Form(Table):
    """A kind of entry; `changes` is the key under which stands what becomes of its fault, as parameters of that."""

    changes: ClassVar[str] = ""

    def entry(self, fault: Fault, changes: tuple[Change, ...]) -> TimelineEntry:
        """Return the entry. Raises ValueError."""
        raise NotImplementedError


class Once(_Form):
    """A fault that comes once."""

    at: Duration
    """When it begins, from the end of warm-up on."""
    for_s: Annotated[PositiveDuration, Field(validation_alias="for", serialization_alias="for")]
    """How long it lasts."""

    def entry(self, fault: Fault, changes: tuple[Change, ...]) -> TimelineEntry:
        """Return the entry. Raises ValueError."""
        del changes
        return At(self.at, self.for_s, fault)


class Repeated(Once):
    """A fault that comes again and again."""

    every: PositiveDuration
    """From one beginning to the next."""
    times: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """How often it comes; give this or `until`."""
    until: Duration | None = None
    """It comes as often as it is gone by then."""
    spread: Duration = 0.0
    """Each time it begins up to so much later, drawn from the seed."""

    def entry(self, fault: Fault, changes: tuple[Change, ...]) -> TimelineEntry:
        """Return the entry. Raises ValueError."""
        del changes
        return Every(self.at, self.every, self.for_s, fault, self.times, self.until, self.spread)


class Ramped(Once):
    """A fault whose numbers go in steps to what `to` says."""

    changes: ClassVar[str] = "to"
    steps: Annotated[int, Field(ge=2, le=STEPS_MAX)] = 10
    """How many levels it has, both ends among them."""

    def entry(self, fault: Fault, changes: tuple[Change, ...]) -> TimelineEntry:
        """Return the entry. Raises ValueError."""
        return Ramp(self.at, self.for_s, fault, changes[0].fault, self.steps)


class Swizzled(Once):
    """Cuts hops one by one and has them back one by one; it has no fault beside it."""

    swizzle: Annotated[Names, Field(min_length=2)]
    """The hops; both orders are drawn from the seed."""
    gap: PositiveDuration = 1.0
    """From one cut or return to the next: half of it to all of it, drawn from the seed."""

    def swizzled(self) -> Swizzle:
        """Return the entry. Raises ValueError."""
        return Swizzle(self.at, self.for_s, self.swizzle, self.gap)


class Recorded(_Form):
    """A fault as a run planned it."""

    changes: ClassVar[str] = "course"
    inject_s: Duration
    """When it begins, from the end of warm-up on."""
    heal_s: Duration
    """When it is healed."""

    def entry(self, fault: Fault, changes: tuple[Change, ...]) -> TimelineEntry:
        """Return the entry. Raises ValueError."""
        return Planned(self.inject_s, self.heal_s, fault, course=changes)


class _Moment(Table):
    at_s: Duration
    """When it changes."""


_FORMS: tuple[type[_Form], ...] = (Repeated, Ramped, Recorded)


def _form_of(table: Mapping[Any, Any]) -> type[_Form]:
    """Return the form that an entry's keys tell: the first of which it has a key that `Once` has not."""
    own = {form: {*keys_of(form), *filter(None, [form.changes])} - {*keys_of(Once)} for form in _FORMS}
    return next((form for form, keys in own.items() if keys & table.keys()), Once)


def read_entry(value: Any) -> TimelineEntry:
    """Return the entry that a table describes. Raises pydantic's ValidationError, or a rule for what is no table."""
    if not isinstance(value, Mapping):
        raise rule('must be a table such as { at = "5 s", for = "10 s", ... }', hidden=isinstance(value, str))
    if not {"swizzle", "gap"} & value.keys():
        return _read_fault_entry(value)
    found, entry = Gathered(keys_of(Swizzled)), None
    with found.at(value):
        entry = validate(Swizzled, value).swizzled()
    found.finish()
    return cast("TimelineEntry", entry)


def _read_fault_entry(value: Mapping[str, Any]) -> TimelineEntry:
    form, name = _form_of(value), value.get("fault")
    kind = KINDS.get(name) if isinstance(name, str) else None
    parameters = keys_of(kind) if kind else ()
    known = ("fault", *keys_of(form), *filter(None, [form.changes]), *parameters)
    found = Gathered(known)
    times = fault = entry = None
    with found.at(value):
        times = validate(form, {key: value[key] for key in keys_of(form) if key in value})
    if kind is None:
        found.refuse(one_of(KINDS, absent="fault" not in value), name, "fault")
    else:
        for key in (key for key in value if key not in known):
            found.refuse(unknown_key(str(key), known), value[key], key)
        with found.at(value):
            fault = validate(kind, {key: value[key] for key in parameters if key in value})
        changes = _changes(found, value, form, kind, fault)
        # A form that needs a change has noted that there is none.
        if times is not None and fault is not None and (changes or form is not Ramped):
            with found.at(value):
                entry = times.entry(fault, changes)
    found.finish()
    return cast("TimelineEntry", entry)


def _changes(
    found: Gathered, value: Mapping[str, Any], form: type[_Form], kind: type[Any], fault: Any
) -> tuple[Change, ...]:
    """Return what becomes of the fault, at the times that stand there; for a ramp at no time yet."""
    given = value.get(form.changes)
    if given and not (can_be_ramped(kind) if form is Ramped else is_adjustable(kind)):
        why = "draws its own course, so it cannot be ramped" if issubclass(kind, Drawn) else "cannot change"
        found.refuse(rule(f"{kind.kind} {why} while it lasts"), given, form.changes)
        return ()
    if form is Ramped:
        to = _changed(found, given, kind, fault, "to")
        return (Change(0.0, to),) if to else ()
    if form is not Recorded or given is None:
        return ()
    if not isinstance(given, list | tuple):
        found.refuse(rule("must be a list of tables: { at_s = 5, ... }"), given, "course")
        return ()
    course = [_change(found, table, kind, fault, n) for n, table in enumerate(given)]
    return tuple(change for change in course if change)


def _change(found: Gathered, table: Any, kind: type[Any], fault: Any, n: int) -> Change | None:
    own = table if isinstance(table, Mapping) else {}
    moment = None
    with found.at(table, "course", n):
        moment = validate(_Moment, {key: own[key] for key in own if key == "at_s"})
    to = _changed(found, {key: own[key] for key in own if key != "at_s"}, kind, fault, "course", n)
    return Change(moment.at_s, to) if moment and to else None


def _changed(found: Gathered, table: Any, kind: type[Any], fault: Any, *place: str | int) -> Fault | None:
    """Return what a fault becomes with the parameters of a table; those that it does not have stay."""
    parameters = keys_of(kind)[1:]
    if not isinstance(table, Mapping) or not table:
        words = f"must be a table of what changes, of {', '.join(parameters) or 'no parameter, for it has none'}"
        found.refuse(rule(words, absent=table is None), table, *place)
        return None
    for key in (key for key in table if key not in parameters):
        found.refuse(unknown_key(str(key), parameters), table[key], *place, key)
    given = {key: table[key] for key in parameters if key in table}
    if fault is not None:
        with found.at(given, *place):
            return cast("Fault", validate(kind, {**values_of(fault), **given}))
    return None


def _entry_schema() -> dict[str, Any]:
    """Return a schema for each kind of fault, so that an editor knows its parameters, and one for swizzles."""
    return {"oneOf": [*(_fault_schema(name, kind) for name, kind in KINDS.items()), marked_schema(Swizzled)]}


def _fault_schema(name: str, kind: type[Any]) -> dict[str, Any]:
    fault = marked_schema(kind)
    parameters = {key: part for key, part in fault["properties"].items() if key != "target"}
    properties: dict[str, Any] = {"fault": {"const": name}}
    for form in (Once, Repeated, Recorded, *([Ramped] if can_be_ramped(kind) else [])):
        properties |= marked_schema(form)["properties"]
    if can_be_ramped(kind):
        properties["to"] = {**_object(parameters), "minProperties": 1, "description": "What it ends as."}
    if is_adjustable(kind):
        change = _object({**marked_schema(_Moment)["properties"], **parameters}, "at_s")
        properties["course"] = {"type": "array", "items": change, "description": "What becomes of it, in order."}
    times = [{"required": ["at", "for"]}, {"required": ["inject_s", "heal_s"]}]
    whole = _object({**properties, **fault["properties"]}, "fault", *fault.get("required", ()))
    return {**whole, "description": fault["description"], "oneOf": times}


def _object(properties: Mapping[str, Any], *required: str) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": dict(properties),
        **({"required": list(required)} if required else {}),
    }


def _check_together(entries: tuple[TimelineEntry, ...]) -> tuple[TimelineEntry, ...]:
    _ = expand(entries, seed=0)
    return entries


# All entries, which can be played together.
Timeline = Annotated[Listed[Annotated[Any, ByHand(read_entry, _entry_schema)]], AfterValidator(_check_together)]
