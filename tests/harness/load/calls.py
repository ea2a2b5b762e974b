"""Calls that ended, as an engine leaves them, made by hand or drawn."""

from hypothesis import strategies as st

from harness.load.call import Call
from harness.records import Mark, Outcome


def ended(
    operation: str = "read",
    outcome: Outcome = Outcome.OK,
    *,
    intended_s: float = 1.0,
    lag_s: float = 0.0,
    took_s: float = 0.0,
    connect_s: float = 0.0,
    acquire_s: float = 0.0,
    key: str = "",
    error: str = "",
    marks: tuple[tuple[Mark, int], ...] = (),
) -> Call:
    """Return a call that left `lag_s` late and took `took_s` from then on, connecting and acquiring included."""
    call = Call(operation, 0, intended_ns=round(intended_s * 1e9))
    call.sent_ns = call.intended_ns + round(lag_s * 1e9)
    call.done_ns = call.sent_ns + round(took_s * 1e9)
    call.connect_ns, call.acquire_ns = round(connect_s * 1e9), round(acquire_s * 1e9)
    call.outcome, call.key, call.error, call.marks = outcome, key, error, marks
    return call


calls = st.builds(
    lambda operation, outcome, lag_s, waits_s, service_s, key, error, marks: ended(
        operation, outcome, lag_s=lag_s, took_s=sum(waits_s) + service_s,
        connect_s=waits_s[0], acquire_s=waits_s[1], key=key, error=error, marks=marks,
    ),
    *(st.sampled_from(["read", "write"]), st.sampled_from(Outcome), st.floats(0, 2)),
    *(st.tuples(st.sampled_from([0.0, 0.25]), st.sampled_from([0.0, 0.5])), st.floats(0, 400)),
    *(st.sampled_from(["", "k"]), st.sampled_from(["", "lost", "status 500"])),
    st.sampled_from([(), ((Mark.DUPLICATE, 1),)]),
)  # fmt: skip
