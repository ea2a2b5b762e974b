"""The measured JSON-RPC 2.0 client: single calls and batches over one HTTP client, each reply checked to be its own.

A reply with another id, or with neither or both of result and error, is no
reply to this call, with any content. Specification: jsonrpc.org/specification.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from harness.load.call import Call
from harness.load.clients.http import HttpClient
from harness.records import Mark, Outcome

VERSION = "2.0"
_DOCUMENT_CHARACTERS = 80


class RpcReply(NamedTuple):
    """How a call ended: OK with its `result`, BAD_STATUS with the error object's `code`, or the transport's outcome."""

    outcome: Outcome
    result: Any = None
    code: int = 0


class JsonRpc:
    """Calls through `http`, posted to `path`."""

    def __init__(self, http: HttpClient, path: str = "/rpc") -> None:
        self._http = http
        self._path = path

    async def single(self, call: Call, method: str, params: object) -> RpcReply:
        """Make one call, whose id is the call's number."""
        reply = await self._http.send(call, "POST", self._path, document=_request(call.number, method, params))
        if reply.outcome is not Outcome.OK:
            return RpcReply(reply.outcome)
        return _read(call, call.number, reply.document)

    async def batch(self, call: Call, calls: Sequence[tuple[str, object]]) -> tuple[Outcome, list[RpcReply]]:
        """Make several calls (method, params) in one request; return its outcome and each reply, in the calls' order.

        OK only when there is exactly one reply for each id; the replies' own outcomes may differ.
        """
        document = [_request(n, method, params) for n, (method, params) in enumerate(calls)]
        reply = await self._http.send(call, "POST", self._path, document=document)
        if reply.outcome is not Outcome.OK:
            return reply.outcome, []
        replies = reply.document
        if not isinstance(replies, list) or not all(isinstance(one, dict) for one in replies):
            return call.fail(Outcome.WRONG_REPLY, "no batch of replies"), []
        # A boolean would be taken for 0 or 1.
        by_id = {one["id"]: one for one in replies if type(one.get("id")) is int and 0 <= one["id"] < len(calls)}
        if second := len(replies) - len(by_id):
            call.mark(Mark.SECOND_REPLY, second)
        if missing := len(calls) - len(by_id):
            call.mark(Mark.NO_REPLY, missing)
        if second or missing:
            return call.fail(Outcome.WRONG_REPLY, "not one reply to each call"), []
        read = [_read(call, n, by_id[n]) for n in range(len(calls))]
        if any(one.outcome is Outcome.WRONG_REPLY for one in read):
            return Outcome.WRONG_REPLY, read
        return Outcome.OK, read


def _request(identity: int, method: str, params: object) -> dict[str, object]:
    return {"jsonrpc": VERSION, "id": identity, "method": method, "params": params}


def _read(call: Call, identity: int, document: Any) -> RpcReply:
    if not isinstance(document, dict) or document.get("jsonrpc") != VERSION or document.get("id") != identity:
        call.answer = str(document)[:_DOCUMENT_CHARACTERS]
        return RpcReply(call.fail(Outcome.WRONG_REPLY, "another call's reply"))
    error = document.get("error")
    if ("result" in document) == ("error" in document):
        return RpcReply(call.fail(Outcome.WRONG_REPLY, "neither or both of result and error"))
    if "result" in document:
        return RpcReply(Outcome.OK, document["result"])
    code = error.get("code") if isinstance(error, dict) else None
    if not isinstance(code, int):
        return RpcReply(call.fail(Outcome.WRONG_REPLY, "an error without a code"))
    return RpcReply(call.fail(Outcome.BAD_STATUS, f"rpc error {code}"), None, code)
