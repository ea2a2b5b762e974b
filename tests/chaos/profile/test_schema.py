"""The schema that editors use: it is what its file has, and whatever parses has only what it allows."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaos.faults.kinds import KINDS
from chaos.profile.file import PROFILES, Profile, schema_text, shipped
from chaos.profile.recorded import to_json
from chaos.profile.timeline import TimelineEntry, expand
from harness.criteria.budget import Budget
from harness.load.load_table import LoadTable
from harness.tables import keys_of
from tests.chaos.drawn import timelines
from tests.chaos.profile.test_file import WHOLE

SCHEMA: Mapping[str, Any] = json.loads(schema_text())
TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
}


def amiss(value: Any, rule: Mapping[str, Any]) -> list[str]:
    """Return what a schema, of the words that ours uses, has against a value."""
    if "$ref" in rule:
        return amiss(value, SCHEMA["$defs"][rule["$ref"].removeprefix("#/$defs/")])
    found = []
    if "type" in rule:
        names = rule["type"] if isinstance(rule["type"], list) else [rule["type"]]
        right = any(isinstance(value, TYPES[name]) and isinstance(value, bool) == (name == "boolean") for name in names)
        found += [] if right else [f"{value!r} is no {names}"]
    found += [] if "const" not in rule or value == rule["const"] else [f"{value!r} is not {rule['const']!r}"]
    found += [] if "enum" not in rule or value in rule["enum"] else [f"{value!r} is none of {rule['enum']}"]
    found += [each for part in rule.get("allOf", ()) for each in amiss(value, part)]
    if "anyOf" in rule and all(amiss(value, option) for option in rule["anyOf"]):
        found.append(f"{value!r} fits nothing")
    if "oneOf" in rule and sum(not amiss(value, option) for option in rule["oneOf"]) != 1:
        found.append(f"{value!r} fits not one alone")
    if isinstance(value, dict):
        found += _amiss_table(value, rule)
    if isinstance(value, list):
        found += [each for item in value for each in amiss(item, rule.get("items", {}))]
        found += (
            [] if rule.get("minItems", 0) <= len(value) <= rule.get("maxItems", len(value)) else ["too few or many"]
        )
    if isinstance(value, str) and "pattern" in rule and not re.search(rule["pattern"], value):
        found.append(f"{value!r} does not match")
    if isinstance(value, int | float) and not rule.get("minimum", value) <= value <= rule.get("maximum", value):
        found.append(f"{value} is out of range")
    return found


def _amiss_table(value: Mapping[str, Any], rule: Mapping[str, Any]) -> list[str]:
    known, others = rule.get("properties", {}), rule.get("additionalProperties", {})
    found = [f"{key} is missing" for key in rule.get("required", ()) if key not in value]
    for key, inner in value.items():
        if key in known:
            found += amiss(inner, known[key])
        elif others is False:
            found.append(f"{key} is not known")
        else:
            found += amiss(inner, others)
    return found


def test_the_file_is_current() -> None:
    """After a change: `python -m harness.tables chaos/profiles/schema.json`."""
    assert (PROFILES / "schema.json").read_text(encoding="utf-8") == schema_text()


@pytest.mark.parametrize("path", shipped(), ids=lambda path: path.stem)
def test_shipped_profiles_keep_it(path: Any) -> None:
    assert amiss(tomllib.loads(path.read_text(encoding="utf-8")), SCHEMA) == []


@settings(deadline=None, max_examples=50)
@given(timelines(), st.integers(0, 99))
def test_recorded_timelines_keep_it(entries: list[TimelineEntry], seed: int) -> None:
    rule = SCHEMA["properties"]["timeline"]
    assert amiss([to_json(planned) for planned in expand(entries, seed=seed)], rule) == []


def test_a_profile_of_every_form_keeps_it_and_a_slip_does_not() -> None:
    table: dict[str, Any] = tomllib.loads(WHOLE)
    assert amiss(table, SCHEMA) == []
    for key, value in (("rtt", "1 s"), ("rtt_s", "1 fortnight"), ("fault", "latncy"), ("for", None)):
        first = {**table["timeline"][0], key: value}
        assert amiss({**table, "timeline": [first, *table["timeline"][1:]]}, SCHEMA), key
    assert amiss({**table, "sauce": "x"}, SCHEMA)
    assert amiss({key: value for key, value in table.items() if key != "source"}, SCHEMA)


def test_every_section_key_and_kind_is_in_it() -> None:
    sections = SCHEMA["properties"]
    assert set(sections) == set(keys_of(Profile))
    assert set(sections["budget"]["properties"]) == set(keys_of(Budget))
    kinds = {entry["properties"]["fault"]["const"] for entry in sections["timeline"]["items"]["oneOf"][:-1]}
    assert kinds == set(KINDS)


def test_the_keys_of_a_load_are_those_that_are_parsed() -> None:
    assert set(SCHEMA["properties"]["load"]["properties"]) == set(keys_of(LoadTable))


@settings(deadline=None, max_examples=50)
@given(st.floats(0, 1e6), st.sampled_from(["", "ms", "s", "min", "h", "d"]))
def test_a_duration_that_parses_keeps_it(number: float, unit: str) -> None:
    assert amiss(f"{number:g} {unit}", {"$ref": "#/$defs/duration"}) == []
