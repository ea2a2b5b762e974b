"""HTTP operations that a target file writes down, without code: what is asked, and what a good reply looks like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from harness.errors import InputError
from harness.load.call import Call
from harness.load.clients.clients import Clients
from harness.load.clients.http import HttpReply
from harness.load.operations.template import Template, fill_document, parse_document, parse_template
from harness.records import Outcome

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_KEYS = ("method", "path", "headers", "json", "status", "reply", "key", "answer")
# What a path may hold unescaped (RFC 3986), so that a filled hole never changes its shape.
_SAFE = "/?&=:@!$'()*+,;~%-._"
_NOTHING = object()


@dataclass(frozen=True, slots=True)
class HttpOperation:
    """One request to the api, and its reply's check.

    `statuses` are good (empty: any 2xx); `reply` is path to the value that must
    stand there; `key` is what the request is about, and `answer` the path where a
    reply that is no error says what it is about. A path is names, and places in
    arrays, joined by dots.
    """

    method: str
    path: Template
    headers: Mapping[str, Template] = field(default_factory=dict, repr=False)
    document: Any = field(default=None, repr=False)
    statuses: frozenset[int] = frozenset()
    reply: Mapping[str, Any] = field(default_factory=dict)
    key: Template | None = None
    answer: str = ""

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


def parse_operations(source: str, table: Mapping[str, object]) -> dict[str, HttpOperation]:
    """Return a target file's `[operations.NAME]` tables; `source` names the file in errors.

    Raises an ExceptionGroup of an InputError for each rule broken.
    """
    errors: list[InputError] = []
    operations: dict[str, HttpOperation] = {}
    for name, section in table.items():
        where = f"operations.{name}"
        if not name.isidentifier():
            errors.append(InputError(source, where, name, "a name is of letters, digits and _"))
        elif not isinstance(section, dict):
            errors.append(InputError(source, where, section, f"must be a table: [{where}]"))
        else:
            try:
                operations[name] = _operation(source, where, section)
            except ExceptionGroup as group:
                errors += [error for error in group.exceptions if isinstance(error, InputError)]
    if errors:
        raise ExceptionGroup(f"{source}: [operations] breaks {len(errors)} rule(s)", errors)
    return operations


def _operation(source: str, where: str, section: Mapping[str, Any]) -> HttpOperation:
    fields: dict[str, Any] = {"method": "GET"}
    parsers = {
        "method": ("method", _method),
        "path": ("path", _path),
        "headers": ("headers", _headers),
        "json": ("document", parse_document),
        "status": ("statuses", _statuses),
        "reply": ("reply", _reply),
        "key": ("key", _text),
        "answer": ("answer", _plain),
    }
    errors: list[InputError] = []
    for key, value in section.items():
        if key not in parsers:
            errors.append(InputError(source, f"{where}.{key}", value, f"no such key; one of {', '.join(_KEYS)}"))
            continue
        name, parse = parsers[key]
        try:
            fields[name] = parse(value)
        except ValueError as error:
            errors.append(InputError(source, f"{where}.{key}", value, str(error)))
    if "path" not in section:
        errors.append(InputError(source, f"{where}.path", None, "must be given, such as /orders/{number}"))
    if "answer" in section and "key" not in section:
        errors.append(InputError(source, f"{where}.answer", section["answer"], "needs a key to be compared with"))
    if errors:
        raise ExceptionGroup(where, errors)
    return HttpOperation(**fields)


def _method(value: object) -> str:
    if value not in _METHODS:
        raise ValueError(f"must be one of {', '.join(_METHODS)}")
    return str(value)


def _path(value: object) -> Template:
    if not isinstance(value, str) or not value.startswith("/"):
        raise ValueError("must be a text that begins with /")
    return parse_template(value)


def _plain(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("must be a text that is not empty")
    return value


def _text(value: object) -> Template:
    return parse_template(_plain(value))


def _headers(value: object) -> dict[str, Template]:
    if not isinstance(value, dict):
        raise ValueError("must be a table of texts")  # noqa: TRY004 - a rule broken in a file, not a bug
    for name in value:
        if not name.isascii() or not name.replace("-", "").isalnum():
            raise ValueError(f"{name!r} is no header's name")
        if name.lower() in {"host", "content-length", "transfer-encoding", "connection"}:
            raise ValueError(f"{name} is the client's own to say")
    for inner in value.values():
        if not isinstance(inner, str) or not inner.isascii() or any(ord(character) < 32 for character in inner):
            raise ValueError(f"{inner!r} is no header's value: printable ASCII")
    return {name: _text(inner) for name, inner in value.items()}


def _statuses(value: object) -> frozenset[int]:
    wanted = value if isinstance(value, list) else [value]
    if not wanted or not all(type(status) is int and 200 <= status <= 599 for status in wanted):
        raise ValueError("must be a status from 200 to 599, or a list of them")
    return frozenset(wanted)


def _reply(value: object) -> dict[str, Any]:
    if not isinstance(value, dict) or not value:
        raise ValueError('must be a table of path = value, such as {"order.id" = "{number}"}')
    return {path: parse_document(inner) for path, inner in value.items()}


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
