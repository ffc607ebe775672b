"""How vCenter proves who it is.

A pin is checked here, not by pyVmomi: given a pin *and* an `ssl` context,
pyVmomi turns verification off on that context after the first connection and
accepts anyone on the second. Whatever the configuration says becomes one `ssl`
context that verifies every connection by itself.
"""

from __future__ import annotations

import hashlib
import ssl
from dataclasses import dataclass

from csi_migration.vsphere.csi_config import VCenter
from csi_migration.vsphere.errors import CertificateRefused, ConfigInvalid, VCenterUnreachable

_PIN_DIGESTS = {40: "sha1", 64: "sha256"}


@dataclass(frozen=True, slots=True)
class Trust:
    """What vCenter's certificate must look like; the strictest given counts.

    Attributes:
        ca_pem: certificates of the authorities (or of vCenter itself), PEM.
        thumbprint: SHA-1 or SHA-256 of vCenter's certificate, with or without
            colons; goes before `ca_pem`.
        insecure: accept any certificate if neither of the above is given.

    Raises:
        ConfigInvalid: the thumbprint is not one.
    """

    ca_pem: str | None = None
    thumbprint: str | None = None
    insecure: bool = False

    def __post_init__(self) -> None:
        if self.thumbprint:
            _digest_name(_plain(self.thumbprint))

    @classmethod
    def of(cls, vcenter: VCenter, ca_pem: str | None = None) -> Trust:
        """What the driver's configuration says; `ca_pem` is its `ca-file`, read."""
        return cls(ca_pem, vcenter.thumbprint or None, vcenter.insecure)

    @property
    def warning(self) -> str:
        """What the person must know about this trust; empty if nothing."""
        if self.thumbprint or self.ca_pem or not self.insecure:
            return ""
        return "vCenter's certificate is not verified: the configuration says insecure-flag"

    def context(self, host: str, port: int, *, timeout: float = 30.0) -> ssl.SSLContext:
        """An `ssl` context that accepts this vCenter and nobody else.

        With a thumbprint this asks the server for its certificate once.

        Raises:
            CertificateRefused: the server's certificate has another thumbprint.
            ConfigInvalid: `ca_pem` holds no certificate.
            VCenterUnreachable: the server did not show a certificate.
        """
        if self.thumbprint:
            return _pinned(host, port, _plain(self.thumbprint), timeout)
        if self.ca_pem:
            return _signed_by(self.ca_pem)
        return _unverified() if self.insecure else ssl.create_default_context()


def refused(host: str, port: int, why: str, *, timeout: float = 30.0) -> CertificateRefused:
    """The error for a server whose certificate does not pass, which it names.

    Raises:
        VCenterUnreachable: the server does not show its certificate any more.
    """
    return _refusal(host, port, why, _presented(host, port, timeout))


def _refusal(host: str, port: int, why: str, shown: str) -> CertificateRefused:
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(shown)).hexdigest().upper()
    colons = ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))
    return CertificateRefused(
        f"the certificate of {host}:{port} is not trusted: {why}",
        details=f"it presented a certificate with the SHA-256 thumbprint {colons}",
        resolution=(
            "compare the thumbprint on the vCenter appliance itself: "
            f"openssl s_client -connect localhost:{port} </dev/null "
            "| openssl x509 -noout -fingerprint -sha256; "
            "if it is the same, set it as thumbprint, or the authority's certificate as ca-file"
        ),
    )


def _pinned(host: str, port: int, pin: str, timeout: float) -> ssl.SSLContext:
    shown = _presented(host, port, timeout)
    digest = hashlib.new(_digest_name(pin), ssl.PEM_cert_to_DER_cert(shown)).hexdigest()
    if digest != pin:
        raise _refusal(host, port, "the pinned thumbprint is another", shown)
    context = _signed_by(shown)
    # The pin says which certificate it is, whatever name that carries.
    context.check_hostname = False
    return context


def _signed_by(pem: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=pem)
    except (ssl.SSLError, ValueError) as error:
        raise ConfigInvalid("the CA file holds no PEM certificate", details=str(error)) from error
    # As the driver: any certificate in the file is an anchor, be it vCenter's
    # own, and vCenter's older authorities lack what RFC 5280 asks for.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _presented(host: str, port: int, timeout: float) -> str:
    try:
        return ssl.get_server_certificate((host, port), timeout=timeout)
    except OSError as error:
        raise VCenterUnreachable(
            f"{host}:{port} did not show a certificate", details=str(error)
        ) from error


def _plain(thumbprint: str) -> str:
    return thumbprint.replace(":", "").strip().lower()


def _digest_name(pin: str) -> str:
    if len(pin) not in _PIN_DIGESTS or set(pin) - set("0123456789abcdef"):
        raise ConfigInvalid("the thumbprint is neither a SHA-1 nor a SHA-256 in hexadecimal")
    return _PIN_DIGESTS[len(pin)]
