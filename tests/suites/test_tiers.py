"""Tiers: a row of the table is a scenario's lengths and rate, and rounds of faults that fit into them."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import InputError, explain
from suites.soak.scenarios import soak
from suites.tiers import Tier, read_tier

ROW = """
[soak_6h]
test = "soak/test_short.py"
takes = "6 h"
rate_per_s = 200
faults_s = "5 h"
faults_every_s = "10 min"
"""


def test_a_row_says_how_long_how_hard_and_how_often(tmp_path: Path) -> None:
    file = tmp_path / "tiers.toml"
    file.write_text(ROW, encoding="utf-8")
    tier = read_tier("soak_6h", file)
    assert (tier.phases().faults_s, tier.phases().warm_up_s, tier.rate_per_s) == (18_000.0, 30.0, 200.0)
    rounds_s = tier.rounds_s()
    assert (len(rounds_s), rounds_s[1], rounds_s[-1]) == (30, 600.0, 17_400.0)


@pytest.mark.parametrize(
    ("name", "text", "rule"),
    [
        ("soak_7h", ROW, "--tier = 'soak_7h': must be one of soak_6h"),
        ("soak_6h", ROW.replace('"5 h"', '"soon"'), "soak_6h.faults_s = 'soon': must be a duration"),
        ("soak_6h", f"{ROW}lasts_s = 9\n", "soak_6h.lasts_s"),
    ],
)
def test_what_no_tier_can_be_is_refused(tmp_path: Path, name: str, text: str, rule: str) -> None:
    file = tmp_path / "tiers.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises((InputError, ExceptionGroup)) as refused:
        read_tier(name, file)
    assert rule in explain(refused.value)


def test_the_short_soak_breaks_each_hop_once() -> None:
    planned = soak("soak_short").planned(seed=1)
    assert [(each.fault.target, each.inject_s, each.heal_s) for each in planned] == [
        ("api_postgres", 20.0, 30.0),
        ("api_redis", 45.0, 53.0),
    ]


def test_a_longer_tier_repeats_the_round(monkeypatch: pytest.MonkeyPatch) -> None:
    long = Tier(takes="3 min", rate_per_s=50.0, faults_s=180.0, faults_every_s=90.0)
    monkeypatch.setattr("suites.soak.scenarios.read_tier", lambda _name: long)
    scenario = soak("soak_3min")
    assert (scenario.name, scenario.load.rate_per_s) == ("soak_3min", 50.0)
    assert [each.inject_s for each in scenario.planned(seed=1)] == [20.0, 45.0, 110.0, 135.0]
