"""What of a user's value a message may show: one short line, and never a secret.

A value is hidden when any part of its key looks like the name of a secret, or
of something that may carry one (a URL has a password in it). A message that
hides too much costs a look into the file; one that shows too much cannot be
taken back from a log.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

HIDDEN = "<hidden>"
# In place of a rule that would give its value away.
UNTOLD = "breaks a rule that is not shown, for it quotes the value"
# No value: the key is not there.
ABSENT = object()
_SECRET = re.compile(r"pass|secret|token|key|auth|dsn|url|header", re.IGNORECASE)
_USERINFO = re.compile(r"(?<=//)[^/\s]*@")
# User and password before the last @ of an address.
_ACCOUNT = re.compile(r"[^:@/?]+(?=.*@)")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_VALUE_MAX, _KEY_MAX = 80, 60


def is_secret(key: str) -> bool:
    """Return whether a value under this key is never shown; `key` is a whole path, and any part of it decides."""
    return bool(_SECRET.search(key))


def show_value(value: object) -> str:
    """Return a value that is no secret on one line, as TOML has it: long ones cut, tables and what is in them left out.

    A password within a URL is hidden under any key.
    """
    if isinstance(value, str):
        shown = value if value == HIDDEN else repr(_USERINFO.sub(f"{HIDDEN}@", value))
    elif isinstance(value, bool):
        shown = str(value).lower()
    elif isinstance(value, int) and abs(value) >= 10**_VALUE_MAX:
        # More digits than Python turns into a text.
        shown = "<a very large number>"
    elif value is None or isinstance(value, int | float):
        shown = repr(value)
    elif isinstance(value, list | tuple) and not any(isinstance(each, Mapping | list | tuple) for each in value):
        shown = f"[{', '.join(map(show_value, value))}]"
    else:
        shown = "<a table>" if isinstance(value, Mapping) else f"<a {type(value).__name__}>"
    return _cut(shown, _VALUE_MAX)


def show_key(*parts: object) -> str:
    """Return a path into tables and lists as TOML writes it: `load.stages[2].rate_per_s`, `series."process.fds"`."""
    path = ""
    for part in parts:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += f".{_quoted(str(part))}" if path else _quoted(str(part))
    return path


def quotes(text: str, value: object, *, in_words: bool = False) -> bool:
    """Return whether a text gives a value away: a whole text or number in it, the account of a URL, or even a word.

    Ask for words where the text is not one of ours, and so may quote any part of the value.
    """
    return any(
        re.search(rf"(?<!\w){re.escape(part)}(?!\w)" if len(part) < 4 else re.escape(part), text, re.IGNORECASE)
        for part in _parts(value, in_words=in_words)
    )


def _parts(value: object, *, in_words: bool) -> Iterator[str]:
    match value:
        case Mapping():
            for key, inner in value.items():
                yield from _parts(key, in_words=in_words)
                yield from _parts(inner, in_words=in_words)
        case list() | tuple() | set() | frozenset():
            for inner in value:
                yield from _parts(inner, in_words=in_words)
        case str():
            scheme, _, rest = value.rpartition("://")
            yield from filter(None, [value.strip()])
            yield from re.findall(r"\w+", rest) if in_words else _ACCOUNT.findall(rest if scheme else "")
        case int() | float() if not isinstance(value, bool) and in_words:
            yield str(value)
        case _:
            return


def _quoted(part: str) -> str:
    part = _cut(part, _KEY_MAX)
    if _BARE_KEY.fullmatch(part):
        return part
    return '"' + repr(part)[1:-1].replace('"', '\\"') + '"'


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 20]}...{text[-12:]}"
