"""The table of kinds: every fault there is, each with parameters that a file can hold."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

import chaos.faults
from chaos.faults.kinds import KINDS
from chaos.profile.entries import FORMS
from chaos.profile.fields import fields_of, read_fields, write_fields
from tests.chaos.drawn import PARAMETERS, faults


def test_every_fault_there_is_can_be_named() -> None:
    folder = Path(inspect.getfile(chaos.faults)).parent
    found = set()
    for path in folder.glob("*.py"):
        module = importlib.import_module(f"chaos.faults.{path.stem}")
        found |= {
            value
            for name, value in vars(module).items()
            if inspect.isclass(value) and dataclasses.is_dataclass(value) and name.endswith("Fault")
        }
    assert found <= set(KINDS.values())
    assert [kind.kind for kind in KINDS.values()] == list(KINDS)


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_no_parameter_is_called_like_a_key_of_an_entry(kind: type[Any]) -> None:
    fields = fields_of(kind)
    assert "target" in fields
    taken = {"fault", *(key for form in FORMS for key in (*form.keys, *form.told_by))}
    assert not taken & set(fields)
    assert set(PARAMETERS.get(kind.kind, {})) <= set(fields)
    assert {name for name, field in fields.items() if field.required} <= {"target", *PARAMETERS.get(kind.kind, {})}


@settings(deadline=None, max_examples=50)
@given(faults())
def test_every_fault_is_read_back_from_what_was_written(fault: Any) -> None:
    errors: list[Exception] = []
    values = read_fields("f", "w", write_fields(fault), fields_of(type(fault)), errors)
    assert not errors
    assert type(fault)(**values) == fault
    assert hash(type(fault)(**values)) == hash(fault)


@settings(deadline=None, max_examples=50)
@given(faults())
def test_what_a_fault_says_of_itself_is_what_is_written(fault: Any) -> None:
    """The journal and the timeline must not tell of it in different words."""
    written = write_fields(fault, without=("target",))
    assert {key: fault.describe()[key] for key in fault.describe()} == written
