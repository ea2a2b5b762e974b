"""Services that the target names instead of having them started: their URLs, and the process behind a port.

Only this machine's own are accepted. Whatever a run breaks and floods must be
somebody's to break, and a name typed wrong must not reach another's database.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit

import psutil

from harness.records import ProcessRef
from infra.stack import Endpoint

# Toxiproxy is not among them: its proxies are made for the run, each hop its own.
_SCHEMES = {
    "postgres": ("postgresql", "postgres"),
    "redis": ("redis",),
    "auth": ("http",),
    "api": ("http",),
}
_DEFAULT_PORTS = {"postgresql": 5432, "postgres": 5432, "redis": 6379, "http": 80}
# What holds a container's published port: measuring it would say nothing of the service inside.
_FORWARDERS = ("docker", "rootlessport", "slirp4netns", "pasta", "podman", "gvproxy")


def check_named_url(service: str, url: str) -> None:
    """Raise ValueError with the rule that `url` breaks as the address of `service`; the message never quotes it."""
    if service not in _SCHEMES:
        raise ValueError(f"cannot be named; only {', '.join(_SCHEMES)} can")
    rule = f"must be {_SCHEMES[service][0]}://HOST:PORT"
    try:
        parts = urlsplit(url)
        fine = parts.scheme in _SCHEMES[service] and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fine = False
    if not fine:
        raise ValueError(rule)
    if not _is_loopback(parts.hostname or ""):
        raise ValueError(f"{rule} with HOST this machine's own: localhost or 127.x.y.z")
    if parts.scheme == "http" and (parts.path not in ("", "/") or parts.query or parts.fragment):
        raise ValueError(f"{rule} and no path: paths are the load's")


def endpoint_of(url: str) -> Endpoint:
    """Return where a URL that passed `check_named_url` points."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return Endpoint("127.0.0.1" if host == "localhost" else host, parts.port or _DEFAULT_PORTS[parts.scheme])


def through(url: str, proxy: Endpoint) -> str:
    """Return the URL with its address replaced by that of a proxy; account, path and options stay."""
    parts = urlsplit(url)
    account, at, _ = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{account}{at}{proxy}").geturl()


def redacted(url: str) -> str:
    """Return the URL as it may be shown: without its password or options."""
    try:
        parts = urlsplit(url)
        account = f"{parts.username}@" if parts.username else ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "(not a URL)"
    return SplitResult(parts.scheme, f"{account}{parts.hostname or ''}{port}", parts.path, "", "").geturl()


def listening_process(service: str, endpoint: Endpoint) -> ProcessRef | None:
    """Return the process that listens at `endpoint`; None when the system does not tell, or it only forwards."""
    try:
        listeners = {
            connection.pid
            for connection in psutil.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == endpoint.port
        }
        processes = [psutil.Process(pid) for pid in listeners if pid is not None]
        # Workers share their parent's socket; the parent is the one that came first.
        oldest = min(processes, key=lambda process: process.create_time(), default=None)
        if oldest is None or any(word in oldest.name().lower() for word in _FORWARDERS):
            return None
        return ProcessRef(service, oldest.pid, oldest.create_time())
    except psutil.Error:
        return None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.IPv4Address(host).is_loopback
    except ValueError:
        return False
