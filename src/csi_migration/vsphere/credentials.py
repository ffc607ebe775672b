"""Where the driver's configuration lies in a cluster, and how to read it there.

Works on Kubernetes objects as plain mappings; fetching them is not its task.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from csi_migration.vsphere.csi_config import CsiConfig, VCenter, parse
from csi_migration.vsphere.errors import ConfigInvalid

_Object = Mapping[str, Any]

_KNOWN_PLACES = (
    ("vmware-system-csi", "vsphere-config-secret"),
    ("openshift-cluster-csi-drivers", "vsphere-csi-config-secret"),
    ("kube-system", "vsphere-config-secret"),
)
_KNOWN_KEYS = ("csi-vsphere.conf", "cloud.conf")


def config_secret_candidates(deployment: _Object | None) -> list[tuple[str, str]]:
    """Secrets that may hold the driver's configuration, most likely first.

    `deployment` is the driver's `vsphere-csi-controller`, if it was found: the
    Secrets that it mounts come before the known places. Each is a namespace
    and a name.
    """
    mounted = _mounted_secrets(deployment) if deployment else []
    return list(dict.fromkeys([*mounted, *_KNOWN_PLACES]))


def holds_config(secret: _Object) -> bool:
    """Whether a configuration is in it at all: the driver mounts certificates, too."""
    try:
        return bool(_config_key(secret))
    except ConfigInvalid:
        return False


def config_from_secret(secret: _Object) -> CsiConfig:
    """Read the driver's configuration out of its Secret.

    Raises:
        ConfigInvalid: no key, or no single one, holds a configuration.
    """
    return parse(_text(secret, _config_key(secret)))


def ca_from_secret(secret: _Object, vcenter: VCenter) -> str | None:
    """The PEM text that the configuration's `ca-file` means, if the Secret has it.

    The driver mounts the Secret as a folder, so the file's name is the key.
    """
    key = PurePosixPath(vcenter.ca_file).name
    return _text(secret, key) if key and key in _keys(secret) else None


def _mounted_secrets(deployment: _Object) -> list[tuple[str, str]]:
    namespace = deployment["metadata"]["namespace"]
    volumes = deployment["spec"]["template"]["spec"].get("volumes") or []
    sources = [volume.get("secret") or {} for volume in volumes]
    for volume in volumes:
        parts = (volume.get("projected") or {}).get("sources") or []
        sources += [part.get("secret") or {} for part in parts]
    names = (source.get("secretName") or source.get("name") for source in sources)
    return [(namespace, name) for name in names if name]


def _config_key(secret: _Object) -> str:
    keys = _keys(secret)
    confs = [key for key in keys if key.endswith(".conf")]
    found = next((key for key in _KNOWN_KEYS if key in keys), None)
    if found is None and len(confs) == 1:
        return confs[0]
    if found is None:
        raise ConfigInvalid(
            f"Secret {_name(secret)} has no key {' or '.join(_KNOWN_KEYS)}, nor a single *.conf",
            details=f"its keys: {', '.join(sorted(keys)) or 'none'}",
        )
    return found


def _keys(secret: _Object) -> set[str]:
    return {*(secret.get("data") or {}), *(secret.get("stringData") or {})}


def _text(secret: _Object, key: str) -> str:
    plain: str | None = (secret.get("stringData") or {}).get(key)
    if plain is not None:
        return plain
    try:
        return base64.b64decode(secret["data"][key], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        # Neither error is chained: both would print what they could not read.
        raise ConfigInvalid(f"Secret {_name(secret)}, key {key}: not base64 of text") from None


def _name(secret: _Object) -> str:
    metadata = secret.get("metadata") or {}
    return f"{metadata.get('namespace', '?')}/{metadata.get('name', '?')}"
