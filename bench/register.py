"""`python -m bench.register '[datastore] folder/disk.vmdk'`: the runbook's vCenter client.

Makes the VMDK a First Class Disk and prints its id, as `govc disk.register` does; a disk that
is one already has its id printed. VCENTER_HOST, _PORT, _USER, _PASSWORD, _CA and _DATACENTER
say where.
"""

from __future__ import annotations

import os
import ssl
import sys
from typing import Any
from urllib.parse import quote

from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import vim


def main() -> int:
    """Print the id."""
    instance: Any = SmartConnect(  # type: ignore[no-untyped-call]
        host=os.environ["VCENTER_HOST"],
        port=int(os.environ["VCENTER_PORT"]),
        user=os.environ["VCENTER_USER"],
        pwd=os.environ["VCENTER_PASSWORD"],
        sslContext=ssl.create_default_context(cafile=os.environ["VCENTER_CA"]),
    )
    try:
        print(_registered(instance.RetrieveContent(), sys.argv[1]))
    finally:
        Disconnect(instance)  # type: ignore[no-untyped-call]
    return 0


def _registered(content: Any, path: str) -> str:
    try:
        disk = content.vStorageObjectManager.RegisterDisk(_url(path))
    except vim.fault.AlreadyExists as error:
        return str(error.name)
    return str(disk.config.id.id)


def _url(path: str) -> str:
    """`https://HOST/folder/PATH?dcPath=…&dsName=…`, which RegisterDisk wants."""
    datastore, _, file = path.removeprefix("[").partition("] ")
    where = f"dcPath={quote(os.environ['VCENTER_DATACENTER'], safe='')}&dsName={quote(datastore)}"
    return f"https://{os.environ['VCENTER_HOST']}/folder/{quote(file)}?{where}"


if __name__ == "__main__":
    sys.exit(main())
