"""Server-sent events: the bytes of a stream to its events.

After the HTML standard's section on interpreting an event stream; retry fields
are read over, since nothing here reconnects a stream.
"""

from __future__ import annotations

from typing import NamedTuple

_BOM = "\ufeff"


class ServerEvent(NamedTuple):
    """One event; `id` is the last one that the stream gave, empty before the first."""

    id: str
    event: str
    data: str


def parse_events(body: bytes) -> list[ServerEvent]:
    """Return the whole events of a stream: one that it breaks off is none, one without data is passed over.

    Bytes that are no UTF-8 become replacement characters.
    """
    text = body.decode("utf-8", "replace").removeprefix(_BOM).replace("\r\n", "\n").replace("\r", "\n")
    events: list[ServerEvent] = []
    identity = kind = ""
    data: list[str] = []
    # What follows the last line's end is no line yet.
    for line in text.split("\n")[:-1]:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data:
                events.append(ServerEvent(identity, kind or "message", "\n".join(data)))
            kind, data = "", []
        elif name == "data":
            data.append(value)
        elif name == "event":
            kind = value
        elif name == "id" and "\0" not in value:
            identity = value
    return events
