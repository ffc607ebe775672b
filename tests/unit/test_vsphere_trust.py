import hashlib
import socket
import ssl
from collections.abc import Iterator

import pytest
import trustme

from csi_migration.vsphere.errors import (
    CertificateRefused,
    ConfigInvalid,
    VCenterUnreachable,
)
from csi_migration.vsphere.session import Session
from csi_migration.vsphere.trust import Trust
from tests.unit.vsphere_server import Server, serving, vcenter_at


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def certificate(authority: trustme.CA) -> trustme.LeafCert:
    return authority.issue_cert("127.0.0.1")


@pytest.fixture(scope="module")
def impostor() -> trustme.LeafCert:
    return trustme.CA().issue_cert("127.0.0.1")


@pytest.fixture
def server(certificate: trustme.LeafCert) -> Iterator[Server]:
    with serving(certificate) as running:
        yield running


def thumbprint(certificate: trustme.LeafCert, digest: str) -> str:
    der = ssl.PEM_cert_to_DER_cert(certificate.cert_chain_pems[0].bytes().decode())
    return hashlib.new(digest, der).hexdigest()


def colons(text: str) -> str:
    return ":".join(text[at : at + 2] for at in range(0, len(text), 2)).upper()


def greet(server: Server, context: ssl.SSLContext) -> None:
    """Handshake once, as every new connection of a session does."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as plain:
        context.wrap_socket(plain, server_hostname="127.0.0.1").close()


@pytest.mark.parametrize("digest", ["sha1", "sha256"])
@pytest.mark.parametrize("written", [str, str.upper, colons])
def test_a_pinned_certificate_is_accepted(
    server: Server, certificate: trustme.LeafCert, digest: str, written: type[str]
) -> None:
    trust = Trust(thumbprint=written(thumbprint(certificate, digest)))
    greet(server, trust.context("127.0.0.1", server.port))


def test_an_impostor_is_refused_on_the_first_connection(
    server: Server, certificate: trustme.LeafCert, impostor: trustme.LeafCert
) -> None:
    trust = Trust(thumbprint=thumbprint(certificate, "sha256"))
    server.present(impostor)
    with pytest.raises(CertificateRefused) as refused:
        Session.connect(vcenter_at(server.port), trust)
    assert colons(thumbprint(impostor, "sha256")) in refused.value.details
    assert "openssl" in refused.value.resolution
    assert server.calls == []


@pytest.mark.parametrize("how", ["pin", "ca"])
def test_an_impostor_is_refused_on_every_later_connection(
    server: Server,
    authority: trustme.CA,
    certificate: trustme.LeafCert,
    impostor: trustme.LeafCert,
    how: str,
) -> None:
    pem = authority.cert_pem.bytes().decode()
    pin = thumbprint(certificate, "sha256")
    session = Session.connect(
        vcenter_at(server.port), Trust(thumbprint=pin) if how == "pin" else Trust(ca_pem=pem)
    )
    server.present(impostor)
    calls = len(server.calls)
    for _ in range(3):
        session._stub.DropConnections()
        with pytest.raises(CertificateRefused):
            session.keep_alive()
    assert len(server.calls) == calls
    session.close()


def test_another_certificate_of_the_same_authority_does_not_pass_the_pin(
    server: Server, authority: trustme.CA, certificate: trustme.LeafCert
) -> None:
    trust = Trust(authority.cert_pem.bytes().decode(), thumbprint(certificate, "sha256"))
    context = trust.context("127.0.0.1", server.port)
    server.present(authority.issue_cert("127.0.0.1"))
    with pytest.raises(ssl.SSLCertVerificationError):
        greet(server, context)


def test_a_pin_does_not_ask_for_the_name(authority: trustme.CA) -> None:
    renamed = authority.issue_cert("vcenter.example")
    with serving(renamed) as server:
        trust = Trust(thumbprint=thumbprint(renamed, "sha1"))
        greet(server, trust.context("127.0.0.1", server.port))


def test_an_authority_asks_for_the_name(authority: trustme.CA) -> None:
    with serving(authority.issue_cert("vcenter.example")) as server:
        trust = Trust(ca_pem=authority.cert_pem.bytes().decode())
        with pytest.raises(CertificateRefused, match="not valid for"):
            Session.connect(vcenter_at(server.port), trust)


def test_vcenters_own_certificate_may_stand_in_the_ca_file(
    server: Server, certificate: trustme.LeafCert
) -> None:
    trust = Trust(ca_pem=certificate.cert_chain_pems[0].bytes().decode())
    greet(server, trust.context("127.0.0.1", server.port))


def test_without_any_setting_the_systems_authorities_count(server: Server) -> None:
    with pytest.raises(CertificateRefused):
        Session.connect(vcenter_at(server.port), Trust())


def test_insecure_accepts_anyone_and_says_so(server: Server) -> None:
    trust = Trust(insecure=True)
    greet(server, trust.context("127.0.0.1", server.port))
    assert "not verified" in trust.warning


@pytest.mark.parametrize(
    "stricter", [Trust("PEM", insecure=True), Trust(thumbprint="ab" * 20, insecure=True)]
)
def test_insecure_counts_only_where_nothing_stricter_is_given(stricter: Trust) -> None:
    assert stricter.warning == ""


def test_a_pin_goes_before_insecure(
    server: Server, certificate: trustme.LeafCert, impostor: trustme.LeafCert
) -> None:
    server.present(impostor)
    with pytest.raises(CertificateRefused):
        Trust(thumbprint=thumbprint(certificate, "sha256"), insecure=True).context(
            "127.0.0.1", server.port
        )


@pytest.mark.parametrize("text", ["abc", "zz" * 20, "ab" * 21])
def test_what_is_no_thumbprint_is_refused_at_once(text: str) -> None:
    with pytest.raises(ConfigInvalid):
        Trust(thumbprint=text)


@pytest.mark.parametrize("text", ["no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_a_ca_file_without_certificates_is_refused(text: str) -> None:
    with pytest.raises(ConfigInvalid):
        Trust(ca_pem=text).context("127.0.0.1", 1)


def test_a_pin_cannot_be_checked_on_a_server_that_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(VCenterUnreachable):
        Trust(thumbprint="ab" * 20).context("127.0.0.1", port, timeout=1)
