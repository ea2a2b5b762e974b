"""Toxics: only values that the server would give effect to, and SI throughout."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.faults.links import toxics, toxiproxy
from chaos.faults.links.toxics import Bandwidth, Latency, LimitData, Noop, ResetPeer, Slicer, SlowClose, Timeout
from chaos.faults.ranges import hints_of, range_of
from chaos.targets import Toxic

TOXICS: list[type[Any]] = [each for each in vars(toxics).values() if isinstance(each, type) and "kind" in vars(each)]
NO_NUMBERS = [math.inf, -math.inf, math.nan]
Make = Callable[[float], Toxic]


@given(st.floats(0, 3600))
def test_a_latency_in_range_is_kept_as_given(latency_s: float) -> None:
    assert Latency(latency_s).attributes == {"latency_s": latency_s, "jitter_s": 0.0}


@pytest.mark.parametrize("latency_s", [-5.0, -1e-9, 3600.1, *NO_NUMBERS])
def test_a_latency_out_of_range_is_refused(latency_s: float) -> None:
    with pytest.raises(ValueError, match="latency_s = "):
        Latency(latency_s)


@pytest.mark.parametrize(
    ("make", "name", "bad"),
    [
        (Bandwidth, "bytes_per_s", [0.0, -1.0, 999.0, 1e13]),
        (SlowClose, "delay_s", [0.0, 0.0009, -1.0, 3600.1]),
        (Timeout, "timeout_s", [0.0004, 0.0009, -1.0, 3600.1]),
        (ResetPeer, "timeout_s", [0.0004, -1.0, 3600.1]),
        (Slicer, "size_bytes", [0, -1, 1.5, 1 << 41]),
        (lambda delay_s: Slicer(100, delay_s), "delay_s", [-1e-6, 1.1]),
        (LimitData, "limit_bytes", [-1, 0.5, 1 << 41]),
        (lambda toxicity: ResetPeer(toxicity=toxicity), "toxicity", [0.5, -1, 5]),
    ],
    ids=["bandwidth", "slow_close", "timeout", "reset_peer", "slicer", "slicer delay", "limit_data", "toxicity"],
)
def test_what_the_server_would_take_without_effect_is_refused(make: Make, name: str, bad: list[float]) -> None:
    for value in [*bad, *NO_NUMBERS]:
        with pytest.raises(ValueError, match=rf"{name} = .*must be"):
            make(value)


@pytest.mark.parametrize(
    ("toxic", "attributes"),
    [
        (Bandwidth(1000), {"bytes_per_s": 1000}),
        (SlowClose(0.001), {"delay_s": 0.001}),
        (Timeout(0), {"timeout_s": 0}),
        (Timeout(0.001), {"timeout_s": 0.001}),
        (ResetPeer(), {"timeout_s": 0.0}),
        (Slicer(1, 1), {"size_bytes": 1, "variation_bytes": 0, "delay_s": 1}),
        (LimitData(0), {"limit_bytes": 0}),
    ],
    ids=lambda value: value.kind if hasattr(value, "kind") else "",
)
def test_the_ends_of_each_range_are_in_it(toxic: Toxic, attributes: dict[str, float]) -> None:
    assert toxic.attributes == attributes


def test_toxics_act_towards_the_caller_unless_told_otherwise() -> None:
    assert Latency(0.1).stream == "downstream"
    assert Latency(0.1, "upstream").stream == "upstream"


def test_toxicity_is_whole_but_for_a_reset_that_only_waits() -> None:
    assert {toxic.toxicity for toxic in (Noop(), Latency(0.1), Timeout(0), ResetPeer())} == {1.0}
    assert ResetPeer(toxicity=0).toxicity == 0


def test_every_toxic_has_its_units_and_its_own_ranges() -> None:
    assert {toxic.kind for toxic in TOXICS} == set(toxiproxy._UNITS)
    for toxic in TOXICS:
        numbers = [hint for name, hint in hints_of(toxic) if name not in {"stream", "toxicity"}]
        assert all(range_of(hint) for hint in numbers)


def test_the_control_does_nothing() -> None:
    assert (Noop().kind, Noop().attributes) == ("noop", {})


def test_a_toxic_cannot_change_after_it_was_checked() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(Latency(0.1), "latency_s", -5.0)  # noqa: B010 - the type checker refuses the plain form
