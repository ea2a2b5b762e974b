"""Profiles: parsed whole, in SI units, with every broken rule told at once: file, key, value and rule."""

from __future__ import annotations

import dataclasses
import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaos.faults.links.down import DownFault
from chaos.faults.links.jitter import JitterFault
from chaos.faults.links.latency import LatencyFault
from chaos.faults.links.shaping import BandwidthFault
from chaos.profile.file import LOAD, load_profile, parse_profile, shipped
from chaos.profile.recorded import to_json
from chaos.profile.scenario import Phases, Scenario
from chaos.profile.swizzle import Swizzle
from chaos.profile.timeline import At, Change, Every, Planned, Ramp
from harness.criteria.budget import Budget
from harness.errors import InputError, explain
from harness.load.schedule.arrivals import Ramp as Climb
from harness.load.schedule.arrivals import Spike

GOLDEN = Path(__file__).parent / "golden"
HEAD = """
source = "https://example.test/incident"
[fidelity]
mechanism = "exact"
magnitude = "scaled"
topology = "one box"
"""
WHOLE = (
    HEAD
    + """
[load]
rate_per_s = 50
mix = { rpc_echo = 1 }
deadline_s = "250 ms"

[phases]
warm_up = "12 s"
faults = "2 min"

[[shape]]
stage = "ramp"
from_per_s = 50
to_per_s = 80
for_s = "10 s"

[[shape]]
stage = "spike"
count = 100

[[timeline]]
at = "5 s"
for = 2.5
fault = "latency"
target = "api_redis"
rtt_s = "200 ms"

[[timeline]]
at = 10
for = "1 s"
every = "5 s"
times = 3
spread = "500 ms"
fault = "down"
target = "api_redis"

[[timeline]]
at = "10 s"
for = "10 s"
fault = "bandwidth"
target = "api_postgres"
bytes_per_s = "1 MB"
to = { bytes_per_s = "10 kB" }
steps = 4

[[timeline]]
at = "30 s"
for = "9 s"
swizzle = ["api_redis", "api_auth"]
gap = "2 s"

[[timeline]]
inject_s = 50
heal_s = 60.5
fault = "jitter"
target = "api_auth"
rtt_s = 0.2
spread_s = 0.1
course = [{ at_s = 51, drawn_s = 0.25 }, { at_s = "52 s", drawn_s = "150 ms" }]

[[must_observe]]
outcome = "timed_out"
min = 3

[budget]
recovery_s = "3 s"
"""
)


def parsed(text: str) -> Scenario:
    return parse_profile("p.toml", "p", tomllib.loads(text))


def refusals(table: Mapping[str, Any]) -> dict[str, InputError]:
    with pytest.raises(ExceptionGroup) as refused:
        parse_profile("p.toml", "p", table)
    errors = [error for error in refused.value.exceptions if isinstance(error, InputError)]
    assert len(errors) == len(refused.value.exceptions)
    assert all(error.source == "p.toml" for error in errors)
    return {error.key: error for error in errors}


def test_a_whole_profile_is_a_scenario() -> None:
    scenario = parsed(WHOLE)
    assert (scenario.name, scenario.load.rate_per_s, scenario.load.deadline_s) == ("p", 50.0, 0.25)
    assert scenario.phases == dataclasses.replace(Phases(), warm_up_s=12.0, faults_s=120.0)
    assert scenario.shape == (Climb(50.0, 80.0, 10.0), Spike(100))
    jitter = JitterFault("api_auth", 0.2, 0.1)
    drawn = [
        Change(51.0, dataclasses.replace(jitter, drawn_s=0.25)),
        Change(52.0, dataclasses.replace(jitter, drawn_s=0.15)),
    ]
    fast, slow = BandwidthFault("api_postgres", 1e6), BandwidthFault("api_postgres", 1e4)
    assert scenario.timeline == (
        At(5.0, 2.5, LatencyFault("api_redis", 0.2)),
        Every(10.0, 5.0, 1.0, DownFault("api_redis"), times=3, spread_s=0.5),
        Ramp(10.0, 10.0, fast, slow, steps=4),
        Swizzle(30.0, 9.0, ("api_redis", "api_auth"), gap_s=2.0),
        Planned(50.0, 60.5, jitter, course=tuple(drawn)),
    )
    assert len(scenario.must_observe) == 1
    assert scenario.budget == Budget(recovery_s=3.0)


def test_what_is_left_out_is_as_in_the_suites() -> None:
    scenario = parsed(HEAD)
    assert (scenario.load, scenario.phases, scenario.timeline) == (LOAD, Phases(), ())
    assert (scenario.budget, scenario.must_observe, scenario.shape) == (Budget(), (), ())


BROKEN = """
sauce = "x"
source = " "
load = { rate_per_s = 0, mix = { no_such = 1 } }
phases = { warm = "1 s", hold = "soon" }
shape = [{ stage = "flat" }, { stage = "spike", count = -1 }, { stage = "ramp", from_per_s = 1 }]
budget = { recovery = 1, latency_s_p95 = true }
must_observe = [{ outcome = "lost" }]

[fidelity]
mechanism = 7
extent = "x"
topology = "one box"

[[timeline]]
at = "soon"
fault = "latency"
target = "api_redis"
rtt_s = "1 ms"

[[timeline]]
at = 1
for = 1
fault = "latncy"
target = "api_redis"

[[timeline]]
at = 1
for = 1
fault = "bandwidth"
target = 7
bytes_per_s = "fast"
direction = "sideways"
speed = 3

[[timeline]]
at = 1
for = 1
every = 2
fault = "down"
target = "api_redis"

[[timeline]]
at = 1
for = 1
fault = "down"
target = "api_redis"
to = { rtt_s = 1 }

[[timeline]]
at = 1
for = 1
fault = "latency"
target = "api_redis"
rtt_s = 0.1
to = { rtt = 1, rtt_s = "much" }

[[timeline]]
at = 1
for = 4
swizzle = ["api_redis", "api_redis"]
fault = "down"

[[timeline]]
at = 1
for = 4
swizzle = ["api_redis", "api_auth"]
gap = "3 s"

[[timeline]]
inject_s = 1
heal_s = 4
fault = "latency"
target = "api_redis"
rtt_s = 0.1
course = [{ rtt_s = 0.2 }, { at_s = 2, rtt_s = -1 }, 3]
"""


def test_every_broken_rule_is_told_at_once_with_its_key_value_and_rule() -> None:
    errors = refusals(tomllib.loads(BROKEN))
    assert set(errors) == {
        *("sauce", "source", "fidelity.mechanism", "fidelity.magnitude", "fidelity.extent"),
        *("load.rate_per_s", "budget.recovery", "budget.latency_s_p95"),
        *("must_observe[0].outcome", "phases.warm", "phases.hold"),
        *("shape[0].stage", "shape[1].count", "shape[2].to_per_s", "shape[2].for_s"),
        *("timeline[0].at", "timeline[0].for", "timeline[0].rtt_s"),
        "timeline[1].fault",
        *("timeline[2].target", "timeline[2].bytes_per_s", "timeline[2].direction", "timeline[2].speed"),
        "timeline[3].times",
        "timeline[4].to",
        *("timeline[5].to.rtt", "timeline[5].to.rtt_s"),
        *("timeline[6].swizzle", "timeline[6].fault"),
        "timeline[7].gap",
        *("timeline[8].course[0].at_s", "timeline[8].course[1].rtt_s", "timeline[8].course[2].at_s"),
        "timeline[8].course[2]",
    }
    assert (errors["timeline[0].rtt_s"].value, errors["timeline[7].gap"].value) == ("1 ms", "3 s")


def entry(**changes: Any) -> dict[str, Any]:
    return {"at": 0, "for": 10, "fault": "down", "target": "a", **changes}


@pytest.mark.parametrize(
    ("timeline", "key", "rule"),
    [
        ([entry(), entry(at=5)], "timeline", "down on a and down on a at 5.0 s: two faults on hop a"),
        ([entry(at=55)], "phases.faults", "heals after the fault phase of 60.0 s"),
        ({"at": 1}, "timeline", "must be a list"),
        ([1], "timeline[0]", "must be a table such as"),
        ([entry(target="")], "timeline[0].target", "must be a text that is not empty"),
        ([entry(at=True)], "timeline[0].at", "must be a duration"),
        ([{**entry(), "for": 0}], "timeline[0].for", "must be above 0"),
        ([entry(fault=["down"])], "timeline[0].fault", "must be one of"),
        ([entry(fault="jitter", rtt_s=0.2, spread_s=0.3)], "timeline[0].spread_s", "at most rtt_s"),
        ([entry(fault="jitter", rtt_s=0.2, spread_s=0.1, to={"rtt_s": 1})], "timeline[0].to", "draws its own course"),
        ([entry(fault="latency", rtt_s=0.2, to={})], "timeline[0].to", "a table of what changes, of rtt_s"),
        ([entry(fault="latency", rtt_s=0.2, to={"rtt_s": 0.2})], "timeline[0].to", "must differ"),
        ([entry(fault="latency", rtt_s=0.2, steps=3)], "timeline[0].to", "must be a table of what changes"),
        ([entry(every=9, times=2)], "timeline[0].every", "it would meet itself"),
        ([entry(every=20, until=9)], "timeline[0].until", "must leave time"),
        ([entry(inject_s=1, heal_s=2)], "timeline[0].at", "no such key"),
    ],
)
def test_a_timeline_that_cannot_be_is_refused(timeline: object, key: str, rule: str) -> None:
    assert rule in refusals({**tomllib.loads(HEAD), "timeline": timeline})[key].rule


KEYS = st.sampled_from(
    ["at", "for", "every", "to", "fault", "target", "rtt_s", "swizzle", "course", "inject_s", "gap", "x"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["1 s", "down", "latency", "", "1 kB"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=50)
@given(st.dictionaries(st.sampled_from(["load", "phases", "shape", "timeline", "budget", "must_observe"]), VALUES))
def test_whatever_stands_there_is_a_scenario_or_is_refused_with_its_place(table: dict[str, Any]) -> None:
    """No other exception: a person's slip must never look like a bug of ours."""
    refused_or_parsed({**tomllib.loads(HEAD), **table})


@settings(deadline=None, max_examples=50)
@given(st.lists(st.dictionaries(KEYS, VALUES, max_size=7), max_size=3))
def test_whatever_an_entry_holds_is_an_entry_or_is_refused_with_its_place(timeline: list[dict[str, Any]]) -> None:
    refused_or_parsed({**tomllib.loads(HEAD), "timeline": timeline})


def refused_or_parsed(table: Mapping[str, Any]) -> None:
    refused: ExceptionGroup[Exception] = ExceptionGroup("nothing", [InputError("f", "k", 1, "none")])
    try:
        parse_profile("p.toml", "p", table)
    except ExceptionGroup as group:
        refused = group
    assert all(isinstance(error, InputError) for error in refused.exceptions)
    assert explain(refused)


@pytest.mark.parametrize(
    ("text", "rule"), [(None, "must be readable"), (b"a = ", "must be TOML"), (b"\xff", "must be TOML")]
)
def test_a_file_that_is_no_toml_is_refused(text: bytes | None, rule: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    if text is not None:
        path.write_bytes(text)
    with pytest.raises(InputError, match=rule):
        load_profile(path)


@pytest.mark.parametrize("path", shipped(), ids=lambda path: path.stem)
def test_every_shipped_profile_can_be_played(path: Path) -> None:
    scenario = load_profile(path)
    assert scenario.name == path.stem
    assert scenario.timeline
    assert scenario.must_observe
    assert scenario.phases.total_s <= 150
    assert str(scenario.profile["source"]).startswith("https://")
    assert {p.fault.target for p in scenario.planned(1)} <= {"api_redis", "api_postgres", "api_auth"}
    assert path.read_text(encoding="utf-8").startswith("#:schema schema.json\n# ")


def test_the_manual_is_right() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", Path("chaos/README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(parsed(example).timeline) == 4


def test_shipped_profiles_expand_to_the_timelines_that_they_always_had() -> None:
    """A seed printed by an old run must bring about the same today."""
    expected = json.loads((GOLDEN / "timelines.json").read_text(encoding="utf-8"))
    profiles = {path.stem: load_profile(path).scaled(0.25).planned(7) for path in shipped()}
    assert {name: [to_json(each) for each in planned] for name, planned in profiles.items()} == expected
