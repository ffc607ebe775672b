"""pyVmomi, imported here and nowhere else.

Its type stubs leave constructors untyped and give optional parameters no
default, so its names are `Any` here; every module around this one hands out
plain typed values.
"""

from __future__ import annotations

from typing import Any

from pyVmomi import SoapAdapter, VmomiSupport
from pyVmomi import vim as _vim
from pyVmomi import vmodl as _vmodl

vim: Any = _vim
vmodl: Any = _vmodl
SoapStubAdapter: Any = SoapAdapter.SoapStubAdapter

_registry: Any = VmomiSupport
_VIM_NAMESPACE = "vim25"


def moid(thing: Any) -> str:
    """The id of a managed object within its vCenter: `datastore-42`."""
    return str(thing._GetMoId())  # noqa: SLF001 - pyVmomi's only way to ask


def kind_name(kind: Any) -> str:
    """The API's name of a type: `VirtualMachine`."""
    return str(kind.__name__).rsplit(".", 1)[-1]


def newest_version(spoken: set[str]) -> str | None:
    """The newest vim version that pyVmomi knows among those a server speaks.

    `spoken` holds version ids as in `vimServiceVersions.xml` (`8.0.3.0`).
    """
    known: list[str] = _registry.GetServiceVersions(_VIM_NAMESPACE)
    return next((name for name in known if _registry.versionIdMap[name] in spoken), None)
