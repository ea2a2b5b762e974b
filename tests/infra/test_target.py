import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InputError
from harness.root import ROOT
from infra.stack import SERVICES
from infra.target import load_target, parse_target

REFERENCE = ROOT / "infra" / "targets" / "reference.toml"


def broken(text: str) -> list[str]:
    with pytest.raises(ExceptionGroup) as caught:
        parse_target("t.toml", tomllib.loads(text))
    assert all(isinstance(error, InputError) for error in caught.value.exceptions)
    return [str(error) for error in caught.value.exceptions]


def test_the_default_starts_everything_and_needs_it() -> None:
    target = load_target(REFERENCE)
    assert target.name == "reference"
    assert target.required == frozenset(SERVICES)
    assert (target.named, target.load, target.budget) == ({}, {}, {})


def test_every_example_in_the_default_is_one_that_works(tmp_path: Path) -> None:
    lines = REFERENCE.read_text().splitlines()
    examples = [line.removeprefix("# ") if " = " in line and line.startswith("# ") else line for line in lines]
    (tmp_path / "all.toml").write_text("\n".join(examples))
    target = load_target(tmp_path / "all.toml")
    assert set(target.named) == {"postgres", "redis", "auth", "api"}
    assert (target.metrics, target.gauges) == ({"api": "/metrics"}, {"api": ("jobs_waiting",)})
    assert target.ready == "/ready"
    assert target.load
    assert target.budget
    assert target.allow == {"db.staging.example", "10.1.2.3"}


def test_a_named_service_may_be_on_a_host_that_the_target_allows() -> None:
    service = '[services.postgres]\nurl = "postgresql://me:s3cret@db.staging.example/x"'
    target = parse_target("t.toml", tomllib.loads(f'name = "x"\n[allow]\nhosts = ["db.staging.example"]\n{service}'))
    assert target.allow == {"db.staging.example"}
    assert target.named == {"postgres": "postgresql://me:s3cret@db.staging.example/x"}
    [error] = broken(f'name = "x"\n[allow]\nhosts = ["staging.example"]\n{service}')
    assert error.startswith("t.toml: services.postgres.url = 'postgresql://me@db.staging.example/x': ")
    assert error.endswith("or one of allow.hosts")


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ('hosts = "db.example"', "t.toml: allow.hosts = 'db.example': must be a list of texts"),
        ("hosts = [1]", "t.toml: allow.hosts = [1]: must be a list of texts"),
        ('hosts = ["*.example"]', "t.toml: allow.hosts = '*.example': must be one host"),
        ('hosts = ["0.0.0.0"]', "t.toml: allow.hosts = '0.0.0.0': must be one host"),
        ('host = ["db.example"]', "t.toml: allow.host = ['db.example']: no such key; one of hosts"),
    ],
)
def test_what_is_allowed_is_spelt_out(text: str, start: str) -> None:
    [error] = broken(f'name = "x"\n[allow]\n{text}')
    assert error.startswith(start)


@pytest.mark.parametrize(
    ("service", "key", "value", "rule"),
    [
        ("api", "metrics", "metrics", "must be the path of a Prometheus page"),
        ("api", "metrics", 7, "must be the path of a Prometheus page"),
        ("redis", "metrics", "/metrics", "of one of auth, api"),
        ("api", "ready", "ready", "must be the path of a page that tells readiness"),
        ("auth", "ready", "/ready", "of one of api"),
        ("api", "gauges", "jobs", "must be a list of names of metrics"),
        ("api", "gauges", ["no name"], "must be a list of names of metrics"),
        ("postgres", "gauges", ["jobs"], "of one of auth, api"),
    ],
)
def test_metrics_are_a_path_and_names_of_a_service_that_has_them(
    service: str, key: str, value: object, rule: str
) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        parse_target("t.toml", {"name": "mine", "services": {service: {key: value}}})
    (error,) = caught.value.exceptions
    assert f"t.toml: services.{service}.{key} = {value!r}: " in str(error)
    assert rule in str(error)


def test_a_target_says_what_it_says() -> None:
    target = parse_target(
        "t.toml",
        {
            "name": " mine ",
            "services": {"auth": {"required": True}, "redis": {"url": "redis://localhost:6379"}},
            "load": {"rate_per_s": 7},
            "budget": {"recovery_s": "3 s"},
        },
    )
    assert target.name == "mine"
    assert target.required == frozenset(SERVICES)
    assert target.named == {"redis": "redis://localhost:6379"}
    assert (target.load, target.budget) == ({"rate_per_s": 7}, {"recovery_s": "3 s"})


def test_everything_wrong_is_said_at_once_each_with_file_key_value_and_rule() -> None:
    errors = broken(
        """
        name = ""
        nmae = "x"
        load = 3
        [services.kafka]
        [services.postgres]
        required = false
        url = "postgresql://me:s3cret@db.example:5432/x"
        [services.redis]
        required = "yes"
        uri = "redis://localhost"
        [services.toxiproxy]
        url = "http://localhost:8474"
        """
    )
    starts = [
        "t.toml: nmae = 'x': no such key; one of name, allow, services, hops, load, operations, budget",
        "t.toml: name = '': must be a text that is not empty",
        "t.toml: services.kafka = {}: no such key; one of postgres, redis, toxiproxy, auth, api",
        "t.toml: services.postgres.required = False: must be true: only auth can be done without",
        "t.toml: services.postgres.url = 'postgresql://me@db.example:5432/x': must be postgresql://HOST:PORT with HOST",
        "t.toml: services.redis.uri = 'redis://localhost': no such key; one of required, url, measured",
        "t.toml: services.redis.required = 'yes': must be true or false",
        "t.toml: services.toxiproxy.url = 'http://localhost:8474': cannot be named",
        "t.toml: load = 3: must be a table: [load]",
    ]
    assert len(errors) == len(starts)
    for error, start in zip(errors, starts, strict=True):
        assert error.startswith(start)
    assert "s3cret" not in "".join(errors)


def test_a_named_api_comes_with_its_database() -> None:
    errors = broken('name = "x"\n[services.api]\nurl = "http://127.0.0.1:8080"')
    assert "needs services.postgres.url" in errors[0]


def test_a_named_api_is_told_where_it_must_call() -> None:
    named = (
        '[services.api]\nurl = "http://127.0.0.1:8080"\n[services.postgres]\nurl = "postgresql://127.0.0.1:5432/x"\n'
    )
    errors = broken(f'name = "x"\n{named}[hops]\napi_postgres = 15432')
    assert [error.split(" = ")[0] for error in errors] == ["t.toml: hops.api_auth", "t.toml: hops.api_redis"]
    assert all("point it there" in error for error in errors)
    hops = "[hops]\napi_postgres = 15432\napi_redis = 15433\napi_auth = 15434"
    target = parse_target("t.toml", tomllib.loads(f'name = "x"\n{named}{hops}'))
    assert target.hops == {"api_postgres": 15432, "api_redis": 15433, "api_auth": 15434}


@pytest.mark.parametrize("port", ["80", "40000", "true", '"15432"'])
def test_a_hop_needs_a_port_of_its_own_below_the_ephemeral_ones(port: str) -> None:
    [error] = broken(f'name = "x"\n[hops]\napi_redis = {port}')
    assert "must be a port from 1024 to 32767" in error


@pytest.mark.parametrize(
    ("text", "rule"), [(None, "No such file"), ("name = ", "must be TOML: Invalid value"), (b"\xff", "must be TOML")]
)
def test_a_file_that_cannot_be_read_is_said_so(tmp_path: Path, text: str | bytes | None, rule: str) -> None:
    path = tmp_path / "t.toml"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=rule):
        load_target(path)


scalars = st.one_of(st.text(), st.booleans(), st.integers(), st.floats())
keys = st.one_of(
    st.sampled_from(["name", "allow", "hosts", "services", "load", "budget", "required", "url", *SERVICES]), st.text()
)
tables = st.recursive(scalars, lambda inner: st.dictionaries(keys, inner, max_size=4), max_leaves=12)


@given(st.dictionaries(keys, tables, max_size=5))
def test_any_table_is_a_target_or_a_list_of_what_is_wrong(table: dict[str, object]) -> None:
    errors: tuple[Exception, ...] = ()
    try:
        target = parse_target("t.toml", table)
        assert target.name
        assert target.required >= frozenset(SERVICES) - {"auth"}
    except ExceptionGroup as group:
        errors = group.exceptions
    assert all(isinstance(error, InputError) for error in errors)


def test_only_a_named_service_may_be_left_unmeasured() -> None:
    url = 'url = "redis://127.0.0.1:6379/0"'
    assert parse_target(
        "t.toml", tomllib.loads(f'name = "x"\n[services.redis]\n{url}\nmeasured = false')
    ).unmeasured == {"redis"}
    [error] = broken('name = "x"\n[services.redis]\nmeasured = false')
    assert error.startswith(
        "t.toml: services.redis.measured = False: must be true or false, and false only beside a url"
    )
