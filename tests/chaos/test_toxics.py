"""Toxics: only values that the server would give effect to, and SI throughout."""

from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.toxics import Latency, Noop


@given(st.floats(0, 3600))
def test_a_latency_in_range_is_kept_as_given(latency_s: float) -> None:
    assert Latency(latency_s).attributes == {"latency_s": latency_s, "jitter_s": 0.0}


@pytest.mark.parametrize("latency_s", [-5.0, -1e-9, 3600.1, math.inf, -math.inf, math.nan])
def test_a_latency_out_of_range_is_refused(latency_s: float) -> None:
    with pytest.raises(ValueError, match=r"latency_s = .*must be from 0 to 3600 s"):
        Latency(latency_s)


def test_toxics_act_towards_the_caller_unless_told_otherwise() -> None:
    assert Latency(0.1).stream == "downstream"
    assert Latency(0.1, "upstream").stream == "upstream"


def test_the_control_does_nothing() -> None:
    assert (Noop().kind, Noop().attributes) == ("noop", {})


def test_a_toxic_cannot_change_after_it_was_checked() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(Latency(0.1), "latency_s", -5.0)  # noqa: B010 - the type checker refuses the plain form
