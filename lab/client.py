"""A small Kubernetes client on plain dicts, independent of the product's.

Nothing is sent twice unasked; answers other than 2xx raise ApiError.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3
import yaml

from lab.tls import as_told_by

Object = dict[str, Any]
Objects = list[Object]

# kind: (API path, plural, namespaced)
_KINDS = {
    "ClusterRole": ("apis/rbac.authorization.k8s.io/v1", "clusterroles", False),
    "ClusterRoleBinding": ("apis/rbac.authorization.k8s.io/v1", "clusterrolebindings", False),
    "CnsVSphereVolumeMigration": (
        "apis/cns.vmware.com/v1alpha1",
        "cnsvspherevolumemigrations",
        False,
    ),
    "ConfigMap": ("api/v1", "configmaps", True),
    "ControllerRevision": ("apis/apps/v1", "controllerrevisions", True),
    "CSIDriver": ("apis/storage.k8s.io/v1", "csidrivers", False),
    "CSINode": ("apis/storage.k8s.io/v1", "csinodes", False),
    "CustomResourceDefinition": (
        "apis/apiextensions.k8s.io/v1",
        "customresourcedefinitions",
        False,
    ),
    "Deployment": ("apis/apps/v1", "deployments", True),
    "Event": ("api/v1", "events", True),
    "HorizontalPodAutoscaler": ("apis/autoscaling/v2", "horizontalpodautoscalers", True),
    "Lease": ("apis/coordination.k8s.io/v1", "leases", True),
    "Namespace": ("api/v1", "namespaces", False),
    "Node": ("api/v1", "nodes", False),
    "PersistentVolume": ("api/v1", "persistentvolumes", False),
    "PersistentVolumeClaim": ("api/v1", "persistentvolumeclaims", True),
    "Pod": ("api/v1", "pods", True),
    "PodDisruptionBudget": ("apis/policy/v1", "poddisruptionbudgets", True),
    "PriorityClass": ("apis/scheduling.k8s.io/v1", "priorityclasses", False),
    "ReplicaSet": ("apis/apps/v1", "replicasets", True),
    "ResourceQuota": ("api/v1", "resourcequotas", True),
    "Role": ("apis/rbac.authorization.k8s.io/v1", "roles", True),
    "RoleBinding": ("apis/rbac.authorization.k8s.io/v1", "rolebindings", True),
    "Secret": ("api/v1", "secrets", True),
    "Service": ("api/v1", "services", True),
    "ServiceAccount": ("api/v1", "serviceaccounts", True),
    "StatefulSet": ("apis/apps/v1", "statefulsets", True),
    "StorageClass": ("apis/storage.k8s.io/v1", "storageclasses", False),
    "TriggerCsiFullSync": ("apis/cns.vmware.com/v1alpha1", "triggercsifullsyncs", False),
    "VolumeSnapshot": ("apis/snapshot.storage.k8s.io/v1", "volumesnapshots", True),
    "VolumeAttachment": ("apis/storage.k8s.io/v1", "volumeattachments", False),
}
_MERGE_PATCH = "application/merge-patch+json"


class ApiError(Exception):
    """The API server refused; `status` is the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"HTTP {status}: {message}")
        self.status = status


@contextmanager
def suppress_not_found() -> Iterator[None]:
    """For a delete of what may have gone by itself."""
    try:
        yield
    except ApiError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise


class Cluster:
    """One API server, spoken to as the identity of a kubeconfig. Thread-safe."""

    def __init__(self, kubeconfig: Path) -> None:
        content = yaml.safe_load(kubeconfig.read_text())
        cluster = content["clusters"][0]["cluster"]
        self.server: str = cluster["server"]
        self._pool = urllib3.PoolManager(
            maxsize=16,
            retries=False,
            timeout=urllib3.Timeout(connect=30, read=30),
            ssl_context=as_told_by(content),
        )

    def get(self, kind: str, name: str, namespace: str = "") -> Object:
        """The object. Raises ApiError with status 404 when there is none."""
        return self._call("GET", _path(kind, namespace, name))

    def read(self, kind: str, name: str, namespace: str = "") -> bytes:
        """The object as the server sends it, as `kubectl get --raw` shows it."""
        answer = self._request("GET", _path(kind, namespace, name))
        _check(answer)
        return answer.data

    def find(self, kind: str, name: str, namespace: str = "") -> Object | None:
        """The object, or None when there is none of that name."""
        with suppress_not_found():
            return self.get(kind, name, namespace)
        return None

    def list(self, kind: str, namespace: str = "", labels: str = "") -> Objects:
        """All objects of the kind (of one namespace, if given)."""
        query = {"labelSelector": labels} if labels else {}
        items: Objects = self._call("GET", _path(kind, namespace), query=query)["items"]
        return items

    def snapshot(self, kind: str, namespace: str = "") -> tuple[str, Objects]:
        """All objects of the kind, and the version to watch them from."""
        answer = self._call("GET", _path(kind, namespace))
        return answer["metadata"]["resourceVersion"], answer["items"]

    def create(self, body: Object, *, dry_run: bool = False) -> Object:
        """The object as the server made it, or would have made it.

        As kubectl does, it asks the server to refuse fields that it doesn't know.
        """
        path = _path(body["kind"], body["metadata"].get("namespace", ""))
        query = {"fieldValidation": "Strict"} | ({"dryRun": "All"} if dry_run else {})
        return self._call("POST", path, body=body, query=query)

    def patch(
        self, kind: str, name: str, patch: Object, namespace: str = "", subresource: str = ""
    ) -> Object:
        """A JSON merge patch."""
        path = _path(kind, namespace, name, subresource)
        return self._call("PATCH", path, body=patch, content_type=_MERGE_PATCH)

    def delete(self, kind: str, name: str, namespace: str = "", **options: Any) -> Object:
        """Delete; `options` are the fields of a DeleteOptions."""
        return self._call("DELETE", _path(kind, namespace, name), body=options)

    def healthy(self) -> bool:
        """Whether `/readyz` answers 200; False also when nobody listens yet."""
        try:
            return self._request("GET", "readyz").status == HTTPStatus.OK
        except urllib3.exceptions.HTTPError:
            return False

    def version(self) -> str:
        """The server's `gitVersion`, as in `v1.34.4`."""
        return str(self._call("GET", "version")["gitVersion"])

    def watch(
        self, kind: str, namespace: str = "", resource_version: str = "", seconds: int = 300
    ) -> Iterator[Object]:
        """Events as the server sends them; ends after `seconds` at the latest."""
        query = {"watch": "1", "timeoutSeconds": seconds, "resourceVersion": resource_version}
        answer = self._request("GET", _path(kind, namespace), query=query, stream=True)
        with answer:
            _check(answer)
            for line in _lines(answer):
                yield json.loads(line)

    def _call(self, method: str, path: str, **rest: Any) -> Object:
        answer = self._request(method, path, **rest)
        _check(answer)
        content: Object = json.loads(answer.data)
        return content

    def _request(
        self,
        method: str,
        path: str,
        *,
        body: Object | None = None,
        query: dict[str, Any] | None = None,
        content_type: str = "application/json",
        stream: bool = False,
    ) -> urllib3.BaseHTTPResponse:
        url = f"{self.server}/{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {"Accept": "application/json", "Content-Type": content_type}
        data = None if body is None else json.dumps(body)
        return self._pool.request(
            method, url, body=data, headers=headers, preload_content=not stream
        )


def _path(kind: str, namespace: str = "", name: str = "", subresource: str = "") -> str:
    prefix, plural, namespaced = _KINDS[kind]
    scope = f"namespaces/{namespace}" if namespaced and namespace else ""
    return "/".join(part for part in (prefix, scope, plural, name, subresource) if part)


def _check(answer: urllib3.BaseHTTPResponse) -> None:
    if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
        raise ApiError(answer.status, answer.data.decode(errors="replace"))


def _lines(answer: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    rest = b""
    for chunk in answer.stream(65536):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
