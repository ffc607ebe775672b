"""Systems that can't be reached, don't prove who they are, or don't let the tool in."""

from __future__ import annotations

import base64
import hashlib
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import trustme
import yaml

from lab.client import Cluster, Object
from lab.objects import CONFIG_SECRET, DRIVER_NAMESPACE, USER_CLUSTER, driver_config
from lab.pki import edited_kubeconfig
from lab.processes import free_ports
from lab.waiting import until
from tests.lab.labkit import Lab, Trial
from tests.lab.refusalkit import assert_refused, standing
from tests.lab.vcenter_proxy import vcenter_proxy

ROLES = ("statefulset-csi-migration-tool-namespace", "statefulset-csi-migration-tool-cluster")


@pytest.fixture(scope="module")
def trial(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    folder = tmp_path_factory.mktemp("access")
    with standing(lab, folder, namespace="refused-access", replicas=2) as made:
        yield made


def closed_port() -> int:
    return free_ports(1)[0]


# Kubernetes ----------------------------------------------------------------------


def test_a_kubeconfig_that_is_not_there_is_named(trial: Trial, tmp_path: Path) -> None:
    missing = tmp_path / "no-kubeconfig"
    assert_refused(trial, tmp_path / "work", ["--kubeconfig", missing], 2, str(missing))


@pytest.mark.parametrize(
    "content", ["{ not: [yaml", "just words", "", "apiVersion: v1\nkind: Pod\n"]
)
def test_a_kubeconfig_that_is_none_is_refused(trial: Trial, tmp_path: Path, content: str) -> None:
    garbage = tmp_path / "kubeconfig"
    garbage.write_text(content)
    assert_refused(trial, tmp_path / "work", ["--kubeconfig", garbage], 2, str(garbage))


def test_a_server_of_another_authority_is_not_trusted(
    lab: Lab, trial: Trial, tmp_path: Path
) -> None:
    other = base64.b64encode(trustme.CA().cert_pem.bytes()).decode()
    kubeconfig = edited_kubeconfig(
        lab.layout.kubeconfig("admin", "tool"),
        tmp_path / "kubeconfig",
        cluster={"certificate-authority-data": other},
    )
    extra = ["--kubeconfig", kubeconfig]
    assert_refused(trial, tmp_path / "work", extra, 9, "certificate verify failed")


def test_an_api_server_that_is_down_is_named(lab: Lab, trial: Trial, tmp_path: Path) -> None:
    server = f"https://127.0.0.1:{closed_port()}"
    kubeconfig = edited_kubeconfig(
        lab.layout.kubeconfig("admin", "tool"),
        tmp_path / "kubeconfig",
        cluster={"server": server},
    )
    extra = ["--kubeconfig", kubeconfig]
    assert_refused(trial, tmp_path / "work", extra, 9, server, "Connection refused")


def test_a_user_cluster_that_is_down_behind_a_good_admin_cluster_is_named(
    lab: Lab, trial: Trial, tmp_path: Path
) -> None:
    server = f"https://127.0.0.1:{closed_port()}"
    down = edited_kubeconfig(
        lab.layout.kubeconfig("user", "tool"), tmp_path / "down", cluster={"server": server}
    )
    content = {"admin.conf": base64.b64encode(down.read_bytes()).decode()}
    admin, name = lab.cluster("admin"), "down"
    admin.create(
        {"apiVersion": "v1", "kind": "Secret", "data": content}
        | {"metadata": {"name": name, "namespace": USER_CLUSTER}}
    )
    try:
        extra = ["--kubeconfig", lab.layout.kubeconfig("admin", "admin")]
        extra += ["--cluster-secret", f"{USER_CLUSTER}/{name}/admin.conf"]
        assert_refused(trial, tmp_path / "work", extra, 9, server, "Connection refused")
    finally:
        admin.delete("Secret", name, USER_CLUSTER)


def test_a_driver_configuration_that_is_nowhere_is_named_with_the_places(
    trial: Trial, tmp_path: Path
) -> None:
    cluster = trial.cluster
    kept = cluster.get("Secret", CONFIG_SECRET, DRIVER_NAMESPACE)
    cluster.delete("Secret", CONFIG_SECRET, DRIVER_NAMESPACE)
    try:
        says = ("configuration was not found", f"{DRIVER_NAMESPACE}/{CONFIG_SECRET} (not there)")
        assert_refused(trial, tmp_path / "work", [], 2, *says, "--vcenter-config")
    finally:
        metadata = {"name": CONFIG_SECRET, "namespace": DRIVER_NAMESPACE}
        cluster.create(kept | {"metadata": metadata})


def test_a_driver_configuration_that_may_not_be_read_is_a_matter_of_permissions(
    lab: Lab, trial: Trial, tmp_path: Path
) -> None:
    options = ("list", "no-such-resources")
    with identity_without(lab, trial, tmp_path, *options, may_read_vcenter=False) as extra:
        says = (
            "may not read the CSI driver's configuration",
            f"{DRIVER_NAMESPACE}/{CONFIG_SECRET} (may not be read)",
            "deploy/rbac-user-cluster.yaml",
        )
        assert_refused(trial, tmp_path / "work", extra, 8, *says)


def test_an_identity_that_may_not_delete_pods_is_blocked(
    lab: Lab, trial: Trial, tmp_path: Path
) -> None:
    with identity_without(lab, trial, tmp_path, "delete", "pods") as options:
        assert_refused(trial, tmp_path / "work", options, 3, "it may not delete pods")


def test_an_identity_that_may_not_list_volumes_is_not_let_in(
    lab: Lab, trial: Trial, tmp_path: Path
) -> None:
    with identity_without(lab, trial, tmp_path, "list", "persistentvolumes") as options:
        says = ("may not list persistentvolumes", "deploy/rbac-user-cluster.yaml")
        assert_refused(trial, tmp_path / "work", options, 8, *says)


def test_an_identity_that_nobody_knows_is_not_let_in(
    lab: Lab, trial: Trial, tmp_path: Path
) -> None:
    kubeconfig = token_kubeconfig(lab, tmp_path / "kubeconfig", "nobody-issued-this")
    extra = ["--kubeconfig", kubeconfig, "--cluster-name", ""]
    assert_refused(trial, tmp_path / "work", extra, 8, "401 Unauthorized")


@contextmanager
def identity_without(
    lab: Lab,
    trial: Trial,
    folder: Path,
    verb: str,
    resource: str,
    *,
    may_read_vcenter: bool = True,
) -> Iterator[list[object]]:
    """Options for the user cluster as somebody with the tool's permissions but one."""
    cluster, namespace = trial.cluster, trial.workload.namespace
    name = f"no-{verb}-{resource}"
    account = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    rules = [
        {**rule, "verbs": [each for each in rule["verbs"] if each != verb]}
        if resource in rule["resources"]
        else rule
        for role in ROLES
        for rule in cluster.get("ClusterRole", role)["rules"]
    ]
    with ExitStack() as undo:
        for body in (
            rbac("ClusterRole", name, rules=rules),
            rbac("ClusterRoleBinding", name, roleRef=role_ref("ClusterRole", name))
            | {"subjects": [account]},
            rbac("RoleBinding", name, DRIVER_NAMESPACE, roleRef=vcenter_role())
            | {"subjects": [account] if may_read_vcenter else []},
        ):
            cluster.create(body)
            undo.callback(cluster.delete, body["kind"], name, namespace_of(body))
        kubeconfig = account_kubeconfig(lab, cluster, account, folder / "kubeconfig")
        yield ["--kubeconfig", kubeconfig, "--cluster-name", ""]


def rbac(kind: str, name: str, namespace: str = "", **fields: object) -> Object:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    version = "rbac.authorization.k8s.io/v1"
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **fields}


def role_ref(kind: str, name: str) -> Object:
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}


def vcenter_role() -> Object:
    return role_ref("Role", "statefulset-csi-migration-tool-vcenter")


def namespace_of(body: Object) -> str:
    return str(body["metadata"].get("namespace", ""))


def account_kubeconfig(lab: Lab, cluster: Cluster, account: Object, path: Path) -> Path:
    metadata = {"name": account["name"], "namespace": account["namespace"]}
    cluster.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    annotations = {"kubernetes.io/service-account.name": account["name"]}
    cluster.create(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/service-account-token",
            "metadata": metadata | {"annotations": annotations},
        }
    )

    def token() -> str:
        secret = cluster.get("Secret", account["name"], account["namespace"])
        return str((secret.get("data") or {}).get("token", ""))

    until("the account's token", lambda: bool(token()))
    return token_kubeconfig(lab, path, base64.b64decode(token()).decode())


def token_kubeconfig(lab: Lab, path: Path, token: str) -> Path:
    content = yaml.safe_load(lab.layout.kubeconfig("user", "tool").read_text())
    content["users"][0]["user"] = {"token": token}
    path.write_text(yaml.safe_dump(content))
    return path


# vCenter -------------------------------------------------------------------------


def written(path: Path, vcenter: Object) -> Path:
    path.write_text(driver_config(vcenter))
    return path


def test_a_vcenter_that_is_down_is_named(lab: Lab, trial: Trial, tmp_path: Path) -> None:
    port = closed_port()
    config = written(tmp_path / "csi-vsphere.conf", {**lab.facts.vcenter, "port": port})
    extra = ["--vcenter-config", config]
    assert_refused(trial, tmp_path / "work", extra, 9, f"127.0.0.1:{port}", "Connection refused")


def test_a_wrong_password_is_refused_and_never_printed(
    lab: Lab, trial: Trial, tmp_path: Path
) -> None:
    wrong = {**lab.facts.vcenter, "driver_password": "not-the-password"}
    config = written(tmp_path / "csi-vsphere.conf", wrong)
    extra = ["--vcenter-config", config]
    run = assert_refused(trial, tmp_path / "work", extra, 8, "csi@vsphere.local")
    assert "not-the-password" not in str(run)


def test_a_configuration_that_is_none_is_refused(trial: Trial, tmp_path: Path) -> None:
    config = tmp_path / "csi-vsphere.conf"
    config.write_text("not a configuration\n")
    assert_refused(trial, tmp_path / "work", ["--vcenter-config", config], 2, str(config))


def test_a_configuration_that_is_not_there_is_named(trial: Trial, tmp_path: Path) -> None:
    missing = tmp_path / "no-such.conf"
    assert_refused(trial, tmp_path / "work", ["--vcenter-config", missing], 2, str(missing))


def test_another_thumbprint_is_refused_and_the_presented_one_printed(
    lab: Lab, trial: Trial, tmp_path: Path
) -> None:
    der = ssl.PEM_cert_to_DER_cert((lab.layout.pki / "server.pem").read_text())
    presented = hashlib.sha256(der).digest().hex(":").upper()
    extra = ["--vcenter-thumbprint", ":".join(["AB"] * 20)]
    assert_refused(trial, tmp_path / "work", extra, 9, "not trusted", presented)


def test_another_authority_is_refused(trial: Trial, tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(authority))
    extra = ["--vcenter-ca", authority]
    assert_refused(trial, tmp_path / "work", extra, 9, "not trusted", "thumbprint")


def test_a_given_authority_stands_for_the_one_of_a_configuration_from_a_pod(
    lab: Lab, trial: Trial, tmp_path: Path
) -> None:
    settings = driver_config(lab.facts.vcenter).replace("thumbprint = ", "# thumbprint = ")
    config = tmp_path / "csi-vsphere.conf"
    config.write_text(settings + 'ca-file = "/etc/cloud/ca.crt"\n')
    assert_refused(trial, tmp_path / "work", ["--vcenter-config", config], 2, "/etc/cloud/ca.crt")
    extra = ["--vcenter-config", str(config), "--vcenter-ca", str(lab.layout.pki / "ca.pem")]
    assert trial.preflight(*extra).exit_code == 0


def test_a_vcenter_account_that_lacks_a_privilege_is_blocked(
    lab: Lab, trial: Trial, tmp_path: Path
) -> None:
    with vcenter_proxy(lab) as vcenter:
        config = vcenter.configuration(tmp_path / "csi-vsphere.conf")
        vcenter.missing = "Datastore.FileManagement"
        says = "the account lacks Datastore.FileManagement on vsanDatastore"
        extra = ["--vcenter-config", config]
        assert_refused(trial, tmp_path / "work", extra, 3, says, "vcenter-privileges")
