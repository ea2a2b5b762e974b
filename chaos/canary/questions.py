"""What a canary asks: of each protocol, questions that the service itself answers, without a name or a password.

Small ones are answered at once; large ones carry many bytes in one direction
and few in the other, and end with the service closing the connection, so that
all of the answer is there when the stream ends. None changes anything.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from chaos.direction import Stream

_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
_GSS_REQUEST = struct.pack("!ii", 8, 80877104)
_HEAD = b"HEAD /health HTTP/1.1\r\nHost: canary\r\n\r\n"

# PostgreSQL: an SSLRequest, answered by one byte.
SMALL: Mapping[str, bytes] = {
    "http": b"GET /health HTTP/1.1\r\nHost: canary\r\nConnection: close\r\n\r\n",
    "postgres": _SSL_REQUEST,
    "redis": b"PING\r\n",
}

# The first question on a connection that stays, and a later one; PostgreSQL hears each of these two once.
FIRST: Mapping[str, bytes] = {"http": _HEAD, "postgres": _GSS_REQUEST, "redis": b"PING\r\n"}
LATER: Mapping[str, bytes] = {"http": _HEAD, "postgres": _SSL_REQUEST, "redis": b"PING\r\n"}
# What ends the answer to one of these.
END: Mapping[str, bytes] = {"http": b"\r\n\r\n", "postgres": b"", "redis": b"\r\n"}

# The most that one large question carries. PostgreSQL hears out no longer start of a connection; an HTTP service
# does some work for every request; a Redis does little, but nothing else meanwhile.
MOST_BYTES: Mapping[str, Mapping[Stream, int]] = {
    "http": {"upstream": 128 * 1024, "downstream": 1024 * 1024},
    "postgres": {"upstream": 9_000, "downstream": 9_000},
    "redis": {"upstream": 1024 * 1024, "downstream": 256 * 1024},
}
# Each answer costs the service some milliseconds, which must stay well below what its bytes take on a slow link.
MOST_ANSWERS = 16
# Services take less than 16 kB of headers at once, some no more than 8 kB.
_HTTP_PADDING_BYTES = 4096
_REDIS_LINE_BYTES, _REDIS_ANSWER_BYTES = 256, 600
_POSTGRES_NAME_BYTES = 200


@dataclass(frozen=True, slots=True)
class Question:
    """A large question; `whole` tells whether what came until the end of the stream is all of its answer.

    `in_turn`: the answer begins only when all of the question has come.
    """

    ask: bytes
    whole: Callable[[bytes], bool]
    in_turn: bool = False


def large(protocol: str, stream: Stream, size_bytes: int) -> Question:
    """Return a question that carries at least `size_bytes` in one direction, up to the most that can be.

    Of HTTP, only upstream: how much comes back is the service's to say (see `requests`).
    """
    return _LARGE[protocol](stream, min(size_bytes, MOST_BYTES[protocol][stream]))


def requests(number: int, path: str, padding: bytes = b"") -> Question:
    """Return so many HTTP requests for `path`, one after the other, the last of which ends the connection."""
    start = b"GET " + path.encode() + b" HTTP/1.1\r\nHost: canary\r\n" + padding
    return Question((start + b"\r\n") * (number - 1) + start + b"Connection: close\r\n\r\n", _http_whole(number))


def _http(_stream: Stream, size_bytes: int) -> Question:
    number = math.ceil(size_bytes / _HTTP_PADDING_BYTES)
    return requests(number, "/health", b"X-Canary: " + b"a" * math.ceil(size_bytes / number) + b"\r\n")


def _http_whole(number: int) -> Callable[[bytes], bool]:
    def whole(answer: bytes) -> bool:
        head, _, body = answer.rpartition(b"\r\n\r\n")
        # Only what stands before the last blank line: a cut may fall into the next answer's first.
        if len(re.findall(rb"HTTP/1\.\d \d", head)) != number:
            return False
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head[head.rfind(b"HTTP/1.") :])
        return length is None or len(body) == int(length[1])

    return whole


def _redis(stream: Stream, size_bytes: int) -> Question:
    # Lines of blanks are read and ignored.
    line = b" " * (_REDIS_LINE_BYTES - 2) + b"\r\n"
    upstream = line * math.ceil(size_bytes / _REDIS_LINE_BYTES) if stream == "upstream" else b""
    downstream = b"INFO server\r\n" * math.ceil(size_bytes / _REDIS_ANSWER_BYTES) if stream == "downstream" else b""
    return Question(upstream + downstream + b"PING\r\nQUIT\r\n", lambda answer: answer.endswith(b"+OK\r\n"))


def _postgres(stream: Stream, size_bytes: int) -> Question:
    """Start a connection without the user's name: refused, but names of options that are unknown come back first."""
    if stream == "upstream":
        options = b"application_name\0" + b"a" * size_bytes + b"\0"
    else:
        name = b"_pq_." + b"a" * (_POSTGRES_NAME_BYTES - 6)
        options = (name + b"\0\0") * math.ceil(size_bytes / _POSTGRES_NAME_BYTES)
    message = struct.pack("!i", 3 << 16) + options + b"\0"
    return Question(struct.pack("!i", len(message) + 4) + message, _postgres_whole, in_turn=True)


def _postgres_whole(answer: bytes) -> bool:
    """Whether there are only whole messages, and the last is an error's."""
    kind = b""
    while len(answer) >= 5:
        kind, length = answer[:1], int.from_bytes(answer[1:5], "big")
        if length < 4 or len(answer) <= length:
            return False
        answer = answer[1 + length :]
    return not answer and kind == b"E"


_LARGE: Mapping[str, Callable[[Stream, int], Question]] = {"http": _http, "postgres": _postgres, "redis": _redis}
