"""Requests are told apart: what they are about, and whether they change anything."""

from __future__ import annotations

import json

import pytest

from tests.lab import soap
from tests.lab.proxy import Request
from tests.torture.signature import Signature, of_kubernetes, of_vcenter

PODS = "/api/v1/namespaces/shop/pods"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/shop/leases"
ENVELOPE = (
    '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/">'
    '<soapenv:Body><{0} xmlns="urn:vim25"><_this type="X">x</_this>{1}</{0}>'
    "</soapenv:Body></soapenv:Envelope>"
)


def kubernetes(method: str, target: str, name: str = "") -> Signature:
    body = json.dumps({"metadata": {"name": name}} if name else {}).encode()
    return of_kubernetes(Request(method, target, {}, body))


def vcenter(method: str, arguments: str = "") -> Signature:
    return of_vcenter(Request("POST", "/sdk", {}, ENVELOPE.format(method, arguments).encode()))


@pytest.mark.parametrize(
    ("method", "target", "words"),
    [
        ("GET", f"{PODS}/web-0", "get pods web-0"),
        ("GET", f"{PODS}?labelSelector=app%3Dweb", "list pods"),
        ("GET", f"{PODS}?watch=1&resourceVersion=7", "watch pods"),
        ("DELETE", f"{PODS}/web-0", "delete pods web-0"),
        ("PATCH", f"{PODS}/web-0/status?fieldManager=x", "patch pods/status web-0"),
        ("PUT", f"{LEASES}/csi-migration-web", "update leases csi-migration-web"),
        ("GET", "/api/v1/persistentvolumes", "list persistentvolumes"),
        ("GET", "/api/v1/persistentvolumes/pv-1", "get persistentvolumes pv-1"),
        ("GET", "/api/v1/namespaces/kube-system", "get namespaces kube-system"),
        ("GET", "/version", "list /version"),
    ],
)
def test_a_request_to_kubernetes_has_verb_resource_and_name(
    method: str, target: str, words: str
) -> None:
    assert str(kubernetes(method, target)) == words


def test_what_is_created_is_named_by_its_body() -> None:
    assert str(kubernetes("POST", PODS, "web-0")) == "create pods web-0"
    assert str(of_kubernetes(Request("POST", PODS, {}, b"no JSON"))) == "create pods"


def test_generated_ids_do_not_tell_two_runs_apart() -> None:
    name = "pvc-01234567-89ab-cdef-0123-456789abcdef-csi"
    found = kubernetes("DELETE", f"/api/v1/persistentvolumes/{name}")
    assert (found.name, str(found)) == (name, "delete persistentvolumes pvc-*-csi")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_what_changes_an_object_is_a_write(method: str) -> None:
    assert kubernetes(method, PODS).kind == "w"
    assert kubernetes(method, f"{PODS}?fieldManager=x&dryRun=All").kind == "r"


def test_of_a_lease_all_but_its_renewal_is_a_write() -> None:
    assert kubernetes("POST", LEASES, "csi-migration-web").kind == "w"
    assert kubernetes("DELETE", f"{LEASES}/csi-migration-web").kind == "w"
    assert kubernetes("PUT", f"{LEASES}/csi-migration-web").kind == "r"


def test_touches_of_claims_are_numbered_apart() -> None:
    path = "/api/v1/namespaces/shop/persistentvolumeclaims/data-web-0"
    assert kubernetes("PATCH", path).kind == "t"
    assert kubernetes("DELETE", path).kind == "w"


def test_asking_for_permission_is_a_read() -> None:
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    assert kubernetes("POST", path).kind == "r"


def test_only_two_calls_to_vcenter_are_writes() -> None:
    register = vcenter("RegisterDisk", "<path>https://vc/folder/kubevols/x.vmdk?dsName=y</path>")
    assert (register.kind, str(register)) == ("w", "RegisterDisk x.vmdk")
    flags = vcenter("SetVStorageObjectControlFlags", '<id xsi:type="ID"><id>42-7</id></id>')
    assert (flags.kind, str(flags)) == ("w", "SetVStorageObjectControlFlags 42-7")
    assert vcenter("RetrieveVStorageObject").kind == "c"


def test_a_file_that_is_read_from_vcenter_is_a_call() -> None:
    found = of_vcenter(Request("GET", "/sdk/vimServiceVersions.xml", {}, b""))
    assert (found.kind, str(found)) == ("c", "GET /sdk/vimServiceVersions.xml")


def test_a_method_is_found_whatever_its_prefix() -> None:
    assert soap.method(soap.LOGOUT) == "Logout"
    assert soap.method(b"<a:Envelope><a:Body>\n <v:Login></v:Login></a:Body>") == "Login"
    assert soap.method(b"") == ""
