import contextlib
import os
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.named import check_named_url, endpoint_of, listening_process, redacted, through
from infra.stack import Endpoint

GOOD = [
    ("postgres", "postgresql://u:p@127.0.0.1:5433/db?x=1", "127.0.0.1:5433"),
    ("postgres", "postgres://localhost/db", "127.0.0.1:5432"),
    ("redis", "redis://127.0.0.2", "127.0.0.2:6379"),
    ("api", "http://localhost:8080/", "127.0.0.1:8080"),
    ("auth", "http://127.0.0.1", "127.0.0.1:80"),
]
BAD = [
    ("toxiproxy", "http://127.0.0.1:8474", "cannot be named"),
    ("postgres", "mysql://127.0.0.1:3306", "must be postgresql://"),
    ("postgres", "postgresql://10.0.0.1:5432/db", "this machine's own"),
    ("redis", "redis://redis.example:6379", "this machine's own"),
    ("redis", "redis://127.0.0.1.example:6379", "this machine's own"),
    ("redis", "redis://[::1]:6379", "this machine's own"),
    ("redis", "redis://:6379", "must be redis://"),
    ("api", "http://127.0.0.1:99999", "must be http://"),
    ("api", "http://127.0.0.1:0", "must be http://"),
    ("api", "https://127.0.0.1:8443", "must be http://"),
    ("api", "http://127.0.0.1:8080/v1", "no path"),
    ("api", "", "must be http://"),
]


@pytest.mark.parametrize(("service", "url", "endpoint"), GOOD)
def test_an_address_on_this_machine_is_accepted(service: str, url: str, endpoint: str) -> None:
    check_named_url(service, url)
    assert str(endpoint_of(url)) == endpoint


@pytest.mark.parametrize(("service", "url", "rule"), BAD)
def test_anything_else_is_refused_with_its_rule(service: str, url: str, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        check_named_url(service, url)


@given(st.text(), st.sampled_from(["postgres", "redis", "auth", "api"]))
def test_whatever_is_accepted_points_at_the_loopback(url: str, service: str) -> None:
    with contextlib.suppress(ValueError):
        check_named_url(service, url)
        assert endpoint_of(url).host.startswith("127.")


@given(st.text(alphabet="abc:/@.127", min_size=12))
def test_a_refusal_never_quotes_the_url(url: str) -> None:
    with pytest.raises(ValueError, match="must be") as caught:
        check_named_url("postgres", url)
    assert url not in str(caught.value)


words = st.text(alphabet="abcXYZ019-_.~%", min_size=1)


@given(st.one_of(st.none(), st.tuples(words, words)), words, st.integers(1, 65535))
def test_a_proxy_takes_the_place_of_the_address_alone(account: tuple[str, str] | None, path: str, port: int) -> None:
    at = f"{account[0]}:{account[1]}@" if account else ""
    proxy = Endpoint("127.0.0.1", port)
    assert through(f"postgresql://{at}localhost:5432/{path}?a=b", proxy) == f"postgresql://{at}{proxy}/{path}?a=b"


def test_a_password_is_never_shown() -> None:
    assert redacted("postgresql://me:s3cret@127.0.0.1:5432/db?password=s3cret") == "postgresql://me@127.0.0.1:5432/db"
    assert redacted("redis://:s3cret@localhost") == "redis://localhost"
    assert redacted("http://x:s3cret@[bad") == "(not a URL)"


def test_who_listens_is_found_and_nobody_is_nobody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        here = Endpoint("127.0.0.1", server.getsockname()[1])
        found = listening_process("api", here)
        assert found is not None
        assert (found.service, found.pid) == ("api", os.getpid())
    assert listening_process("api", here) is None
