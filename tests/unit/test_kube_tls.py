from __future__ import annotations

import json
import os
import ssl
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from csi_migration.kube import Client, Connection, KubeconfigError, NotSent
from csi_migration.kube.connection import ExecPlugin
from csi_migration.kube.resources import PODS
from csi_migration.kube.tls import ssl_context
from tests.unit.kube_server import ApiServer, Reply, serving, status


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def person(authority: trustme.CA) -> trustme.LeafCert:
    return authority.issue_cert(common_name="operator")


def server_context(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


@pytest.fixture
def server(authority: trustme.CA) -> Iterator[ApiServer]:
    with serving(server_context(authority, "127.0.0.1")) as running:
        running.answers = [Reply(), Reply()]
        yield running


def pem(authority: trustme.CA) -> str:
    return authority.cert_pem.bytes().decode()


def certificate_and_key(person: trustme.LeafCert) -> tuple[str, str]:
    chain = "".join(blob.bytes().decode() for blob in person.cert_chain_pems)
    return chain, person.private_key_pem.bytes().decode()


def get(client: Client) -> None:
    client.get(PODS, "web-0", "shop")


def open_files() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


def common_name(certificate: dict[str, Any]) -> str:
    names = {key: value for part in certificate.get("subject", ()) for key, value in part}
    return str(names.get("commonName", ""))


def test_the_kubeconfigs_authority_is_trusted(server: ApiServer, authority: trustme.CA) -> None:
    with server.client(certificate_authority=pem(authority)) as client:
        get(client)
    assert len(server.received) == 1
    assert client.warnings == []


@pytest.mark.parametrize("other", [True, False], ids=["another-authority", "the-systems"])
def test_any_other_authority_is_not_and_nothing_is_sent(server: ApiServer, other: bool) -> None:
    trusted = pem(trustme.CA()) if other else ""
    with server.client(certificate_authority=trusted) as client, pytest.raises(NotSent) as raised:
        get(client)
    assert "CERTIFICATE_VERIFY_FAILED" in raised.value.details
    assert server.received == []


def test_a_server_of_another_name_is_refused(authority: trustme.CA) -> None:
    with (
        serving(server_context(authority, "kubernetes.default")) as server,
        server.client(certificate_authority=pem(authority)) as client,
        pytest.raises(NotSent),
    ):
        get(client)


def test_tls_server_name_is_the_name_to_expect(authority: trustme.CA) -> None:
    with serving(server_context(authority, "kubernetes.default")) as server:
        server.answers = [Reply()]
        trusted = pem(authority)
        with server.client(
            certificate_authority=trusted, tls_server_name="kubernetes.default"
        ) as client:
            get(client)
        with (
            server.client(certificate_authority=trusted, tls_server_name="elsewhere") as client,
            pytest.raises(NotSent),
        ):
            get(client)
        assert len(server.received) == 1


def test_an_intermediate_authority_is_enough(authority: trustme.CA) -> None:
    """As for kubectl: Go takes every certificate that it is given for an anchor."""
    intermediate = authority.create_child_ca()
    with serving(server_context(intermediate, "127.0.0.1")) as server:
        server.answers = [Reply()]
        with server.client(certificate_authority=pem(intermediate)) as client:
            get(client)
        assert len(server.received) == 1


def test_a_new_connection_changes_nothing_that_those_of_other_threads_use(
    server: ApiServer, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes: list[list[str]] = []
    change = ssl.SSLContext.set_alpn_protocols

    def spy(context: ssl.SSLContext, protocols: list[str]) -> None:
        changes.append(protocols)
        change(context, protocols)

    monkeypatch.setattr(ssl.SSLContext, "set_alpn_protocols", spy)
    with server.client(certificate_authority=pem(authority)) as client:
        get(client)
        client.close()
        get(client)
    assert changes == [["http/1.1"]]


def test_insecure_skips_verification_and_says_so(server: ApiServer) -> None:
    with server.client(insecure=True) as client:
        get(client)
    assert client.warnings == ["the test: the server's certificate is not verified"]


class TestClientCertificates:
    def test_the_server_sees_it_and_the_key_never_is_on_a_disk(
        self,
        server: ApiServer,
        authority: trustme.CA,
        person: trustme.LeafCert,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
    ) -> None:
        def no_files(*_: object, **__: object) -> None:
            raise AssertionError("a file was made")

        monkeypatch.setattr(tempfile, "NamedTemporaryFile", no_files)
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        monkeypatch.chdir(tmp_path)
        descriptors = open_files()
        certificate, key = certificate_and_key(person)
        connection = Connection(
            server.url, "the test", client_certificate=certificate, client_key=key
        )
        ssl_context(connection, certificate, key)
        assert open_files() == descriptors
        with server.client(
            certificate_authority=pem(authority), client_certificate=certificate, client_key=key
        ) as client:
            get(client)
        assert common_name(server.received[0].certificate) == "operator"
        assert list(tmp_path.iterdir()) == []

    def test_without_memory_files_it_passes_through_a_private_one(
        self, person: trustme.LeafCert, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        seen: list[int] = []
        load = ssl.SSLContext.load_cert_chain

        def spy(context: ssl.SSLContext, path: str, **settings: Any) -> None:
            seen.append(stat.S_IMODE(Path(path).stat().st_mode))
            load(context, path, **settings)

        monkeypatch.delattr(os, "memfd_create")
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", spy)
        ssl_context(Connection("https://x", "the test"), *certificate_and_key(person))
        assert seen == [0o600]
        assert list(tmp_path.iterdir()) == []

    def test_one_from_an_exec_plugin_is_used_and_replaced(
        self, server: ApiServer, authority: trustme.CA, tmp_path: Path
    ) -> None:
        printed, script = tmp_path / "printed", tmp_path / "get-certificate"
        script.write_text(f'#!/bin/sh\ncat "{printed}"\n')
        script.chmod(0o755)

        def prints(name: str) -> None:
            certificate, key = certificate_and_key(authority.issue_cert(common_name=name))
            answer = {
                "kind": "ExecCredential",
                "apiVersion": "client.authentication.k8s.io/v1",
                "status": {"clientCertificateData": certificate, "clientKeyData": key},
            }
            printed.write_text(json.dumps(answer))

        def refuse_and_rotate(_: object) -> Reply:
            prints("second")
            return Reply(401, status(401))

        prints("first")
        server.answers = [refuse_and_rotate, Reply()]
        with server.client(
            certificate_authority=pem(authority), exec_plugin=ExecPlugin(str(script))
        ) as client:
            get(client)
        names = [common_name(request.certificate) for request in server.received]
        assert names == ["first", "second"]

    def test_a_key_of_another_certificate_is_refused(
        self, authority: trustme.CA, person: trustme.LeafCert
    ) -> None:
        certificate, _ = certificate_and_key(person)
        _, key = certificate_and_key(authority.issue_cert(common_name="other"))
        with pytest.raises(KubeconfigError, match="client certificate"):
            ssl_context(Connection("https://x", "the test"), certificate, key)

    def test_an_encrypted_key_is_refused_without_asking_for_its_password(
        self, person: trustme.LeafCert
    ) -> None:
        from cryptography.hazmat.primitives import serialization

        certificate, key = certificate_and_key(person)
        locked = serialization.load_pem_private_key(key.encode(), None).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"x"),
        )
        with pytest.raises(KubeconfigError, match="client certificate"):
            ssl_context(Connection("https://x", "the test"), certificate, locked.decode())


def test_an_authority_that_is_none_is_refused() -> None:
    connection = Connection("https://x", "the test", certificate_authority="not PEM")
    with pytest.raises(KubeconfigError, match="certificate authority"):
        ssl_context(connection, "", "")
