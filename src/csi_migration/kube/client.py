"""Reads and writes of Kubernetes objects as plain dicts.

Plain dicts, because a typed model loses the fields that it does not know.
No call repeats a write: see `csi_migration.kube.errors` for what each error
says about the world.
"""

from __future__ import annotations

import time
from importlib import metadata
from typing import TYPE_CHECKING, Any, Literal, Self

from csi_migration.kube.bodies import access_review, delete_options, encode, selectors
from csi_migration.kube.errors import NotFound
from csi_migration.kube.listing import Keep, list_all, list_at_once
from csi_migration.kube.transport import Request, Transport
from csi_migration.kube.watch import Event, Watch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from csi_migration.kube.connection import Connection
    from csi_migration.kube.resources import Resource

_TOOL = "statefulset-csi-migration-tool"
_ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_PATCH_TYPES = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
}

Manifest = dict[str, Any]
"""An object as the server spells it."""

Manifests = list[Manifest]


class Client:
    """A thin client for one API server. Safe to share between threads.

    Every method raises a KubernetesError. After `MaybeApplied` the caller
    reads the object and compares; after any other error nothing was changed.
    A ValueError means that the arguments make no request at all.
    """

    def __init__(
        self, connection: Connection, *, field_manager: str = _TOOL, request_timeout: float = 30.0
    ) -> None:
        """Prepare a client; nothing is sent yet.

        Args:
            connection: the server, and as whom to speak to it.
            field_manager: owner of the fields that writes set.
            request_timeout: seconds of silence after which a request fails.
        """
        self._field_manager = field_manager
        self._request_timeout = request_timeout
        self._transport = Transport(
            connection, user_agent=_user_agent(), read_timeout=request_timeout
        )

    @property
    def server(self) -> str:
        """The API server's URL."""
        return self._transport.connection.server

    @property
    def is_verified(self) -> bool:
        """Whether the API server's certificate is verified."""
        return not self._transport.connection.insecure

    @property
    def warnings(self) -> list[str]:
        """What the server warned of so far, each once, in order."""
        return list(self._transport.warnings)

    def close(self) -> None:
        """Close idle connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get(self, resource: Resource, name: str, namespace: str | None = None) -> Manifest:
        """One object.

        Raises:
            NotFound: it is not there.
        """
        return self._transport.ask(Request("GET", resource.path(namespace, name)))

    def find(self, resource: Resource, name: str, namespace: str | None = None) -> Manifest | None:
        """One object, or None if it is not there."""
        try:
            return self.get(resource, name, namespace)
        except NotFound:
            return None

    def read(self, resource: Resource, name: str, namespace: str | None = None) -> bytes:
        """One object as the very bytes that the server sent.

        Raises:
            NotFound: it is not there.
        """
        return self._transport.send(Request("GET", resource.path(namespace, name)))

    def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        keep: Keep | None = None,
        at_once: bool = False,
    ) -> Manifests:
        """The objects of a namespace, or of all, as they were at one moment.

        Items are as sent: without apiVersion and kind.

        Args:
            resource: the kind.
            namespace: None for all namespaces.
            labels: a label selector.
            fields: a field selector.
            keep: what of each object to keep, when thousands of whole ones are too many.
            at_once: all in one call instead of page by page, one round trip after the other.
        """
        request = Request("GET", resource.path(namespace), selectors(labels, fields))
        list_them = list_at_once if at_once else list_all
        items, _ = list_them(self._transport, request, keep)
        return items

    def create(
        self,
        resource: Resource,
        body: Manifest,
        namespace: str | None = None,
        *,
        dry_run: bool = False,
    ) -> Manifest:
        """Create an object and return it as stored.

        Raises:
            AlreadyExists: an object of that name is there.
        """
        _check_namespace(resource, namespace)
        return self._write("POST", resource.path(namespace), body, dry_run=dry_run)

    def replace(
        self,
        resource: Resource,
        name: str,
        body: Manifest,
        namespace: str | None = None,
        *,
        dry_run: bool = False,
    ) -> Manifest:
        """Put `body` in the object's place and return it as stored.

        Raises:
            Conflict: the object is no longer at the body's resourceVersion.
        """
        return self._write("PUT", resource.path(namespace, name), body, dry_run=dry_run)

    def patch(
        self,
        resource: Resource,
        name: str,
        body: Manifest | Manifests,
        namespace: str | None = None,
        *,
        content: Literal["merge", "json", "strategic"] = "merge",
        dry_run: bool = False,
        subresource: str = "",
    ) -> Manifest:
        """Change parts of an object and return it as stored.

        Args:
            resource: the kind.
            name: the object.
            body: the patch; a list for `json`.
            namespace: None for a kind without.
            content: the kind of patch.
            dry_run: have the server check and not store.
            subresource: `status`, for instance.
        """
        path = resource.path(namespace, name, subresource or None)
        return self._write("PATCH", path, body, dry_run=dry_run, content=_PATCH_TYPES[content])

    def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        uid: str,
        resource_version: str | None = None,
        propagation: Literal["Orphan", "Background", "Foreground"] | None = None,
        dry_run: bool = False,
    ) -> None:
        """Delete the object that has this very uid, in the grace period that it asks for.

        Args:
            resource: the kind.
            name: the object.
            namespace: None for a kind without.
            uid: the object's uid; another one of the same name stays.
            resource_version: if given, the object must not have changed since.
            propagation: what becomes of its dependents; None for the kind's default.
            dry_run: have the server check and not delete.

        Raises:
            Conflict: the object has another uid or resourceVersion.
            NotFound: it is not there.
        """
        if not uid:
            raise ValueError(f"deleting {resource.plural} {name!r} needs its uid")
        options = delete_options(uid, resource_version, propagation, dry_run=dry_run)
        path = resource.path(namespace, name)
        self._transport.send(Request("DELETE", path, body=encode(options), changes=not dry_run))

    def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        name: str = "",
        labels: str = "",
        resource_version: str = "",
        timeout: float,
    ) -> Iterator[Event]:
        """Yield changes for `timeout` seconds.

        Without a resource version, what is there now comes first, as ADDED.
        The truth stays what a new read says: an event may be late.

        Args:
            resource: the kind.
            namespace: None for all namespaces.
            name: only the object of this name.
            labels: a label selector.
            resource_version: start after this version.
            timeout: seconds after which to end.

        Raises:
            Gone: the server no longer knows the version; start anew without one.
        """
        deadline = time.monotonic() + timeout
        query = selectors(labels, f"metadata.name={name}" if name else "")
        request = Request("GET", resource.path(namespace), query)
        if not resource_version:
            items, resource_version = list_all(self._transport, request)
            yield from (Event("ADDED", item) for item in items)
        follow = Watch(self._transport, request, resource_version, deadline, self._request_timeout)
        yield from follow.events()

    def version(self) -> str:
        """The server's version (`v1.34.4`)."""
        return str(self._transport.ask(Request("GET", "/version"))["gitVersion"])

    def allowed(
        self,
        verb: str,
        resource: Resource,
        namespace: str | None = None,
        name: str = "",
        subresource: str = "",
    ) -> bool:
        """Whether the server would let us do `verb` (SelfSubjectAccessReview)."""
        review = access_review(verb, resource, namespace or "", name, subresource)
        answer = self._transport.ask(Request("POST", _ACCESS_REVIEWS, body=encode(review)))
        return bool(answer["status"]["allowed"])

    def _write(
        self,
        method: str,
        path: str,
        body: Any,
        *,
        dry_run: bool,
        content: str = "application/json",
    ) -> Manifest:
        query = {"fieldManager": self._field_manager} | ({"dryRun": "All"} if dry_run else {})
        request = Request(method, path, query, encode(body), content, changes=not dry_run)
        return self._transport.ask(request)


def _user_agent() -> str:
    try:
        version = metadata.version(_TOOL)
    except metadata.PackageNotFoundError:  # run from source, not installed
        version = "unreleased"
    return f"{_TOOL}/{version}"


def _check_namespace(resource: Resource, namespace: str | None) -> None:
    if resource.namespaced and namespace is None:
        raise ValueError(f"creating {resource.plural} needs a namespace")
