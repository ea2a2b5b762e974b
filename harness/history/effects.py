"""Was every request done once, however often it was sent? Effects counted for each idempotency key.

A client that lost a reply asks again under the same key. Whoever takes that
for new work does it twice, and an entry that is unique by its key does not
show it: so each effect is a row of its own, which a final read can count.
"""

from __future__ import annotations

from harness.history.ledger_read import LedgerRead
from harness.verdict import Finding, Verdict

CHECK = "effects"
_ALLOWED = "1 effect a key"


def check_effects(found: LedgerRead | None, *, repeated: int) -> list[Finding]:
    """Return one finding from the final read (None if it never came); `repeated` is how many keys were sent again.

    INCONCLUSIVE where there is nothing to count: no final read, no table of effects, not one effect in it.
    """
    effects = None if found is None else found.effects
    if found is None:
        verdict, observed = Verdict.INCONCLUSIVE, "the final read never came"
    elif effects is None:
        verdict, observed = Verdict.INCONCLUSIVE, "the database has no table of effects to count"
    elif effects.doubled:
        verdict = Verdict.FAIL
        observed = f"{effects.doubled.count} of {len(found.keys)} keys had more than one effect: {effects.doubled}"
    elif not effects.total:
        verdict, observed = Verdict.INCONCLUSIVE, "nothing had an effect"
    else:
        again = f"{repeated} of them" if repeated else "none of them"
        verdict, observed = Verdict.PASS, f"{effects.total} effects, none twice; {again} were asked for again"
    return [Finding(CHECK, verdict, observed, _ALLOWED, "ledger", f"effects: {observed}")]
