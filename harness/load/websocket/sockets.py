"""WebSocket users beside the arrivals: how many, and what each does with its connection."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from harness.load.bounds import Crowd, Interval
from harness.load.clients.clients import Addresses
from harness.load.engine.session import Session
from harness.load.websocket.opening import Address
from harness.load.websocket.subscriber import Subscriber
from harness.load.websocket.subscription import Subscription
from harness.tables import table

_PATH = "/ws"
# The calls that every one of them makes.
OPENING = frozenset({"ws_connect", "ws_subscribe"})


@table
@dataclass(frozen=True, slots=True)
class Sockets:
    """WebSocket users, each subscribed to a channel of its own."""

    count: Crowd
    """Number of connections."""
    over_s: Interval = 0.0
    """Time from the first connection to the last."""
    heartbeat_s: Interval = 10.0
    """Time between the pings of a connection; 0: no pings."""
    rotate_s: Interval = 0.0
    """Time after which a user moves to a new connection; 0: never."""
    publish_every_s: Interval = 0.0
    """Time between the messages that a user publishes to its channel; 0: no messages."""

    def sessions(
        self, addresses: Addresses, *, run: str, seed: int, deadline_s: float, shard: int, of: int
    ) -> Iterator[tuple[float, Session[Any]]]:
        """Yield each user of one share of `of` as a session, with the time it begins; each shows its own token."""
        parts = urlsplit(addresses.api)
        scheme = "wss" if parts.scheme == "https" else "ws"
        url = f"{scheme}://{parts.netloc}{parts.path.rstrip('/')}{_PATH}"
        for user in range(shard, self.count, of):
            token = addresses.token_of(user)
            subscription = Subscription(
                address=Address(url=url, headers={"Authorization": f"Bearer {token}"} if token else {}),
                deadline_s=deadline_s,
                heartbeat_s=self.heartbeat_s,
                rotate_s=self.rotate_s,
                publish_every_s=self.publish_every_s,
                seed=seed,
            )
            begin_s = self.over_s * user / self.count
            yield begin_s, Subscriber(subscription, f"{run}-{user}", user=user)
