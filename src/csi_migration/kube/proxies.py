"""Which proxy leads to an API server: kubectl's rules, which are Go's net/http rules."""

from __future__ import annotations

import ipaddress
import os
from urllib.parse import urlsplit

from csi_migration.kube.connection import Connection
from csi_migration.kube.errors import KubeconfigError

_DEFAULT_PORTS = {"http": 80, "https": 443}


def proxy_for(connection: Connection) -> str:
    """The proxy's URL, empty when there is none on the way.

    The cluster's own proxy-url always wins. HTTPS_PROXY, HTTP_PROXY and
    NO_PROXY, in either case, do not apply to this machine itself.

    Raises:
        KubeconfigError: it is of a kind that is not supported.
    """
    if connection.proxy_url:
        return connection.proxy_url
    server = urlsplit(connection.server)
    host, port = server.hostname or "", server.port or _DEFAULT_PORTS.get(server.scheme, 0)
    proxy = _environment(f"{server.scheme}_proxy")
    if not proxy or _is_this_machine(host):
        return ""
    rules = (rule.strip().lower() for rule in _environment("no_proxy").split(","))
    if any(_exempts(rule, host, port) for rule in rules if rule):
        return ""
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if urlsplit(proxy).scheme not in _DEFAULT_PORTS:
        raise KubeconfigError(
            f"{server.scheme.upper()}_PROXY names no http(s) URL",
            resolution="SOCKS proxies are not supported; name an HTTP proxy, or the cluster in "
            "NO_PROXY.",
        )
    return proxy


def _environment(name: str) -> str:
    return os.environ.get(name.upper()) or os.environ.get(name) or ""


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return None


def _is_this_machine(host: str) -> bool:
    address = _address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def _exempts(rule: str, host: str, port: int) -> bool:
    """Whether one NO_PROXY entry names the host.

    An entry is `*`, an address, a CIDR, or a domain that includes its
    subdomains (and only them when it starts with `.` or `*.`); addresses and
    domains may carry a port.
    """
    if rule == "*":
        return True
    address = _address(host)
    if "/" in rule:
        return address is not None and _contains(rule, address)
    if _address(rule) is None:
        rule, _, rule_port = rule.rpartition(":") if ":" in rule else (rule, "", "")
        if rule_port and rule_port != str(port):
            return False
    if address is not None:
        return _address(rule) == address
    if rule.startswith((".", "*.")):
        return host.endswith(rule.removeprefix("*"))
    return host == rule or host.endswith(f".{rule}")


def _contains(network: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    try:
        return address in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
