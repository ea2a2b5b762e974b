"""The soak suite's scenarios, as values."""

from __future__ import annotations

from chaos.faults import DownFault, LatencyFault
from chaos.profile import At, Phases, Scenario
from harness.criteria import Budget
from harness.load import LoadSettings, Mix, Sockets
from suites.tiers import read_tier


def soak(tier: str) -> Scenario:
    """Return the soak of a tier: a steady load, and rounds of PostgreSQL 200 ms further away and then Redis gone."""
    row = read_tier(tier)
    mix = Mix({"rpc_echo": 0.3, "ledger_write": 0.2, "cache_put": 0.2, "cache_get": 0.3})
    far, gone = LatencyFault("api_postgres", rtt_s=0.2), DownFault("api_redis")
    rounds = [(At(at_s + 20.0, 10.0, far), At(at_s + 45.0, 8.0, gone)) for at_s in row.rounds_s()]
    timeline = tuple(entry for each in rounds for entry in each)
    return Scenario(name=tier, load=LoadSettings(row.rate_per_s, mix), phases=row.phases(), timeline=timeline)


SHORT = soak("soak_short")

# One minute of everything whose replies can be wrong in a way that no status shows: values with versions, batches and
# streams, repeated writes, and subscribers that lose their broker on the way.
REPLIES = Scenario(
    name="soak_replies",
    load=LoadSettings(
        150.0,
        Mix(
            {"rpc_batch": 0.1, "rpc_stream": 0.05, "ledger_write": 0.1, "ledger_retry": 0.1}
            | {"cache_put": 0.25, "cache_get": 0.4}
        ),
        sockets=Sockets(20, over_s=3.0, publish_every_s=0.5),
    ),
    phases=Phases(steady_s=5.0, warm_up_s=10.0, faults_s=30.0, hold_s=20.0, drain_s=10.0),
    timeline=(At(15.0, 4.0, DownFault("api_redis")),),
    # So few requests show no smaller leak; the short soak's do.
    budget=Budget(memory_growth_bytes_per_request=8192.0),
)
