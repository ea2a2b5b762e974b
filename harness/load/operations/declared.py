"""HTTP operations that a target file writes down, without code: what is asked, and what a good reply looks like."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import AfterValidator, Field

from harness.load.call import Call
from harness.load.clients.clients import Clients
from harness.load.clients.http import HttpReply
from harness.load.operations.template import Template, fill_document, parse_document, parse_template
from harness.records import Outcome
from harness.tables import Broken, ByHand, Listed, Table, marked_schema, rule, validate

# What a path may hold unescaped (RFC 3986), so that a filled hole never changes its shape.
_SAFE = "/?&=:@!$'()*+,;~%-._"
# Set by the client for each request.
_OWN_HEADERS = frozenset({"host", "content-length", "transfer-encoding", "connection"})
_NOTHING = object()


def _operation_name(value: str) -> str:
    if not value.isidentifier():
        raise rule("must be a name of letters, digits and _")
    return value


def _path(value: object) -> Template:
    if not isinstance(value, str) or not value.startswith("/"):
        raise rule("must be a text that begins with /")
    return parse_template(value)


def _text(value: object) -> Template:
    if not isinstance(value, str) or not value:
        raise rule("must be a text that is not empty")
    return parse_template(value)


def _header_name(value: str) -> str:
    if not value.isascii() or not value.replace("-", "").isalnum():
        raise rule("must be a name of ASCII letters, digits and -")
    if value.lower() in _OWN_HEADERS:
        raise rule("must not be given: the client sets it for each request")
    return value


def _fits_header(value: str) -> bool:
    return value.isascii() and all(ord(character) >= 32 for character in value)


def _header(value: object) -> Template:
    if not isinstance(value, str) or not _fits_header(value):
        raise rule("must be a text of printable ASCII")
    return _text(value)


def _statuses(value: object) -> frozenset[int]:
    if value == []:
        raise rule("must have at least one status")
    if isinstance(value, list):
        return frozenset(validate(_Statuses, value))
    return frozenset({validate(_Status, value)})


def _reply(value: dict[str, Any]) -> dict[str, Any]:
    if not value:
        raise rule('must have at least one path = value, such as {"order.id" = "{number}"}')
    return value


def _text_schema() -> dict[str, Any]:
    return {"type": "string"}


def _status_schema() -> dict[str, Any]:
    one = marked_schema(_Status)
    return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]}


_Document = Annotated[Any, ByHand(parse_document, dict)]
_HeaderName = Annotated[str, AfterValidator(_header_name)]
_Header = Annotated[Template, ByHand(_header, _text_schema)]
_Status: Any = Annotated[int, Field(strict=True, ge=200, le=599)]
_Statuses: Any = Listed[_Status]


class HttpOperation(Table):
    """One request to the api, and the check of its reply. A path is names, and places in arrays, joined by dots."""

    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] = "GET"
    """Method of the request."""
    path: Annotated[Template, ByHand(_path, _text_schema)]
    """Path of the request, from `/` on."""
    headers: Mapping[_HeaderName, _Header] = Field({}, repr=False)
    """Headers besides the client's own."""
    document: _Document = Field(None, alias="json", repr=False)
    """JSON document that is sent."""
    statuses: Annotated[frozenset[int], ByHand(_statuses, _status_schema)] = Field(frozenset(), alias="status")
    """The good status, or a list of such; otherwise any 2xx."""
    reply: Annotated[dict[str, _Document], AfterValidator(_reply)] = Field({})
    """Path in the JSON reply = the value that must be there."""
    key: Annotated[Template, ByHand(_text, _text_schema)] | None = None
    """What the request is about."""
    answer: Annotated[str, Field(min_length=1)] = Field("")
    """Path in the reply to what it is about, which must be the key; not read from a reply of status 400 or more."""

    def check(self) -> Iterator[Broken]:
        """Yield what is wrong between the keys."""
        if self.answer and self.key is None:
            yield "answer", "needs a key to be compared with"
        if self.key is not None and not all(_fits_header(literal) for literal, _, _ in self.key.pieces):
            for name, header in self.headers.items():
                if any(hole == "key" for _, hole, _ in header.pieces):
                    yield ("headers", name), "must not have {key}, for the key is no printable ASCII"

    async def __call__(self, clients: Clients, call: Call) -> Outcome:
        """Send it once and judge the reply."""
        run = clients.run
        if self.key is not None:
            call.key = self.key.text(run, call)
        reply = await clients.api.send(
            call,
            self.method,
            quote(self.path.text(run, call), safe=_SAFE),
            document=None if self.document is None else fill_document(self.document, run, call),
            headers={name: value.text(run, call) for name, value in self.headers.items()},
            json_reply=bool(self.reply or self.answer),
        )
        if not reply.status:
            return reply.outcome
        good = reply.status in self.statuses if self.statuses else reply.outcome in {Outcome.OK, Outcome.WRONG_REPLY}
        if not good:
            bad = Outcome.BAD_STATUS if reply.outcome in {Outcome.OK, Outcome.WRONG_REPLY} else reply.outcome
            return call.fail(bad, f"status {reply.status}")
        call.error = ""
        return self._judge(reply, run, call)

    def _judge(self, reply: HttpReply, run: str, call: Call) -> Outcome:
        for path, wanted in self.reply.items():
            if _at(reply.document, path) != fill_document(wanted, run, call):
                return call.fail(Outcome.WRONG_REPLY, f"{path} is not what it should be")
        # An error that was expected, such as a miss, is an answer about nothing.
        if self.answer and reply.status < 400:
            found = _at(reply.document, self.answer)
            call.answer = "" if found is _NOTHING or found is None else str(found)
            if call.answer != call.key:
                return call.fail(Outcome.WRONG_REPLY, f"{self.answer} is not the key")
        return Outcome.OK


def _at(document: Any, path: str) -> Any:
    """Return what stands at a path of a document."""
    found = document
    for step in path.split("."):
        if isinstance(found, dict) and step in found:
            found = found[step]
        elif isinstance(found, list) and step.isdecimal() and int(step) < len(found):
            found = found[int(step)]
        else:
            return _NOTHING
    return found


# `[operations]`: a table for each name.
DeclaredOperations = Mapping[Annotated[str, AfterValidator(_operation_name)], HttpOperation]
