from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from urllib3.util import parse_url

from csi_migration.kube.resources import PODS, STATEFULSETS, STORAGE_CLASSES, VOLUMES


def test_paths_of_namespaced_kinds() -> None:
    assert PODS.path() == "/api/v1/pods"
    assert PODS.path("shop") == "/api/v1/namespaces/shop/pods"
    assert PODS.path("shop", "web-0") == "/api/v1/namespaces/shop/pods/web-0"
    assert (
        STATEFULSETS.path("shop", "web", "status")
        == "/apis/apps/v1/namespaces/shop/statefulsets/web/status"
    )


def test_paths_of_kinds_without_namespace() -> None:
    assert VOLUMES.path() == "/api/v1/persistentvolumes"
    assert STORAGE_CLASSES.path(name="fast") == "/apis/storage.k8s.io/v1/storageclasses/fast"


def test_group_and_version() -> None:
    assert (STATEFULSETS.group, STATEFULSETS.version) == ("apps", "v1")
    assert (PODS.group, PODS.version) == ("", "v1")


def test_what_would_be_the_path_of_something_else_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a namespace"):
        PODS.path(None, "web-0")
    with pytest.raises(ValueError, match="have no namespace"):
        VOLUMES.path("shop", "pv-1")
    with pytest.raises(ValueError, match="needs a name"):
        PODS.path("shop", None, "status")


@given(st.text(alphabet="./%?#;@: \\abü\n"))
def test_a_name_is_refused_or_stays_the_last_segment(name: str) -> None:
    try:
        path = PODS.path("shop", name)
    except ValueError:
        return
    sent = parse_url(f"https://host{path}").request_uri
    assert sent.count("/") == 6
    assert sent.startswith("/api/v1/namespaces/shop/pods/")
    assert len(sent) > len("/api/v1/namespaces/shop/pods/")
