"""Faults of every kind and timelines of every form, for tests that must hold for all of them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from chaos.faults.fault import Drawn, Fault
from chaos.faults.kinds import KINDS
from chaos.profile.swizzle import Swizzle
from chaos.profile.timeline import At, Entry, Every, Ramp, is_adjustable

FRACTIONS = st.sampled_from([0.01, 0.25, 1 / 3, 0.999])
SHORT_S = st.integers(2, 900).map(lambda n: n / 1000)
DIRECTIONS = st.sampled_from(["upstream", "downstream", "both"])
WAYS = st.sampled_from(["both", "upstream", "downstream"])
# Parameters that a fault can have, whatever its target.
PARAMETERS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "latency": {"rtt_s": SHORT_S},
    "jitter": {"rtt_s": st.sampled_from([0.5, 0.7]), "spread_s": st.sampled_from([0.1, 1 / 3])},
    "bandwidth": {"bytes_per_s": st.integers(1, 100).map(lambda n: n * 1000.0), "direction": DIRECTIONS},
    "slow_close": {"delay_s": SHORT_S, "direction": DIRECTIONS},
    "slicer": {"size_bytes": st.integers(1, 1000), "delay_s": SHORT_S},
    "limit_data": {"limit_bytes": st.integers(1, 10**6)},
    "blackhole_established": {"direction": DIRECTIONS},
    "half_open": {"silence_s": st.sampled_from([1.0, 30.0])},
    "partition": {"direction": WAYS},
    "packet_loss": {"fraction": FRACTIONS, "direction": WAYS},
    "reorder": {"fraction": FRACTIONS, "delay_s": SHORT_S},
    "corruption": {"fraction": FRACTIONS},
    "terminate": {"grace_s": st.sampled_from([0.5, 10.0])},
    "restart": {"grace_s": st.sampled_from([0.5, 10.0])},
    "squeeze": {"cpu_cores": st.sampled_from([0.1, 0.5, 1 / 3]), "memory_bytes": st.sampled_from([2.0**27, 2.0**30])},
    "flush_cache": {"fraction": FRACTIONS},
    "fill_disk": {"leave_bytes": st.sampled_from([2**26, 2**28])},
    "exhaust_connections": {"leave": st.integers(0, 10)},
}


@st.composite
def faults(draw: st.DrawFn, kinds: tuple[str, ...] = tuple(KINDS)) -> Fault:
    """Draw a fault of any kind."""
    kind = draw(st.sampled_from(kinds))
    values = {name: draw(values) for name, values in PARAMETERS.get(kind, {}).items()}
    fault: Fault = KINDS[kind](target="redis", **values)
    return fault


RAMPED = tuple(kind for kind, made in KINDS.items() if is_adjustable(made) and not issubclass(made, Drawn))


@st.composite
def timelines(draw: st.DrawFn) -> list[Entry]:
    """Draw entries of every form, one after another in time."""
    entries: list[Entry] = []
    begins_s = 0.0
    for form in draw(st.lists(st.sampled_from(["once", "repeated", "ramped", "swizzled"]), min_size=1, max_size=4)):
        at_s, for_s = begins_s + draw(st.integers(0, 50)) / 10, draw(st.integers(5, 90)) / 10
        fault = draw(faults())
        begins_s = at_s + for_s
        match form:
            case "repeated":
                spread_s, times = draw(st.sampled_from([0.0, 0.5])), draw(st.integers(1, 4))
                entries.append(Every(at_s, for_s + spread_s, for_s, fault, times=times, spread_s=spread_s))
                begins_s = at_s + (for_s + spread_s) * times
            case "ramped":
                one, other = draw(faults(RAMPED)), draw(faults(RAMPED))
                if (one.kind, one.claims) == (other.kind, other.claims) and one != other and _numbers_only(one, other):
                    entries.append(Ramp(at_s, for_s, one, other, steps=draw(st.integers(2, 6))))
            case "swizzled":
                entries.append(Swizzle(at_s, for_s, ("api_redis", "api_auth"), gap_s=for_s / 4))
            case _:
                entries.append(At(at_s, for_s, fault))
        begins_s += 1.0
    return entries


def _numbers_only(one: Any, other: Any) -> bool:
    return getattr(one, "direction", "") == getattr(other, "direction", "")
