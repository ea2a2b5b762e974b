"""User tables to frozen values: models, shared types that parse text, errors as `file: key = value: rule`, and docs."""

from __future__ import annotations

from harness.tables.quantities import (
    Count,
    Duration,
    Fraction,
    NonNegative,
    Number,
    Positive,
    PositiveCount,
    PositiveDuration,
    PositiveFraction,
    PositiveRate,
    PositiveSize,
    Quantity,
    Rate,
    Size,
    WholeSize,
    quantity,
)
from harness.tables.reading import read, read_environment, read_toml
from harness.tables.rules import one_of, rule, unknown_key
from harness.tables.schema import json_schema_text, marked_schema
from harness.tables.table import Broken, Gathered, Table, keys_of, table, validate
from harness.tables.words import Among, ByHand, Choice, Listed, Name, Names, SeriesName, Tagged, Text, is_series_name

__all__ = [
    "Among",
    "Broken",
    "ByHand",
    "Choice",
    "Count",
    "Duration",
    "Fraction",
    "Gathered",
    "Listed",
    "Name",
    "Names",
    "NonNegative",
    "Number",
    "Positive",
    "PositiveCount",
    "PositiveDuration",
    "PositiveFraction",
    "PositiveRate",
    "PositiveSize",
    "Quantity",
    "Rate",
    "SeriesName",
    "Size",
    "Table",
    "Tagged",
    "Text",
    "WholeSize",
    "is_series_name",
    "json_schema_text",
    "keys_of",
    "marked_schema",
    "one_of",
    "quantity",
    "read",
    "read_environment",
    "read_toml",
    "rule",
    "table",
    "unknown_key",
    "validate",
]
