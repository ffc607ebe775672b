"""What can go wrong between the tool and vCenter.

VSphereError
├── VCenterUnreachable          no answer, and nothing was changed
│   └── CertificateRefused      an answer, from someone who could not prove to be vCenter
├── VCenterAuthenticationFailed the user or the password was refused
├── PermissionDenied            the user lacks a privilege
├── RegistrationUnknown         a write was sent, and no answer came
├── RegistrationRefused         vCenter will not make this VMDK an FCD
├── DatastoreNotFound           no datastore has this name, or several have
├── DiskNotFound                the datastore has no such VMDK
├── ConfigInvalid               the driver's configuration cannot be read
└── Faulted                     vCenter answered with any other fault
"""

from __future__ import annotations

from csi_migration.model.errors import AuthenticationFailed, ToolError, Unreachable, UsageError


class VSphereError(ToolError):
    """vCenter could not do what was asked, or did something else."""


class VCenterUnreachable(VSphereError, Unreachable):
    """vCenter did not answer. If it was asked to write, nothing was sent."""


class CertificateRefused(VCenterUnreachable):
    """vCenter's certificate is not one that the configuration trusts."""


class VCenterAuthenticationFailed(VSphereError, AuthenticationFailed):
    """vCenter refused the user or the password."""


class PermissionDenied(VSphereError, AuthenticationFailed):
    """The user lacks a privilege.

    Attributes:
        privilege: vCenter's id of the privilege (`Datastore.FileManagement`).
        entity: the object on which it lacks, as `Type:id`.
    """

    def __init__(self, message: str, *, privilege: str, entity: str, details: str = "") -> None:
        super().__init__(
            message,
            details=details,
            resolution=f"grant {privilege} on {entity} to the user, or use another one",
        )
        self.privilege = privilege
        self.entity = entity


class RegistrationUnknown(VSphereError):
    """A write to the disk catalog was sent and no answer came: it may be applied.

    The caller reads the catalog and compares; it never just repeats.
    """


class RegistrationRefused(VSphereError):
    """vCenter refused to register the VMDK, or registered something else."""


class DatastoreNotFound(VSphereError):
    """No datastore has the name, or several have and nothing tells them apart."""


class DiskNotFound(VSphereError):
    """The datastore has no VMDK of that name, or the catalog no such disk."""


class ConfigInvalid(VSphereError, UsageError):
    """The driver's configuration cannot be read or lacks something needed."""

    usual_resolution = "Check the CSI driver's configuration, or give one with --vcenter-config."


class Faulted(VSphereError):
    """vCenter answered with a fault that has no class of its own here.

    Attributes:
        fault: the fault's type in the API (`vim.fault.InvalidState`).
    """

    def __init__(self, message: str, *, fault: str, details: str = "") -> None:
        super().__init__(message, details=details)
        self.fault = fault
