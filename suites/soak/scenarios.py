"""The soak suite's scenarios, as values."""

from __future__ import annotations

from chaos.faults import DownFault, LatencyFault
from chaos.profile import At, Phases, Scenario
from harness.criteria import Budget
from harness.load import LoadSettings, Mix, Sockets

# Two to three minutes. The first fault leaves 20 s of calm to compare with, the
# second comes when the first one's recovery can be judged, and enough requests
# pass outside both to decide about memory.
SHORT = Scenario(
    name="soak_short",
    load=LoadSettings(200.0, Mix({"rpc_echo": 0.3, "ledger_write": 0.2, "cache_put": 0.2, "cache_get": 0.3})),
    phases=Phases(steady_s=10.0, warm_up_s=30.0, faults_s=60.0, hold_s=30.0, drain_s=10.0),
    timeline=(
        At(20.0, 10.0, LatencyFault("api_postgres", rtt_s=0.2)),
        At(45.0, 8.0, DownFault("api_redis")),
    ),
)

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
    # So few requests see no smaller leak; the short soak does.
    budget=Budget(memory_growth_bytes_per_request=8192.0),
)
