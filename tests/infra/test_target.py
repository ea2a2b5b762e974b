import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.criteria import Budget
from harness.errors import InputError
from harness.load import LoadTable
from harness.root import ROOT
from harness.shown import HIDDEN
from harness.tables import read
from infra.stack import SERVICES
from infra.target import Target, load_target

REFERENCE = ROOT / "infra" / "targets" / "reference.toml"


def parse(text: str) -> Target:
    return read(Target, "t.toml", tomllib.loads(text))


def broken(text: str) -> list[str]:
    with pytest.raises(ExceptionGroup) as caught:
        parse(text)
    assert all(isinstance(error, InputError) for error in caught.value.exceptions)
    return [str(error) for error in caught.value.exceptions]


def test_the_default_starts_everything_and_needs_it() -> None:
    target = load_target(REFERENCE)
    assert target.name == "reference"
    assert target.required == frozenset(SERVICES)
    assert (target.named, target.load, target.budget) == ({}, LoadTable(), Budget())


def test_every_example_in_the_default_is_one_that_works(tmp_path: Path) -> None:
    lines = REFERENCE.read_text().splitlines()
    examples = [line.removeprefix("# ") if re.match(r"# (.* = |\[[\w.]+\]$)", line) else line for line in lines]
    (tmp_path / "all.toml").write_text("\n".join(examples))
    target = load_target(tmp_path / "all.toml")
    assert set(target.named) == {"postgres", "redis", "auth", "api"}
    assert (target.metrics, target.gauges) == ({"api": "/metrics"}, {"api": ("jobs_waiting",)})
    assert target.ready == "/ready"
    assert target.load != LoadTable()
    assert set(target.operations) == {"home"}
    assert target.budget.over(Budget(recovery_s=1.0)).recovery_s == 10.0
    assert target.allow.hosts == ("db.staging.example", "10.1.2.3")


def test_a_named_service_may_be_on_a_host_that_the_target_allows() -> None:
    service = '[services.postgres]\nurl = "postgresql://me:s3cret@db.staging.example/x"'
    target = parse(f'name = "x"\n[allow]\nhosts = ["db.staging.example"]\n{service}')
    assert target.allow.hosts == ("db.staging.example",)
    assert target.named == {"postgres": "postgresql://me:s3cret@db.staging.example/x"}
    [error] = broken(f'name = "x"\n[allow]\nhosts = ["staging.example"]\n{service}')
    assert error.startswith(f"t.toml: services.postgres.url = {HIDDEN}: ")
    assert error.endswith("or one of allow.hosts")


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ('hosts = "db.example"', f"t.toml: allow.hosts = {HIDDEN}: "),
        ("hosts = [1]", "t.toml: allow.hosts[0] = 1: "),
        ('hosts = ["db.example", "*.example"]', "t.toml: allow.hosts[1] = '*.example': must be one host"),
        ('hosts = ["0.0.0.0"]', "t.toml: allow.hosts[0] = '0.0.0.0': must be one host"),
        ('host = ["db.example"]', f"t.toml: allow.host = {HIDDEN}: no such key; did you mean hosts?"),
    ],
)
def test_what_is_allowed_is_written_out(text: str, start: str) -> None:
    [error] = broken(f'name = "x"\n[allow]\n{text}')
    assert error.startswith(start)


@pytest.mark.parametrize(
    ("service", "key", "value", "shown"),
    [
        ("api", "metrics", "metrics", "'metrics'"),
        ("api", "metrics", 7, "7"),
        ("redis", "metrics", "/metrics", HIDDEN),
        ("api", "ready", "ready", "'ready'"),
        ("auth", "ready", "/ready", HIDDEN),
        ("api", "gauges", "jobs", HIDDEN),
        ("api", "gauges[0]", ["no name"], "'no name'"),
        ("postgres", "gauges", ["jobs"], HIDDEN),
        ("redis", "url", ["redis://:s3cret@127.0.0.1"], HIDDEN),
        ("redis", "password", "s3cret", HIDDEN),
        ("toxiproxy", "url", "http://localhost:8474", HIDDEN),
    ],
)
def test_what_breaks_a_rule_of_a_service_is_reported_at_its_key(
    service: str, key: str, value: object, shown: str
) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        read(Target, "t.toml", {"name": "mine", "services": {service: {key.partition("[")[0]: value}}})
    (error,) = caught.value.exceptions
    assert str(error).startswith(f"t.toml: services.{service}.{key} = {shown}: ")


def test_a_target_is_what_its_file_has() -> None:
    target = parse(
        """
        name = " mine "
        services = { auth = { required = true }, redis = { url = "redis://localhost:6379" } }
        load = { rate_per_s = 7 }
        operations = { home = { path = "/" } }
        budget = { recovery_s = "3 s" }
        """
    )
    assert target.name == "mine"
    assert target.required == frozenset(SERVICES)
    assert target.named == {"redis": "redis://localhost:6379"}
    assert (target.load.rate_per_s, list(target.operations), target.budget.recovery_s) == (7.0, ["home"], 3.0)
    assert parse('name = "x"').required == frozenset(SERVICES) - {"auth"}


def test_everything_wrong_is_reported_at_once_each_with_file_key_value_and_rule() -> None:
    errors = broken(
        """
        name = ""
        nmae = "x"
        load = 3
        operations = { home = { path = "x" } }
        budget = { recovery_s = "soon", recovry_s = 1 }
        [services.kafka]
        [services.postgres]
        required = false
        url = "postgresql://me:s3cret@db.example:5432/x"
        [services.redis]
        required = "yes"
        uri = "redis://:s3cret@localhost"
        [services.api]
        url = "http://localhost:8080/v1"
        [hops]
        api_redis = 80
        api_kafka = 15432
        """
    )
    keys = {
        "name": "''",
        "nmae": HIDDEN,
        "load": "3",
        "operations.home.path": "'x'",
        "budget.recovery_s": "'soon'",
        "budget.recovry_s": HIDDEN,
        "services.kafka": HIDDEN,
        "services.postgres.required": "false",
        "services.postgres.url": HIDDEN,
        "services.redis.required": "'yes'",
        "services.redis.uri": HIDDEN,
        "services.api.url": HIDDEN,
        "hops.api_redis": "80",
        "hops.api_kafka": HIDDEN,
    }
    places = [f"t.toml: {key} = {shown}" for key, shown in keys.items()] + [
        "t.toml: hops.api_auth",
        "t.toml: hops.api_postgres",
    ]
    assert sorted(error.split(": must")[0].split(": no such")[0] for error in errors) == sorted(places)
    assert "s3cret" not in "".join(errors)


def test_a_named_api_comes_with_its_database() -> None:
    errors = broken('name = "x"\n[services.api]\nurl = "http://127.0.0.1:8080"')
    assert [error.partition(": needs")[0] for error in errors if "hops" not in error] == [
        f"t.toml: services.api.url = {HIDDEN}"
    ]


def test_a_named_api_is_told_where_it_must_call() -> None:
    named = (
        '[services.api]\nurl = "http://127.0.0.1:8080"\n[services.postgres]\nurl = "postgresql://127.0.0.1:5432/x"\n'
    )
    errors = broken(f'name = "x"\n{named}[hops]\napi_postgres = 15432')
    assert [error.rpartition(": must")[0] for error in errors] == ["t.toml: hops.api_auth", "t.toml: hops.api_redis"]
    hops = "[hops]\napi_postgres = 15432\napi_redis = 15433\napi_auth = 15434"
    target = parse(f'name = "x"\n{named}{hops}')
    assert target.hops == {"api_postgres": 15432, "api_redis": 15433, "api_auth": 15434}


@pytest.mark.parametrize("port", ["80", "40000", "true", "'15432'"])
def test_a_hop_needs_a_port_below_the_ephemeral_ones(port: str) -> None:
    [error] = broken(f'name = "x"\n[hops]\napi_redis = {port}')
    assert error.startswith(f"t.toml: hops.api_redis = {port}: must be ")


def test_a_hop_needs_a_port_of_its_own() -> None:
    [error] = broken('name = "x"\n[hops]\napi_redis = 15432\nclient_api = 15432')
    assert error.startswith("t.toml: hops.client_api = 15432: ")


@pytest.mark.parametrize(
    ("text", "rule"), [(None, "No such file"), ("name = ", "must be TOML: Invalid value"), (b"\xff", "must be TOML")]
)
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, text: str | bytes | None, rule: str) -> None:
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
        target = read(Target, "t.toml", table)
        assert target.name
        assert target.required >= frozenset(SERVICES) - {"auth"}
    except ExceptionGroup as group:
        errors = group.exceptions
    assert all(isinstance(error, InputError) for error in errors)


def test_only_a_named_service_may_be_left_unmeasured() -> None:
    url = 'url = "redis://127.0.0.1:6379/0"'
    assert parse(f'name = "x"\n[services.redis]\n{url}\nmeasured = false').unmeasured == {"redis"}
    [error] = broken('name = "x"\n[services.redis]\nmeasured = false')
    assert error.startswith("t.toml: services.redis.measured = false: ")


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "t.toml"
    path.write_bytes(b'\xef\xbb\xbfname = "x"')
    assert load_target(path).name == "x"
