import contextlib
import os
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.named import check_allowed_host, check_named_url, endpoint_of, listening_process, through
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
    # asyncpg reads the host from the first @, others from the last.
    ("postgres", "postgresql://u:p@db.example,x@127.0.0.1/db", "written %40"),
    ("postgres", "postgresql://127.0.0.1/db?host=db.example", "no other address"),
    ("postgres", "postgresql://127.0.0.1/db?ho%73t=db.example", "no other address"),
    ("postgres", "postgresql://127.0.0.1/db?service=live", "no other address"),
    ("redis", "redis://127.0.0.1?port=1", "no other address"),
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


@pytest.mark.parametrize(
    ("url", "accepted"),
    [
        ("postgresql://u:p@db.staging.example:5432/db", True),
        ("postgresql://DB.Staging.Example/db", True),
        ("postgresql://10.1.2.3/db", True),
        ("postgresql://127.0.0.1/db", True),
        ("postgresql://staging.example/db", False),
        ("postgresql://a.db.staging.example/db", False),
        ("postgresql://db.staging.example./db", False),
        ("postgresql://10.1.2.4/db", False),
    ],
)
def test_a_host_that_is_allowed_is_accepted_and_none_like_it(url: str, *, accepted: bool) -> None:
    allow = frozenset({"db.staging.example", "10.1.2.3"})
    with contextlib.nullcontext() if accepted else pytest.raises(ValueError, match=r"allow\.hosts"):
        check_named_url("postgres", url, allow)


@pytest.mark.parametrize("host", ["db", "db.staging.example", "10.1.2.3", "a-b.c_d.example", "xn--bcher-kva.example"])
def test_one_host_spelt_out_may_be_allowed(host: str) -> None:
    check_allowed_host(host)


@pytest.mark.parametrize(
    "host",
    [
        *("", ".", "*", "*.example", "?.example", "example.", ".example", "a..b", "Db.example", "db.example:5432"),
        *("postgresql://db.example", "db.example/", "u@db.example", "10.0.0.0/8", "10.0.0", "127.1", "1", "010.0.0.1"),
        *("0.0.0.0", "255.255.255.255", "224.0.0.1", "0x7f.1", "0x7f000001", "::1", "-a.example", "a b"),  # noqa: S104 - text
        *("a" * 64, ".".join(["a" * 50] * 6), "b\u00fccher.example", "db.example\n", "\u0661"),
    ],
)
def test_what_is_not_one_host_or_could_be_many_may_not(host: str) -> None:
    with pytest.raises(ValueError, match="must be one host"):
        check_allowed_host(host)


@given(st.text(alphabet="ab1.-*/:@%[]"), st.text(alphabet="ab1.-*/:@%[]?"))
def test_nothing_but_the_very_host_is_accepted(host: str, written: str) -> None:
    with contextlib.suppress(ValueError):
        check_allowed_host(host)
        check_named_url("redis", f"redis://{written}", {host})
        assert endpoint_of(f"redis://{written}").host in {host, "127.0.0.1"}


words = st.text(alphabet="abcXYZ019-_.~%", min_size=1)


@given(st.one_of(st.none(), st.tuples(words, words)), words, st.integers(1, 65535))
def test_a_proxy_takes_the_place_of_the_address_alone(account: tuple[str, str] | None, path: str, port: int) -> None:
    at = f"{account[0]}:{account[1]}@" if account else ""
    proxy = Endpoint("127.0.0.1", port)
    assert through(f"postgresql://{at}localhost:5432/{path}?a=b", proxy) == f"postgresql://{at}{proxy}/{path}?a=b"


def test_who_listens_is_found_and_nobody_is_nobody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        here = Endpoint("127.0.0.1", server.getsockname()[1])
        found = listening_process("api", here)
        assert found is not None
        assert (found.service, found.process.pid) == ("api", os.getpid())
        # Whoever listens at the same port here is not who listens there.
        assert listening_process("api", Endpoint("10.1.2.3", here.port)) is None
    assert listening_process("api", here) is None
