"""Was every request done once, however often it was sent? Effects counted for each idempotency key.

A client that lost a reply retries under the same key. A service that takes that
for new work does it twice, and an entry that is unique by its key does not show
it: so each effect is a row of its own, which a final read can count.
"""

from __future__ import annotations

from harness.history.ledger_read import LedgerRead
from harness.verdict import Finding, Verdict

CHECK = "effects"


def check_effects(found: LedgerRead | None, *, repeated: int) -> list[Finding]:
    """Return one finding from the final read (None without one); `repeated` is how many keys were sent again.

    INCONCLUSIVE where there is nothing to count: no final read, no table of effects, not one effect in it.
    """
    effects = None if found is None else found.effects
    figures: dict[str, float | str] = {"retried": repeated}
    verdict = Verdict.INCONCLUSIVE
    if found is None:
        observed = "undecided (no final read)"
    elif effects is None:
        observed = "undecided (the database has no table of effects)"
    elif not effects.total and not effects.doubled:
        observed = "undecided (0 effects)"
    else:
        figures |= {"observed": effects.doubled.count, "allowed": 0, "effects": effects.total, "keys": len(found.keys)}
        counts = f"{effects.total} effects for {len(found.keys)} keys"
        observed = f"{effects.doubled.count} duplicated of {counts} ({repeated} retried)"
        verdict = Verdict.FAIL if effects.doubled else Verdict.PASS
    return [
        Finding.about(
            "effects",
            check=CHECK,
            verdict=verdict,
            where="ledger",
            observed=observed,
            allowed="1 effect a key",
            notes=[str(effects.doubled)] if effects else [],
            figures=figures,
        )
    ]
