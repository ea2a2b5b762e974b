"""Is this run worse than those before it, or than the one that was accepted as normal?

Each figure that says how good a run was is held against the same figure of the
known-good runs of the same key, from ten of them on. Against a named baseline,
one run, the latency is compared window by window with an interval, and the
rest by how much worse it may get at all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.comparison.earlier_runs import BASELINE, TREND, EarlierRuns, Figures
from harness.comparison.figures import as_windows
from harness.stats.degradation import decide_slowdown
from harness.stats.trend import RUNS_MIN, gate
from harness.units import format_bytes, format_s
from harness.verdict import Finding, Measurement, Result, Verdict

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

    def text(self, value: float) -> str:
        """Return a value with its unit."""
        match self.unit:
            case "s":
                return format_s(value)
            case "B":
                return format_bytes(value)
            case "%":
                return f"{value:.2%}"
            case unit:
                return f"{value:.4g}{unit}"


# Any other figure is kept and shown, and not judged. Floors: what is too small to matter in any history.
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
    """What a figure is compared with, and in words where the limit comes from."""

    check: str
    rule: Rule
    limit: float
    note: str

    def finding(self, now: Figures, name: str, *, worse: bool) -> Finding:
        """Return the finding of a figure of this run; a recovery whose end was not observed never passes."""
        verdict = Verdict.FAIL if worse else Verdict.PASS
        observed = self.rule.text(now.figures[name])
        censored = name.startswith(_RECOVERY) and bool(now.figures.get(name.replace(_RECOVERY, _CENSORED, 1), 0.0))
        if censored:
            observed, verdict = f"> {observed}", Verdict.FAIL if worse else Verdict.INCONCLUSIVE
        return Finding.about(
            f"{self.check} {name}",
            check=self.check,
            verdict=verdict,
            where=name,
            observed=observed,
            allowed=("" if self.rule.higher_is_worse else "at least ") + self.rule.text(self.limit),
            notes=[self.note],
            figures={
                "observed": now.figures[name],
                "allowed": self.limit,
                "unit": "fraction" if self.rule.unit == "%" else self.rule.unit,
                "censored": int(censored),
            },
        )


def check_trend(
    now: Figures,
    past: EarlierRuns,
    baseline: Figures | None = None,
    *,
    slowdown_fraction: float,
    slack_s: float = _SLACK_S,
) -> list[Result]:
    """Return what a run's figures are beside earlier runs', and beside a named baseline's where there is one.

    `past` is of the same key, and judges with its known-good runs, from the baseline on. `slowdown_fraction` is how
    much worse than the baseline anything may be. While fewer than ten runs have a figure it is not judged, which is a
    measurement.
    """
    if baseline is None:
        return _beside_past(now, past)
    findings = _beside_baseline(now, baseline, slowdown_fraction, slack_s)
    return [*_beside_past(now, past.since(baseline)), *findings]


def _beside_past(now: Figures, past: EarlierRuns) -> list[Result]:
    names = {name for run in past.known_good for name in run.figures} | now.figures.keys()
    judged = {name: rule for name in sorted(names) if (rule := _rule(name)) is not None and rule.gated}
    earlier = {name: values for name in judged if len(values := past.value(name)) >= RUNS_MIN}
    results: list[Result] = []
    for name, values in earlier.items():
        if name not in now.figures:
            results.append(_undecided(TREND, name, f"not measured, {len(values)} earlier runs have it"))
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
        better = ", significantly better" if seen.better else ""
        note = f"median {rule.text(seen.usual)} of {seen.runs} runs{better}"
        beside = _Beside(TREND, rule, seen.limit, note)
        results.append(beside.finding(now, name, worse=seen.verdict is Verdict.FAIL))
    if waiting := len(judged) - len(earlier):
        runs = len(past.known_good)
        observed = f"not evaluated: {runs} of {RUNS_MIN} comparable passing runs"
        if earlier:
            observed = f"not evaluated for {waiting} figures: fewer than {RUNS_MIN} comparable passing runs have them"
        figures = {"runs": runs, "runs_needed": RUNS_MIN, "waiting": waiting}
        results.append(Measurement(TREND, observed, "history", f"trend {observed}", figures))
    return results or [_undecided(TREND, "history", "neither this run nor an earlier one has a figure")]


def _beside_baseline(now: Figures, baseline: Figures, allowed: float, slack_s: float) -> list[Finding]:
    if differences := now.key.differences(baseline.key):
        return [_undecided(BASELINE, baseline.run_id, f"not comparable: {differences}")]
    findings = [_latency(now, baseline, allowed, slack_s)]
    for name, usual in sorted(baseline.figures.items()):
        rule = _rule(name)
        if rule is None or name.startswith(_LATENCY):
            continue
        if name not in now.figures:
            findings.append(_undecided(BASELINE, name, f"not measured, {rule.text(usual)} in {baseline.run_id}"))
            continue
        sign = 1 if rule.higher_is_worse else -1
        limit = usual + sign * max(allowed * abs(usual), rule.absolute)
        note = f"{rule.text(usual)} in {baseline.run_id}"
        beside = _Beside(BASELINE, rule, limit, note)
        findings.append(beside.finding(now, name, worse=sign * (now.figures[name] - limit) > 0))
    return findings


def _latency(now: Figures, baseline: Figures, allowed: float, slack_s: float) -> Finding:
    windows = as_windows(baseline.windows), as_windows(now.windows)
    seen = decide_slowdown(*windows, allowed=allowed, slack_s=slack_s)
    decided = not math.isnan(seen.change)
    interval = f"95% CI {seen.lower:+.1%} to {seen.upper:+.1%}"
    return Finding.about(
        "baseline p95 outside faults",
        check=BASELINE,
        verdict=seen.verdict,
        where="latency_s_p95",
        observed=f"{seen.change:+.1%} ({interval})" if decided else f"undecided ({seen.reason})",
        allowed=f"+{allowed:.0%}",
        notes=[f"against {baseline.run_id}", seen.reason if decided and seen.verdict is Verdict.INCONCLUSIVE else ""],
        figures={
            "observed": seen.change,
            "lower": seen.lower,
            "upper": seen.upper,
            "allowed": allowed,
            "unit": "fraction",
        },
    )


def _rule(name: str) -> Rule | None:
    return next((rule for rule in _RULES if name.startswith(rule.prefix)), None)


def _undecided(check: str, where: str, reason: str) -> Finding:
    message = f"{check} {where}: undecided ({reason})"
    return Finding(check, Verdict.INCONCLUSIVE, f"undecided ({reason})", "a comparison", where, message)
