from __future__ import annotations

import pytest

from csi_migration.kube.connection import Connection
from csi_migration.kube.errors import KubeconfigError
from csi_migration.kube.proxies import proxy_for

PROXY = "http://proxy.corp:3128"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "http_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def proxy_to(host: str) -> str:
    return proxy_for(Connection(f"https://{host}", "the test"))


def test_without_any_setting_there_is_none() -> None:
    assert proxy_to("api.corp:6443") == ""


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy"])
def test_the_environments_proxy_is_used(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, PROXY)
    assert proxy_to("api.corp:6443") == PROXY


def test_a_proxy_without_scheme_is_http(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "proxy.corp:3128")
    assert proxy_to("api.corp") == PROXY


def test_http_proxy_does_not_serve_https(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", PROXY)
    assert proxy_to("api.corp") == ""
    assert proxy_for(Connection("http://api.corp", "the test")) == PROXY


def test_the_clusters_own_proxy_wins_over_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", "*")
    own = Connection("https://api.corp", "the test", proxy_url="http://own:1")
    assert proxy_for(own) == "http://own:1"


@pytest.mark.parametrize("host", ["localhost:6443", "127.0.0.1:6443", "[::1]:6443"])
def test_this_machine_is_never_reached_over_a_proxy(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    assert proxy_to(host) == ""


@pytest.mark.parametrize(
    ("rule", "host", "exempt"),
    [
        ("*", "api.corp", True),
        ("api.corp", "api.corp", True),
        ("corp", "api.corp", True),
        ("corp", "notcorp", False),
        (".corp", "api.corp", True),
        (".corp", "corp", False),
        ("*.corp", "api.corp", True),
        ("API.Corp", "api.corp", True),
        ("api.corp:6443", "api.corp:6443", True),
        ("api.corp:6443", "api.corp", False),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.0.0.0/8", "api.corp", False),
        ("nonsense/8", "10.1.2.3", False),
        ("10.1.2.3", "10.1.2.3:6443", True),
        ("10.1.2.3:443", "10.1.2.3:6443", False),
        ("fd00::/8", "[fd00::1]:6443", True),
        ("fd00::1", "[fd00::1]:6443", True),
        (" other , api.corp ", "api.corp", True),
        (",", "api.corp", False),
    ],
)
def test_what_the_environment_exempts_has_no_proxy(
    monkeypatch: pytest.MonkeyPatch, rule: str, host: str, exempt: bool
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", rule)
    assert (proxy_to(host) == "") is exempt


def test_a_socks_proxy_of_the_environment_is_refused_in_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:1080")
    with pytest.raises(KubeconfigError, match="no http"):
        proxy_for(Connection("https://api.corp", "the test"))
