"""A profile's `[[timeline]]` to entries: each is of the form that its keys tell, and has that form's keys only.

The forms are one table, from which the schema is made too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from chaos.faults.fault import Drawn, Fault, is_adjustable
from chaos.faults.kinds import KINDS
from chaos.profile.fields import (
    DURATION,
    Field,
    Schema,
    broken,
    fields_of,
    parse_count,
    parse_texts,
    read_fields,
    refuse_unknown,
    scalar,
)
from chaos.profile.swizzle import Swizzle
from chaos.profile.timeline import STEPS_MAX, At, Change, Entry, Every, Planned, Ramp, expand
from harness.criteria import parse_lasting_s
from harness.errors import InputError
from harness.units import parse_duration_s

SECTION = "timeline"
_TEXTS: Schema = {"type": "array", "items": {"type": "string"}, "minItems": 2, "uniqueItems": True}


def _time(name: str, *, required: bool = False) -> Field:
    return Field(name, scalar(parse_duration_s), DURATION, required)


def _length(name: str, *, required: bool = False) -> Field:
    return Field(name, scalar(parse_lasting_s), DURATION, required)


def _count(name: str, least: int, most: int) -> Field:
    return Field(name, parse_count, {"type": "integer", "minimum": least, "maximum": most}, required=False)


@dataclass(frozen=True, slots=True)
class Form:
    """A kind of entry: the keys of its own, and which keys tell it from every other.

    `changes` is the key under which stands what becomes of its fault, as parameters of that.
    """

    name: str
    told_by: tuple[str, ...]
    fields: tuple[Field, ...]
    changes: str = ""

    @property
    def keys(self) -> Mapping[str, Field]:
        """Its own keys by name; what else stands there are the fault's parameters."""
        return {field.name: field for field in self.fields}


_AT, _FOR = _time("at", required=True), _length("for", required=True)
AT = Form("once", (), (_AT, _FOR))
EVERY = Form(
    "repeated",
    ("every", "times", "until", "spread"),
    (_AT, _FOR, _length("every", required=True), _count("times", 1, 10_000), _time("until"), _time("spread")),
)
RAMP = Form("ramped", ("to", "steps"), (_AT, _FOR, _count("steps", 2, STEPS_MAX)), changes="to")
SWIZZLE = Form(
    "swizzled",
    ("swizzle", "gap"),
    (_AT, _FOR, Field("swizzle", parse_texts, _TEXTS, required=True), _length("gap")),
)
RECORDED = Form(
    "recorded",
    ("inject_s", "heal_s", "course"),
    (_time("inject_s", required=True), _time("heal_s", required=True)),
    changes="course",
)
FORMS = (EVERY, RAMP, SWIZZLE, RECORDED, AT)


def form_of(table: Mapping[str, object]) -> Form:
    """Return the form that an entry's keys tell."""
    return next((form for form in FORMS if any(key in table for key in form.told_by)), AT)


def parse_timeline(source: str, value: object, errors: list[Exception]) -> tuple[Entry, ...]:
    """Return the entries of a `[[timeline]]`; what is wrong goes to `errors`, and then they are not all there."""
    if not isinstance(value, list):
        errors.append(InputError(source, SECTION, value, "must be a list of tables: [[timeline]]"))
        return ()
    before = len(errors)
    entries = [parse_entry(source, f"{SECTION}[{n}]", table, errors) for n, table in enumerate(value)]
    if len(errors) == before:
        try:
            _ = expand([entry for entry in entries if entry], seed=0)
        except ValueError as error:
            errors.append(InputError(source, SECTION, f"{len(entries)} entries", str(error)))
    return tuple(entry for entry in entries if entry)


def parse_entry(source: str, where: str, table: object, errors: list[Exception]) -> Entry | None:
    """Return one entry, or None after what is wrong with it has gone to `errors`."""
    if not isinstance(table, Mapping):
        errors.append(InputError(source, where, table, 'must be a table such as { at = "5 s", for = "10 s", ... }'))
        return None
    return _Reading(source, where, table, errors).entry()


def parameters_of(kind: type) -> Mapping[str, Field]:
    """Return the keys that a kind of fault has besides its target."""
    return fields_of(kind, without=("target",))


def can_change(kind: type) -> Form | None:
    """Return by which form a kind of fault can change while it lasts: ramped, or as it drew for itself; or None."""
    if not is_adjustable(kind):
        return None
    return RECORDED if issubclass(kind, Drawn) else RAMP


class _Reading:
    """One entry's table, read key by key; what is wrong with it goes to `errors`."""

    def __init__(self, source: str, where: str, table: Mapping[str, object], errors: list[Exception]) -> None:
        self._source = source
        self._where = where
        self._table = table
        self._errors = errors
        self._began_with = len(errors)

    @property
    def _good(self) -> bool:
        return len(self._errors) == self._began_with

    def entry(self) -> Entry | None:
        """Return the entry that the table describes; None when it breaks a rule."""
        form, table = form_of(self._table), self._table
        values = read_fields(self._source, self._where, table, form.keys, self._errors)
        try:
            if form is SWIZZLE:
                refuse_unknown(self._source, self._where, table, form.keys, self._errors)
                options = _named(values, "gap")
                return Swizzle(values["at"], values["for"], values["swizzle"], **options) if self._good else None
            kind = self._kind(form)
            if kind is None:
                return None
            fault = self._fault(self._where, kind, table, fields_of(kind), {})
            changes = self._changes(form, kind, fault)
            return self._make(form, values, fault, changes) if fault and self._good else None
        except ValueError as error:
            self._errors.append(broken(self._source, self._where, table, error))
            return None

    def _kind(self, form: Form) -> type[Any] | None:
        name, table = self._table.get("fault"), self._table
        kind = KINDS.get(name) if isinstance(name, str) else None
        if kind is None:
            self._errors.append(
                InputError(self._source, f"{self._where}.fault", name, f"must be one of {', '.join(KINDS)}")
            )
            return None
        own = [form.changes] if form.changes else []
        refuse_unknown(self._source, self._where, table, ["fault", *form.keys, *own, *fields_of(kind)], self._errors)
        return kind

    def _fault(
        self,
        where: str,
        kind: type[Any],
        table: Mapping[str, object],
        fields: Mapping[str, Field],
        before: Mapping[str, Any],
    ) -> Fault | None:
        """Return the fault that is as `before` but for these fields of a table."""
        known = len(self._errors)
        values = read_fields(self._source, where, table, fields, self._errors)
        try:
            return cast("Fault", kind(**{**before, **values})) if len(self._errors) == known else None
        except ValueError as error:
            self._errors.append(broken(self._source, where, table, error))
            return None

    def _changes(self, form: Form, kind: type[Any], fault: Fault | None) -> tuple[Change, ...]:
        """Return what becomes of the fault, at the times that stand there; for a ramp at no time yet."""
        value, where = self._table.get(form.changes), f"{self._where}.{form.changes}"
        by = can_change(kind)
        if value and (by is None or (form is RAMP and by is not RAMP)):
            why = "cannot change while it lasts" if by is None else "draws its own course, so it cannot be ramped"
            self._errors.append(InputError(self._source, where, value, f"{kind.kind} {why}"))
            return ()
        if form is RAMP:
            to = self._changed(where, value, kind, fault)
            return (Change(0.0, to),) if to else ()
        if form is not RECORDED or value is None:
            return ()
        if not isinstance(value, list):
            self._errors.append(InputError(self._source, where, value, "must be a list of tables: { at_s = 5, ... }"))
            return ()
        found = [self._change(f"{where}[{n}]", table, kind, fault) for n, table in enumerate(value)]
        return tuple(change for change in found if change)

    def _change(self, where: str, table: object, kind: type[Any], fault: Fault | None) -> Change | None:
        own = table if isinstance(table, Mapping) else {}
        time = read_fields(self._source, where, own, {"at_s": _time("at_s", required=True)}, self._errors)
        to = self._changed(where, {key: own[key] for key in own if key != "at_s"}, kind, fault)
        return Change(time["at_s"], to) if time and to else None

    def _changed(self, where: str, table: object, kind: type[Any], fault: Fault | None) -> Fault | None:
        """Return what a fault becomes with the parameters of a table; those that it does not have stay."""
        fields = parameters_of(kind)
        if not isinstance(table, Mapping) or not table:
            rule = f"must be a table of what changes, of {', '.join(fields) or 'no parameter, for it has none'}"
            self._errors.append(InputError(self._source, where, table, rule))
            return None
        refuse_unknown(self._source, where, table, fields, self._errors)
        given = {name: field for name, field in fields.items() if name in table}
        if fault is None:
            _ = read_fields(self._source, where, table, given, self._errors)
            return None
        before = {name: getattr(fault, name) for name in ("target", *fields)}
        return self._fault(where, kind, table, given, before)

    def _make(self, form: Form, values: Mapping[str, Any], fault: Fault, changes: tuple[Change, ...]) -> Entry:
        """Return the entry. Raises ValueError."""
        if form is RECORDED:
            return Planned(values["inject_s"], values["heal_s"], fault, course=changes)
        at_s, for_s = values["at"], values["for"]
        if form is EVERY:
            options = {**_named(values, "until", "spread"), "times": values.get("times")}
            return Every(at_s, values["every"], for_s, fault, **options)
        if form is RAMP:
            return Ramp(at_s, for_s, fault, changes[0].fault, **{k: v for k, v in values.items() if k == "steps"})
        return At(at_s, for_s, fault)


def _named(values: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {f"{name}_s": values[name] for name in names if name in values}
