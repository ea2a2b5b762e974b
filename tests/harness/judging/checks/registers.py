"""Registers for the checks' tests: some that work, and a search for an order that explains what clients saw."""

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import strategies as st

from harness.records import UNVERSIONED, Outcome, Sample

RUN = "run-7"
# What a client waits for before it gives up: nothing says when, or whether, the system did the rest.
GIVEN_UP_S = 5.0


def wrote(version: int, sent_s: float, done_s: float, *, key: str = "k", ok: bool = True) -> Sample:
    outcome = Outcome.OK if ok else Outcome.TIMED_OUT
    return Sample("cache_put", outcome, sent_s, sent_s, done_s, key, wrote=version, writer=RUN)


def read(version: int, sent_s: float, done_s: float, *, key: str = "k", writer: str = RUN) -> Sample:
    return Sample("cache_get", Outcome.OK, sent_s, sent_s, done_s, key, key, read=version, writer=writer)


def fits(history: Sequence[Sample]) -> bool:
    """Whether one order of effects explains a small history of one key (Wing and Gong 1993: by trying them all)."""

    def goes_on(left: frozenset[int], current: int) -> bool:
        if all(history[n].outcome is not Outcome.OK for n in left):
            return True
        soonest_s = min(history[n].done_s for n in left if history[n].outcome is Outcome.OK)
        for n in left:
            one = history[n]
            if one.sent_s > soonest_s or (one.read not in {UNVERSIONED, current}):
                continue
            if goes_on(left - {n}, current if one.wrote == UNVERSIONED else one.wrote):
                return True
        return False

    return goes_on(frozenset(range(len(history))), UNVERSIONED)


@st.composite
def working(draw: st.DrawFn, *, keys: int = 3, most: int = 30) -> list[Sample]:
    """Draw what clients saw of registers that work, in the order in which their requests ended.

    Each request takes effect at a moment of its own between its sending and its end; a write that was given up at
    some moment after its sending, or never. Now and then a register forgets.
    """
    current: dict[str, int] = {}
    history = []
    spans = st.floats(0.01, 8.0)
    for n in range(draw(st.integers(0, most))):
        key, at_s = f"key-{draw(st.integers(1, keys))}", 10.0 + n
        sent_s, done_s = at_s - draw(spans), at_s + draw(spans)
        match draw(st.sampled_from(["write", "read", "read", "lost", "undone", "flush"])):
            case "write":
                current[key] = n
                history.append(wrote(n, sent_s, done_s, key=key))
            case "lost":
                current[key] = n
                history.append(wrote(n, sent_s, sent_s + GIVEN_UP_S, key=key, ok=False))
            case "undone":
                history.append(wrote(n, sent_s, sent_s + GIVEN_UP_S, key=key, ok=False))
            case "flush":
                current.clear()
            case _ if key in current:
                history.append(read(current[key], sent_s, done_s, key=key))
            case _:
                history.append(replace(read(UNVERSIONED, sent_s, done_s, key=key), answer="", writer=""))
    return sorted(history, key=lambda sample: sample.done_s)
