"""Turns what pyVmomi raises into the errors that the rest of the tool knows."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from typing import Any
from xml.parsers.expat import ExpatError

from csi_migration.vsphere import trust
from csi_migration.vsphere._bindings import kind_name, moid, vim, vmodl
from csi_migration.vsphere.errors import (
    Faulted,
    PermissionDenied,
    RegistrationUnknown,
    VCenterAuthenticationFailed,
    VCenterUnreachable,
    VSphereError,
)

# No answer, half an answer, or a proxy's answer in vCenter's stead.
LOST = (OSError, HTTPException, ExpatError)

# A fault's class is only known at run time.
FaultTypes = tuple[Any, ...]


@contextmanager
def translated(
    host: str,
    port: int,
    method: str,
    subject: str,
    *,
    expect: FaultTypes = (),
    sent: bool = False,
) -> Iterator[None]:
    """Raise every failure inside as a `VSphereError` that names what was asked.

    Faults of the types in `expect` pass unchanged. `sent` tells that what runs
    inside is a write on an open connection, so that a lost answer means
    `RegistrationUnknown` instead of `VCenterUnreachable`.
    """
    asked = f"vCenter {host}: {method}" + (f" of {subject}" if subject else "")
    # Once a write is sent, an answer that cannot be read is no answer either.
    lost = (Exception,) if sent else LOST
    try:
        yield
    except expect:
        raise
    except vmodl.MethodFault as fault:
        raise error_of(fault, asked) from fault
    except ssl.SSLCertVerificationError as error:
        raise trust.refused(host, port, error.verify_message) from error
    except lost as error:
        raise _lost(asked, error, sent=sent) from error


def error_of(fault: Any, asked: str) -> VSphereError:
    """The error for a fault that a call or a task ended with."""
    said = spoken(fault)
    if isinstance(fault, vim.fault.InvalidLogin):
        return VCenterAuthenticationFailed(
            f"{asked}: refused",
            details=said,
            resolution="check user and password in the driver's configuration",
        )
    if isinstance(fault, vim.fault.NoPermission):
        return _denied(fault, asked, said)
    return Faulted(f"{asked}: {type(fault).__name__}", fault=type(fault).__name__, details=said)


def spoken(fault: Any) -> str:
    """What vCenter says in words about a fault; may be empty."""
    messages = [message.message for message in fault.faultMessage or [] if message.message]
    return "; ".join(dict.fromkeys(filter(None, [getattr(fault, "msg", ""), *messages])))


def _denied(fault: Any, asked: str, said: str) -> PermissionDenied:
    where = fault.object
    entity = f"{kind_name(type(where))}:{moid(where)}" if where else "vCenter"
    privilege = fault.privilegeId or "a privilege"
    return PermissionDenied(
        f"{asked}: the user lacks {privilege} on {entity}",
        privilege=privilege,
        entity=entity,
        details=said,
    )


def _lost(asked: str, error: Exception, *, sent: bool) -> VSphereError:
    said = f"{type(error).__name__}: {error}"
    if sent:
        return RegistrationUnknown(
            f"{asked}: sent, but no answer came",
            details=said,
            state="vCenter may have applied it",
            resolution="run again: the tool reads the catalog first and goes on from what it finds",
        )
    return VCenterUnreachable(
        f"{asked}: no answer",
        details=said,
        resolution="check that vCenter can be reached from here",
    )
