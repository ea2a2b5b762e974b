"""The table of kinds: every fault there is, each with parameters that a file can hold."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings

from chaos.faults import kinds
from chaos.faults.fault import Fault
from chaos.faults.kinds import KINDS, catalogue
from chaos.faults.ranges import hints_of, range_of, values_of
from chaos.faults.registered import Declared, Needs, register
from harness.root import ROOT
from harness.tables import marked_schema, read
from harness.tables.docs import refreshed
from tests.chaos.drawn import faults
from tests.chaos.matrix import IN_CONTAINERS


def test_every_module_of_the_rooms_is_imported_and_every_class_of_a_fault_registered() -> None:
    files = {path.relative_to(ROOT).with_suffix("") for path in (ROOT / "chaos/faults").rglob("*.py")}
    modules = {".".join(path.parts).removesuffix(".__init__") for path in files}
    assert set(kinds._MODULES) == modules - {"chaos.faults"}
    named = {record.__name__ for record in KINDS.values()}
    assert {each.__name__ for each in Declared.__subclasses__() if each.__name__.endswith("Fault")} <= named
    assert [record.kind for record in KINDS.values()] == list(KINDS)


def test_two_kinds_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two kinds of fault are called latency"):

        @register("latency", on="hop", needs=Needs("hop", "hop"))
        @dataclasses.dataclass(frozen=True, slots=True)
        class _Second(Declared):
            pass


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_every_parameter_is_documented_and_every_number_of_one_has_its_range(kind: type[Any]) -> None:
    described = marked_schema(kind)["properties"]
    for name, hint in hints_of(kind):
        if name != "target":
            assert described[name]["description"].endswith(".")
            assert range_of(hint) or "enum" in described[name]


def test_the_table_in_the_readme_is_current() -> None:
    page = ROOT / "chaos" / "README.md"
    assert catalogue() in page.read_text(encoding="utf-8")
    assert refreshed(page) == page.read_text(encoding="utf-8"), "run `python -m harness.tables chaos/README.md`"


@pytest.mark.parametrize("target", ["", " ", "\t\n"])
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_nothing_is_broken_by_default(kind: str, target: str) -> None:
    with pytest.raises(ValueError, match=r"target = .*: must be a text that is not empty"):
        KINDS[kind](**{**IN_CONTAINERS[kind], "target": target})


@settings(deadline=None, max_examples=50)
@given(faults())
def test_every_fault_is_read_back_from_what_was_written(fault: Fault) -> None:
    again = read(type(fault), "f", values_of(fault), where="w")
    assert (again, hash(again)) == (fault, hash(fault))
    assert fault.describe() == values_of(fault, without=("target",))
