"""What a run wrote of its scenario is that scenario: the same schedule, load, budget and demands, bit for bit."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaos.faults.kinds import KINDS
from chaos.faults.links.down import DownFault
from chaos.faults.links.jitter import JitterFault
from chaos.faults.links.latency import LatencyFault
from chaos.profile.entries import Timeline
from chaos.profile.file import load_profile, parse_profile, shipped
from chaos.profile.recorded import SCENARIO_NAME, read_scenario, to_json, write_scenario
from chaos.profile.scenario import Phases, Scenario
from chaos.profile.timeline import At, TimelineEntry, expand
from harness.criteria.aborts import Abort
from harness.criteria.budget import Budget
from harness.criteria.observations import Observation
from harness.errors import InputError
from harness.load.engine.users import Users
from harness.load.load_table import LoadTable
from harness.load.operations.declared import HttpOperation
from harness.load.schedule.arrivals import Ramp, Sine, Spike
from harness.load.schedule.cancels import Cancels
from harness.load.schedule.mix import Mix
from harness.load.settings import LoadSettings
from harness.load.websocket.sockets import Sockets
from harness.tables import Listed, read, validate
from suites.soak.scenarios import REPLIES, SHORT
from tests.chaos.drawn import timelines

GOLDEN = Path(__file__).parent / "golden"
SEEDS = st.integers(0, 2**32 - 1)
SCALES = st.sampled_from([1.0, 0.25, 1 / 3, 2.0])
BUDGET = Budget().override(
    "t",
    {
        "recovery_s": 7,
        "memory_ceiling_bytes": "1 GB",
        "series": {
            "process.*.fds": {"max": 200, "growth_per_h": 10, "wander": 2, "except": ["process.api.fds"]},
            "load.all.response_s_p95": {"max": "1 s", "statistic": "p95", "window_s": "10 s", "bad_windows": 2},
            "runtime.api.tasks": [{"min": 1, "when": "all"}, {"max": 64, "statistic": "mean"}],
        },
    },
)
OBSERVED = read(
    Listed[Observation],
    "t",
    [
        {"outcome": "cancelled", "operation": "cache_*", "min": 20},
        {"event": "service_restarted", "where": {"service": "api"}, "max": 3, "when": "all"},
        {"series": "runtime.api.breaker_redis_opened", "statistic": "increase", "min": 1},
        {"series": "load.*.timed_out", "statistic": "sum", "max": 9, "except": ["load.rpc_echo.timed_out"]},
    ],
)
ABORTS = read(
    Listed[Abort],
    "t",
    [
        {"series": "load.*.timed_out", "statistic": "sum", "max": 100, "windows_in_a_row": 2, "verdict": "FAIL"},
        {"series": "process.*.rss_bytes", "statistic": "max", "max": "1 GB", "except": ["process.api.rss_bytes"]},
        {"series": "load.all.offered", "statistic": "sum_per_s", "min": 1, "window_s": "5 s", "when": "all"},
    ],
)
LOAD = LoadSettings(
    120.0,
    Mix({"rpc_echo": 1.0, "cache_get": 0.5}),
    deadline_s=0.25,
    deadlines_s={"rpc_echo": 1.5},
    poisson=True,
    in_flight_max=77,
    fresh=True,
    cancels=Cancels(0.1, 0.0, 0.2),
    logins=5,
    users=Users(3, Mix({"cache_put": 1.0}), 0.5, 2.0, ("rpc_echo",)),
    sockets=Sockets(2, 1.0, 5.0, 60.0, 0.5),
)
SHAPE = (Ramp(10.0, 50.0, 5.0), Spike(100), Sine(50.0, 20.0, 10.0, 30.0))


def written(scenario: Scenario, seed: int, folder: Path) -> Scenario:
    write_scenario(folder, scenario, scenario.planned(seed))
    return read_scenario(folder)


def full(*timeline: TimelineEntry, faults_s: float = 100.0) -> Scenario:
    phases = Phases(control_s=1.0, faults_s=faults_s)
    return Scenario("full", LOAD, phases, timeline, SHAPE, BUDGET, must_observe=OBSERVED, abort_if=ABORTS)


@settings(deadline=None, max_examples=50)
@given(timelines(), SEEDS)
def test_every_planned_fault_comes_back_from_json_as_it_was(entries: list[TimelineEntry], seed: int) -> None:
    for planned in expand(entries, seed=seed):
        text = json.dumps(to_json(planned), allow_nan=False)
        (again,) = read(Timeline, "f", [json.loads(text)])
        assert dataclasses.replace(again, number=planned.number) == planned


@settings(deadline=None, max_examples=50)
@given(timelines(), SEEDS, SCALES)
def test_the_recorded_schedule_is_played_again_whatever_the_seed(
    entries: list[TimelineEntry], seed: int, time_scale: float
) -> None:
    phases = Phases(faults_s=max((p.heal_s for e in entries for p in e.spans()), default=1.0))
    scaled = Scenario("s", LOAD, phases, tuple(entries)).scaled(time_scale)
    with tempfile.TemporaryDirectory() as folder:
        again = written(scaled, seed, Path(folder))
    assert again.scaled(time_scale).planned(seed + 1) == scaled.planned(seed)
    assert again.scaled(time_scale).phases == scaled.phases


def test_all_of_a_scenario_comes_back(tmp_path: Path) -> None:
    scenario = full(At(1.0, 2.0, DownFault("api_redis"))).scaled(0.5)
    again = written(scenario, 1, tmp_path)
    assert (again.name, again.load, again.phases, again.shape) == (
        scenario.name,
        scenario.load,
        scenario.phases,
        scenario.shape,
    )
    assert (again.budget, again.must_observe, again.time_scale) == (BUDGET, OBSERVED, 0.5)
    assert again.abort_if == ABORTS
    assert written(again, 2, tmp_path) == again


@pytest.mark.parametrize("scenario", [SHORT, REPLIES, *map(load_profile, shipped())], ids=lambda one: one.name)
def test_every_scenario_there_is_can_be_recorded(scenario: Scenario, tmp_path: Path) -> None:
    again = written(scenario, 7, tmp_path)
    assert again.planned(8) == scenario.planned(7)
    same = ("name", "load", "phases", "budget", "must_observe", "abort_if", "shape")
    assert {name: getattr(again, name) for name in same} == {name: getattr(scenario, name) for name in same}


def test_a_profiles_own_budget_stays_above_a_targets(tmp_path: Path) -> None:
    table: dict[str, Any] = {"source": "x", "fidelity": {"mechanism": "a", "magnitude": "b", "topology": "c"}}
    scenario = parse_profile("p.toml", "p", {**table, "budget": {"recovery_s": "3 s"}})
    for one in (scenario, written(scenario, 1, tmp_path)):
        changed = one.overridden(
            "t.toml", load=LoadTable(), operations={}, budget=Budget(recovery_s=99.0, latency_s_p95=2.0)
        )
        assert (changed.budget.recovery_s, changed.budget.latency_s_p95) == (3.0, 2.0)
    assert written(scenario, 1, tmp_path).profile["source"] == "x"


def test_a_fault_that_draws_its_own_course_draws_no_other(tmp_path: Path) -> None:
    scenario = full(At(0.0, 3.0, JitterFault("api_redis", 0.2, 0.1)), At(5.0, 0.4, JitterFault("api_auth", 0.2, 0.1)))
    one, short = scenario.planned(1)
    assert one.course
    assert not short.course
    assert written(scenario, 1, tmp_path).planned(99) == [one, short]


def test_what_a_target_file_adds_is_not_written(tmp_path: Path) -> None:
    secret = {"path": "/x", "headers": {"Authorization": "Bearer letmein"}}
    scenario = full().overridden(
        "t.toml", load=LoadTable(), operations={"own": validate(HttpOperation, secret)}, budget=Budget()
    )
    write_scenario(tmp_path, scenario, [])
    assert "letmein" not in (tmp_path / SCENARIO_NAME).read_text()


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (None, "must be readable"),
        ("[", "must be what a run wrote: JSONDecodeError"),
        ("[]", "must be what a run wrote: TypeError"),
        ('{"name": "x"}', "must be what a run wrote: KeyError"),
    ],
)
def test_a_file_that_no_run_wrote_is_refused(text: str | None, rule: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / SCENARIO_NAME).write_text(text)
    with pytest.raises(InputError, match=rule):
        read_scenario(tmp_path)


def test_every_broken_rule_of_a_recorded_scenario_is_told(tmp_path: Path) -> None:
    write_scenario(tmp_path, full(At(1.0, 2.0, LatencyFault("api_redis", 0.2))), [])
    path = tmp_path / SCENARIO_NAME
    document = json.loads(path.read_text())
    document["profile"]["timeline"] = [{"inject_s": 1, "heal_s": 2, "fault": "latency", "target": "a", "rtt_s": 0}]
    document["profile"]["phases"]["hold"] = "soon"
    path.write_text(json.dumps(document))
    with pytest.raises(ExceptionGroup) as refused:
        read_scenario(tmp_path)
    keys = [error.key for error in refused.value.exceptions if isinstance(error, InputError)]
    assert keys == ["phases.hold", "timeline[0].rtt_s"]


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ({"inject_s": 1, "fault": "down", "target": "a"}, "timeline[0].heal_s"),
        ({"inject_s": 1, "heal_s": 2, "fault": "up", "target": "a"}, "timeline[0].fault"),
        ({"inject_s": 1, "heal_s": 2, "fault": "down", "target": "a", "course": [{"at_s": 1}]}, "timeline[0].course"),
        ({"inject_s": 1, "heal_s": 2, "fault": "down", "target": "a", "rtt_s": 1}, "timeline[0].rtt_s"),
        ({"inject_s": 2, "heal_s": 1, "fault": "down", "target": "a"}, "timeline[0].heal_s"),
    ],
)
def test_a_planned_fault_that_no_run_wrote_is_refused(table: dict[str, object], key: str) -> None:
    with pytest.raises(ExceptionGroup) as refused:
        read(Timeline, "f", [table], where="timeline")
    assert key in [error.key for error in refused.value.exceptions if isinstance(error, InputError)]


def test_the_scenario_of_a_run_from_before_the_models_is_read_as_it_was_written(tmp_path: Path) -> None:
    """The file has every kind of fault, and every form of budget, observation and abort."""
    old = json.loads((GOLDEN / SCENARIO_NAME).read_text(encoding="utf-8"))
    scenario = read_scenario(GOLDEN)
    assert {each["fault"] for each in old["profile"]["timeline"]} == set(KINDS)
    assert [to_json(each) for each in scenario.planned(99)] == old["profile"]["timeline"]
    same = (scenario.load, scenario.shape, scenario.budget, scenario.must_observe, scenario.abort_if)
    assert same == (LOAD, tuple(each.stretched(0.5) for each in SHAPE), BUDGET, OBSERVED, ABORTS)
    assert (scenario.name, scenario.time_scale, scenario.phases.faults_s) == ("full", 0.5, 31.0)
    write_scenario(tmp_path, scenario, scenario.planned(1))
    assert read_scenario(tmp_path) == dataclasses.replace(scenario, profile=read_scenario(tmp_path).profile)
