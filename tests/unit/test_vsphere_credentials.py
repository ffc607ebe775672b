import base64
from typing import Any

import pytest

from csi_migration.vsphere.credentials import (
    ca_from_secret,
    config_from_secret,
    config_secret_candidates,
    holds_config,
)
from csi_migration.vsphere.errors import ConfigInvalid

CONF = '[VirtualCenter "vc"]\nuser = a@b\nca-file = /etc/cloud/root.pem\n'


def secret(**data: str) -> dict[str, Any]:
    encoded = {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}
    return {"metadata": {"namespace": "ns", "name": "conf"}, "data": encoded}


def test_what_the_driver_mounts_comes_before_the_known_places() -> None:
    volumes = [{"name": "a", "emptyDir": {}}, {"name": "b", "secret": {"secretName": "mine"}}]
    deployment = {
        "metadata": {"namespace": "gdc"},
        "spec": {"template": {"spec": {"volumes": volumes}}},
    }
    assert config_secret_candidates(deployment)[:2] == [
        ("gdc", "mine"),
        ("vmware-system-csi", "vsphere-config-secret"),
    ]


def test_no_place_is_tried_twice() -> None:
    volume = {"secret": {"secretName": "vsphere-config-secret"}}
    deployment = {
        "metadata": {"namespace": "kube-system"},
        "spec": {"template": {"spec": {"volumes": [volume]}}},
    }
    candidates = config_secret_candidates(deployment)
    assert len(candidates) == len(set(candidates)) == 3


def test_without_a_deployment_the_known_places_remain() -> None:
    assert ("openshift-cluster-csi-drivers", "vsphere-csi-config-secret") in (
        config_secret_candidates(None)
    )


@pytest.mark.parametrize("key", ["csi-vsphere.conf", "cloud.conf", "my.conf"])
def test_the_configuration_is_found_under_its_key(key: str) -> None:
    assert config_from_secret(secret(**{key: CONF, "other": "x"})).vcenters[0].host == "vc"


def test_a_secret_not_yet_sent_is_read_too() -> None:
    assert config_from_secret({"stringData": {"cloud.conf": CONF}}).vcenters[0].host == "vc"


@pytest.mark.parametrize("keys", [(), ("a.conf", "b.conf"), ("values.yaml",)])
def test_a_secret_without_a_clear_configuration_is_refused(keys: tuple[str, ...]) -> None:
    with pytest.raises(ConfigInvalid, match="Secret ns/conf"):
        config_from_secret(secret(**dict.fromkeys(keys, CONF)))


def test_broken_base64_is_refused_without_showing_it() -> None:
    broken = {"data": {"cloud.conf": "c2VjcmV0*"}}
    with pytest.raises(ConfigInvalid) as refused:
        config_from_secret(broken)
    assert "c2VjcmV0" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_the_ca_file_is_the_secrets_key_of_that_name() -> None:
    full = secret(**{"cloud.conf": CONF, "root.pem": "PEM"})
    (vcenter,) = config_from_secret(full).vcenters
    assert ca_from_secret(full, vcenter) == "PEM"
    assert ca_from_secret(secret(**{"cloud.conf": CONF}), vcenter) is None


def test_a_secret_of_certificates_holds_no_configuration() -> None:
    assert not holds_config(secret(**{"tls.crt": "pem"}))
    assert holds_config(secret(**{"csi-vsphere.conf": CONF}))


def test_a_projected_secret_is_a_place_to_look() -> None:
    volume = {"projected": {"sources": [{"configMap": {"name": "x"}}, {"secret": {"name": "own"}}]}}
    deployment = {
        "metadata": {"namespace": "gdc"},
        "spec": {"template": {"spec": {"volumes": [volume]}}},
    }
    assert config_secret_candidates(deployment)[0] == ("gdc", "own")
