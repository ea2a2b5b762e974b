"""The docs and the schema are what the models say: keys, defaults, words."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from harness.root import ROOT
from harness.tables import json_schema_text, marked_schema, read
from harness.tables.__main__ import documents, main
from harness.tables.docs import markdown_table, refreshed
from harness.tables.quantities import QUANTITIES
from tests.harness.tables.samples import Shop

BLOCK = "# Shop\n\n<!-- generated: tests.harness.tables.samples:Shop -->\n{}<!-- end -->\nafter\n"
MADE_BY = "tests.harness.tables.test_docs:schema_text"


def schema_text() -> str:
    return json_schema_text(Shop, title="A shop", made_by=MADE_BY)


def rows() -> dict[str, list[str]]:
    lines = [re.split(r"(?<!\\)\|", line)[1:-1] for line in markdown_table(Shop).splitlines()[2:]]
    return {key.strip(" `"): [cell.strip() for cell in cells] for key, *cells in lines}


def test_every_key_has_its_default_and_what_it_takes() -> None:
    told = rows()
    assert list(told) == [*(key if key != "excepted" else "except" for key in Shop.model_fields)]
    assert told["rate_per_s"] == ["`50`", "rate per second above 0", "How many customers come in a second; a \\| b."]
    assert told["wait_s"][:2] == ['`"10 s"`', "duration"]
    assert told["room_bytes"][:2] == ['`"1 KiB"`', "size in whole bytes"]
    assert told["staff"][:2] == ["`2`", "whole number from 1 to 20"]
    assert told["is_open"][:2] == ["`true`", "`true` or `false`"]
    assert told["when"][1] == '`"calm"`, `"all"`'
    assert told["except"][:2] == ["", "list of: text"]
    assert told["logins"][1] == "table of: table"


def test_the_defaults_in_the_docs_read_back_to_the_defaults() -> None:
    quantities = [key for key, field in marked_schema(Shop)["properties"].items() if "x-quantity" in field]
    assert len(quantities) == 5
    table = {key: json.loads(rows()[key][0].strip("`")) for key in quantities}
    assert read(Shop, "docs", table) == Shop()


@pytest.mark.parametrize("quantity", QUANTITIES.values(), ids=QUANTITIES)
@pytest.mark.parametrize("value", [1, 1.0, "1", "1 s", "1 kB", "1/min", "50 %", "x", "", -1, 0, 2, True, None, [1]])
def test_a_schema_takes_what_its_quantity_reads(quantity: Any, value: object) -> None:
    try:
        quantity.read(value)
    except ValueError:
        takes = False
    else:
        takes = True
    assert matches(quantity.schema(), value) is takes


def matches(schema: Any, value: object) -> bool:
    """Return what a JSON Schema of a quantity says; of patterns it cannot say that the number within is in range."""
    if "anyOf" in schema:
        return any(matches(each, value) for each in schema["anyOf"])
    if schema["type"] == "string":
        in_range = not (isinstance(value, str) and value == "0")
        return isinstance(value, str) and bool(re.search(schema["pattern"], value)) and in_range
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    bounds = [value >= schema.get("minimum", value), value <= schema.get("maximum", value)]
    return all([*bounds, value > schema.get("exclusiveMinimum", value - 1)])


def test_the_schema_has_each_key_with_its_words_and_each_quantity_once() -> None:
    schema = json.loads(schema_text())
    assert schema["title"] == "A shop"
    assert schema["additionalProperties"] is False
    assert schema["properties"]["rate_per_s"]["$ref"] == "#/$defs/rate_above_0"
    assert schema["properties"]["rate_per_s"]["description"].startswith("How many customers")
    delay, cut = schema["properties"]["faults"]["items"]["oneOf"]
    assert (delay["properties"]["fault"], cut["properties"]["fault"]) == ({"const": "delay"}, {"const": "cut"})
    assert delay["required"] == ["fault", "target", "rtt_s"]
    assert "x-quantity" not in schema_text()


def test_old_parts_are_written_again_and_the_rest_is_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page, schema, other = tmp_path / "a.md", tmp_path / "a.json", tmp_path / "b.json"
    page.write_text(BLOCK.format("old\n"))
    schema.write_text(f'{{"$comment": "generated: {MADE_BY}"}}')
    other.write_text('{"a": 1}')
    files = [str(page), str(schema), str(other)]
    assert main(["--check", *files]) == 1
    assert capsys.readouterr().out.split() == [f"{page}:", "old", f"{schema}:", "old"]
    assert main(files) == 0
    assert page.read_text() == BLOCK.format(markdown_table(Shop))
    assert schema.read_text() == schema_text()
    assert other.read_text() == '{"a": 1}'
    assert main(["--check", *files]) == 0


def test_every_generated_part_of_this_repository_is_as_it_would_be_written_now() -> None:
    files = documents(ROOT)
    assert ROOT / "README.md" in files
    old = [str(path) for path in files if refreshed(path) != path.read_text(encoding="utf-8")]
    assert not old, f"`make docs` writes them again: {', '.join(old)}"
