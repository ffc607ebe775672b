"""What a request is about, and whether it changes anything."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qs, urlsplit

from tests.lab import soap
from tests.lab.proxy import Request

Api = Literal["kubernetes", "vcenter"]
# write, read, call to vCenter, touch, watch
Kind = Literal["w", "r", "c", "t", "v"]

VCENTER_WRITES = ("RegisterDisk", "SetVStorageObjectControlFlags")
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_GROUPED = re.compile(r"^/apis/[^/]+/[^/]+|^/api/v1")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Signature:
    """A request in short.

    Attributes:
        verb: as in RBAC (`get`, `list`, `create`, …), or vCenter's method.
        resource: the plural, with its subresource; empty for vCenter.
        name: the object's, or the path or id that a call to vCenter is about.
        kind: a write may change what the next request sees. A touch is a patch of a
            claim, which is there to wake its controller: how many it takes is a
            matter of time, so they are numbered apart, and so are watches. Calls to
            vCenter that change nothing are few among hundreds of reads.
        is_watch: whether its answer goes on.
    """

    api: Api
    verb: str
    resource: str = ""
    name: str = ""
    kind: Kind = "r"

    @property
    def is_watch(self) -> bool:
        return self.verb == "watch"

    def __str__(self) -> str:
        """Without what is new in each namespace, so that two runs can be compared."""
        words = (self.verb, self.resource, _UUID.sub("*", self.name))
        return " ".join(word for word in words if word)


def of_kubernetes(request: Request) -> Signature:
    """Of a request to an API server."""
    url = urlsplit(request.target)
    query = parse_qs(url.query)
    resource, name = _object_of(url.path)
    verb = _verb(request.method, name, watches="watch" in query)
    if verb == "create":
        name = _name_in(request.body)
    return Signature(
        "kubernetes",
        verb,
        resource,
        name,
        kind="r" if "All" in query.get("dryRun", []) else _kind(verb, resource),
    )


def of_vcenter(request: Request) -> Signature:
    """Of a call to vCenter, or of a file that is read from it."""
    method = soap.method(request.body)
    if not method:
        path = urlsplit(request.target).path
        return Signature("vcenter", request.method, name=path, kind="c")
    # A VMDK is given as a URL; what it is called is enough.
    name = urlsplit(soap.argument(request.body, "path", "id")).path.rpartition("/")[2]
    return Signature("vcenter", method, name=name, kind="w" if method in VCENTER_WRITES else "c")


def _object_of(path: str) -> tuple[str, str]:
    """Resource with subresource, and name; the bare path for what is no object."""
    prefix = _GROUPED.match(path)
    parts = path[prefix.end() :].strip("/").split("/") if prefix else []
    if len(parts) > 2 and parts[0] == "namespaces":
        parts = parts[2:]
    if not parts or not parts[0]:
        return path, ""
    resource, name, *subresource = [*parts, ""][: max(2, len(parts))]
    return "/".join([resource, *subresource]), name


def _verb(method: str, name: str, *, watches: bool) -> str:
    if method != "GET":
        return _VERBS.get(method, method.lower())
    return "watch" if watches else ("get" if name else "list")


def _name_in(body: bytes) -> str:
    try:
        metadata = json.loads(body).get("metadata") or {}
    except ValueError:
        return ""
    return str(metadata.get("name") or metadata.get("generateName") or "")


def _kind(verb: str, resource: str) -> Kind:
    if verb == "watch":
        return "v"
    if verb in ("get", "list") or resource == "selfsubjectaccessreviews":
        return "r"
    if (verb, resource) == ("update", "leases"):
        return "r"  # how often a Lease is renewed is a matter of time alone
    return "t" if (verb, resource) == ("patch", "persistentvolumeclaims") else "w"
