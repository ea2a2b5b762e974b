"""Is this run worse than those before it, or than the one that was accepted as normal?

Each figure that says how good a run was is held against the same figure of the
known-good runs of the same key, from ten of them on. Against a named baseline,
one run, the latency is compared window by window with an interval, and the
rest by how much worse it may get at all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.comparison.figures import as_windows
from harness.comparison.past import BASELINE, TREND, Figures, Past
from harness.stats.degradation import decide_slowdown
from harness.stats.trend import RUNS_MIN, gate
from harness.units import format_bytes, format_s
from harness.verdict import Finding, Verdict

# What a shared machine adds to a latency for reasons of its own.
_SLACK_S = 0.05
_LATENCY, _RECOVERY, _CENSORED = "latency_s_", "recovery_s.", "recovery_censored."


@dataclass(frozen=True, slots=True)
class Rule:
    """How a figure is judged, by how its name begins.

    It is worse when it is higher, but for `higher_is_worse` False. It is not worse that differs by less than the
    fraction `relative` of the usual, or by less than `absolute`, in the figure's own unit. Those that are not `gated`
    are held against a baseline alone: with every gate more, all must be wider.
    """

    prefix: str
    relative: float
    absolute: float
    unit: str
    higher_is_worse: bool = True
    gated: bool = True

    def told(self, value: float) -> str:
        """Return a value with its unit."""
        match self.unit:
            case "s":
                return format_s(value)
            case "B":
                return format_bytes(value)
            case "%":
                return f"{value:.2%}"
            case unit:
                return f"{value:.4g} {unit}".strip()


# Any other figure is kept and shown, and not judged. Floors: what nobody is concerned about, whatever the history.
_RULES = (
    Rule("latency_s_p95", 0.10, 0.005, "s"),
    Rule(_LATENCY, 0.10, 0.005, "s", gated=False),
    Rule("throughput_per_s", 0.05, 0.0, "/s", higher_is_worse=False),
    Rule("error_fraction", 0.0, 0.001, "%"),
    Rule(_RECOVERY, 0.10, 2.0, "s"),
    Rule("cpu_s_per_request.", 0.10, 0.0001, "s", gated=False),
    Rule("cpu_s_per_request", 0.10, 0.0001, "s"),
    Rule("memory_bytes.", 0.10, 5e6, "B", gated=False),
    Rule("memory_bytes", 0.10, 5e6, "B"),
)


@dataclass(frozen=True, slots=True)
class _Beside:
    """What a figure is held against, and in words whence the limit comes."""

    check: str
    rule: Rule
    limit: float
    note: str

    def finding(self, now: Figures, name: str, *, worse: bool) -> Finding:
        """Return the finding of a figure of this run; a recovery whose end was not seen never passes."""
        verdict, sign = (Verdict.FAIL, "beyond") if worse else (Verdict.PASS, "within")
        observed, allowed = self.rule.told(now.figures[name]), self.rule.told(self.limit)
        if name.startswith(_RECOVERY) and now.figures.get(name.replace(_RECOVERY, _CENSORED, 1), 0.0):
            observed, verdict = f"> {observed}", Verdict.FAIL if worse else Verdict.INCONCLUSIVE
        message = f"{self.check}: {name} {observed}, {sign} {allowed} ({self.note})"
        return Finding(self.check, verdict, observed, allowed, name, message)


def check_trend(
    now: Figures, past: Past, baseline: Figures | None = None, *, slowdown_fraction: float, slack_s: float = _SLACK_S
) -> list[Finding]:
    """Return what a run's figures are beside earlier runs', and beside a named baseline's where there is one.

    `past` is of the same key, and judges with its known-good runs, from the baseline on. `slowdown_fraction` is how
    much worse than the baseline anything may be. While a figure has fewer than ten runs behind it nothing is decided,
    which a finding says, and which is no reason to doubt the run itself.
    """
    if baseline is None:
        return _beside_past(now, past)
    findings = _beside_baseline(now, baseline, slowdown_fraction, slack_s)
    return [*_beside_past(now, past.since(baseline)), *findings]


def _beside_past(now: Figures, past: Past) -> list[Finding]:
    names = {name for run in past.known_good for name in run.figures} | now.figures.keys()
    judged = {name: rule for name in sorted(names) if (rule := _rule(name)) is not None and rule.gated}
    earlier = {name: values for name in judged if len(values := past.value(name)) >= RUNS_MIN}
    findings, waiting = [], len(judged) - len(earlier)
    for name, values in earlier.items():
        if name not in now.figures:
            findings.append(_undecided(TREND, name, f"{name} is missing, {len(values)} runs before have it"))
            continue
        rule = judged[name]
        seen = gate(
            values,
            now.figures[name],
            higher_is_worse=rule.higher_is_worse,
            relative=rule.relative,
            absolute=rule.absolute,
            gates=len(earlier),
        )
        better = ", better than any noise" if seen.better else ""
        note = f"usual {rule.told(seen.usual)} in {seen.runs} runs{better}"
        beside = _Beside(TREND, rule, seen.limit, note)
        findings.append(beside.finding(now, name, worse=seen.verdict is Verdict.FAIL))
    if waiting:
        observed, allowed = f"{len(past.known_good)} runs", f"{RUNS_MIN} runs"
        told = f"trend: {waiting} figures are not judged before {allowed} of this key passed: {observed} did"
        findings.append(Finding(TREND, Verdict.PASS, observed, allowed, "history", told))
    return findings or [_undecided(TREND, "history", "neither this run nor one before has a figure")]


def _beside_baseline(now: Figures, baseline: Figures, allowed: float, slack_s: float) -> list[Finding]:
    if differences := now.key.differences(baseline.key):
        return [_undecided(BASELINE, baseline.run_id, f"{baseline.run_id} is of another key: {differences}")]
    findings = [_latency(now, baseline, allowed, slack_s)]
    for name, usual in sorted(baseline.figures.items()):
        rule = _rule(name)
        if rule is None or name.startswith(_LATENCY):
            continue
        if name not in now.figures:
            findings.append(_undecided(BASELINE, name, f"{name} is missing, in {baseline.run_id} {rule.told(usual)}"))
            continue
        sign = 1 if rule.higher_is_worse else -1
        limit = usual + sign * max(allowed * abs(usual), rule.absolute)
        note = f"{rule.told(usual)} in {baseline.run_id}"
        beside = _Beside(BASELINE, rule, limit, note)
        findings.append(beside.finding(now, name, worse=sign * (now.figures[name] - limit) > 0))
    return findings


def _latency(now: Figures, baseline: Figures, allowed: float, slack_s: float) -> Finding:
    windows = as_windows(baseline.windows), as_windows(now.windows)
    seen = decide_slowdown(*windows, allowed=allowed, slack_s=slack_s)
    limit = f"+{allowed:.0%}"
    observed = f"{seen.change:+.1%} ({seen.lower:+.1%} to {seen.upper:+.1%})"
    if math.isnan(seen.change):
        observed = seen.reason
    message = f"baseline: p95 of the calm {observed} beside {baseline.run_id}, allowed {limit}: {seen.reason}"
    return Finding(BASELINE, seen.verdict, observed, limit, "latency_s_p95", message)


def _rule(name: str) -> Rule | None:
    return next((rule for rule in _RULES if name.startswith(rule.prefix)), None)


def _undecided(check: str, where: str, told: str) -> Finding:
    return Finding(check, Verdict.INCONCLUSIVE, told, "something to compare", where, f"{check}: {told}")
