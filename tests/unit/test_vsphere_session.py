import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import trustme

from csi_migration.model.disk import DiskFile, DiskPath
from csi_migration.vsphere import files
from csi_migration.vsphere._bindings import vim
from csi_migration.vsphere.disks import Disks
from csi_migration.vsphere.errors import (
    Faulted,
    PermissionDenied,
    RegistrationRefused,
    RegistrationUnknown,
    VCenterAuthenticationFailed,
    VCenterUnreachable,
)
from csi_migration.vsphere.inventory import Datastore
from csi_migration.vsphere.session import Session
from csi_migration.vsphere.trust import Trust
from tests.unit.vsphere_server import XSI, Cut, Server, fault, serving, vcenter_at

FILE = DiskFile(DiskPath("ds", "dir/x.vmdk"), "datastore-1", "/Production/DC0", 1)
NO_SESSION = (
    '<object type="ServiceInstance">ServiceInstance</object><privilegeId>System.View</privilegeId>'
)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def certificate(authority: trustme.CA) -> trustme.LeafCert:
    return authority.issue_cert("127.0.0.1")


@pytest.fixture
def server(certificate: trustme.LeafCert) -> Iterator[Server]:
    with serving(certificate) as running:
        yield running


@pytest.fixture
def session(server: Server, authority: trustme.CA) -> Iterator[Session]:
    with connect(server, authority) as opened:
        server.calls.clear()
        server.cookies.clear()
        yield opened


def connect(server: Server, authority: trustme.CA, timeout: float = 5) -> Session:
    trust = Trust(ca_pem=authority.cert_pem.bytes().decode())
    return Session.connect(vcenter_at(server.port), trust, timeout=timeout)


def in_turn(*answers: str | None) -> Callable[[], str]:
    """Give these answers one after the other; None drops the connection."""
    rest = iter(answers)

    def answer() -> str:
        said = next(rest)
        if said is None:
            raise Cut
        return said

    return answer


def cut() -> str:
    raise Cut


def test_logs_in_with_the_newest_version_that_both_know(session: Session) -> None:
    assert session._stub.version == "vim.version.v8_0_3_0"
    assert session.about.api_version == "8.0.3.0"
    assert session.about.instance_uuid == "u-1"


def test_cns_shares_cookie_trust_and_timeout_with_the_session(session: Session) -> None:
    cns, main = session.cns._stub, session._stub
    assert cns.cookie == main.cookie != ""
    assert cns.schemeArgs == main.schemeArgs
    assert cns.schemeArgs["timeout"] == 5


def test_a_refused_login_names_the_user_and_not_the_password(
    server: Server, authority: trustme.CA
) -> None:
    server.answers["Login"] = lambda: fault("InvalidLogin")
    with pytest.raises(VCenterAuthenticationFailed, match=r"csi@vsphere\.local") as refused:
        connect(server, authority)
    assert "s3cret" not in repr(vars(refused.value))


def test_a_server_that_is_no_vcenter_is_named(authority: trustme.CA) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(VCenterUnreachable, match=r"127\.0\.0\.1"):
        Session.connect(vcenter_at(port), Trust(ca_pem=authority.cert_pem.bytes().decode()))


def test_a_read_is_repeated_when_its_connection_breaks(session: Session, server: Server) -> None:
    server.answers["CurrentTime"] = in_turn(None, "2026-01-01T00:00:00Z")
    session.keep_alive()
    assert server.calls == ["CurrentTime", "CurrentTime"]


def test_a_read_that_breaks_twice_is_unreachable(session: Session, server: Server) -> None:
    server.answers["CurrentTime"] = cut
    with pytest.raises(VCenterUnreachable, match="CurrentTime"):
        session.keep_alive()


def test_a_read_logs_in_again_when_the_session_is_gone(session: Session, server: Server) -> None:
    gone = fault("NotAuthenticated", NO_SESSION)
    server.answers["CurrentTime"] = in_turn(gone, "2026-01-01T00:00:00Z")
    session.keep_alive()
    assert server.calls == ["CurrentTime", "Login", "CurrentTime"]
    assert server.cookies[1] == ""
    assert session.cns._stub.cookie == session._stub.cookie


def test_a_write_whose_answer_is_lost_is_sent_once_and_unknown(
    session: Session, server: Server
) -> None:
    server.answers["RegisterDisk"] = cut
    with pytest.raises(RegistrationUnknown, match=r"RegisterDisk of \[ds\] dir/x.vmdk"):
        Disks(session).register(FILE, "x")
    assert server.calls == ["RegisterDisk"]


def test_a_write_that_cannot_connect_is_not_sent(session: Session, server: Server) -> None:
    server.stop()
    with pytest.raises(VCenterUnreachable):
        Disks(session).register(FILE, "x")
    assert server.calls == []


def test_a_write_does_not_use_a_connection_that_may_be_dead(
    session: Session, server: Server
) -> None:
    for connection, _ in session._stub.pool:
        connection.sock.close()
    server.answers["RegisterDisk"] = lambda: fault("AlreadyExists", "<name>id-1</name>")
    assert Disks(session).register(FILE, "x") == "id-1"


def test_a_write_logs_in_again_and_is_sent_again_when_the_session_is_gone(
    session: Session, server: Server
) -> None:
    server.answers["RegisterDisk"] = in_turn(
        fault("NotAuthenticated", NO_SESSION), fault("AlreadyExists", "<name>id-1</name>")
    )
    assert Disks(session).register(FILE, "x") == "id-1"
    assert server.calls == ["RegisterDisk", "Login", "RegisterDisk"]


def test_a_lost_answer_after_the_new_login_is_unknown_too(session: Session, server: Server) -> None:
    server.answers["RegisterDisk"] = in_turn(fault("NotAuthenticated", NO_SESSION), None)
    with pytest.raises(RegistrationUnknown):
        Disks(session).register(FILE, "x")
    assert server.calls == ["RegisterDisk", "Login", "RegisterDisk"]


def test_an_answer_to_a_write_that_cannot_be_read_is_unknown(
    session: Session, server: Server
) -> None:
    server.answers["RegisterDisk"] = lambda: "<unheardOf/>"
    with pytest.raises(RegistrationUnknown):
        Disks(session).register(FILE, "x")


def test_a_refused_url_is_shown(session: Session, server: Server) -> None:
    server.answers["RegisterDisk"] = lambda: fault(
        "InvalidArgument", "<invalidProperty>dsDiskUrl</invalidProperty>"
    )
    with pytest.raises(RegistrationRefused, match="dsDiskUrl") as refused:
        Disks(session).register(FILE, "x")
    assert "dcPath=%2FProduction%2FDC0&dsName=ds" in refused.value.details


def test_a_lacking_privilege_is_named_with_its_object(session: Session, server: Server) -> None:
    inside = (
        '<object type="Datastore">datastore-1</object>'
        "<privilegeId>Datastore.FileManagement</privilegeId>"
    )
    server.answers["RegisterDisk"] = lambda: fault("NoPermission", inside)
    with pytest.raises(PermissionDenied) as denied:
        Disks(session).register(FILE, "x")
    assert (denied.value.privilege, denied.value.entity) == (
        "Datastore.FileManagement",
        "Datastore:datastore-1",
    )


def test_another_fault_keeps_its_type(session: Session, server: Server) -> None:
    server.answers["SetVStorageObjectControlFlags"] = lambda: fault("InvalidState")
    with pytest.raises(Faulted) as faulted:
        Disks(session).protect("datastore-1", "id-1")
    assert faulted.value.fault == "vim.fault.InvalidState"


def entry(disk_id: str, path: str) -> str:
    return (
        f"<config><id><id>{disk_id}</id></id><name>n</name>"
        "<createTime>2026-01-01T00:00:00Z</createTime>"
        f'<backing xmlns:xsi="{XSI}" xsi:type="BaseConfigInfoDiskFileBackingInfo">'
        '<datastore type="Datastore">datastore-1</datastore>'
        f"<filePath>{path}</filePath><provisioningType>thin</provisioningType></backing>"
        "<capacityInMB>1</capacityInMB></config>"
    )


def test_a_broken_entry_of_the_catalog_does_not_hide_the_others(
    session: Session, server: Server
) -> None:
    ids = "<id>broken</id></returnval><returnval><id>id-1</id>"
    server.answers["ListVStorageObject"] = lambda: ids
    ours = entry("id-1", str(FILE.path))
    server.answers["RetrieveVStorageObject"] = in_turn(fault("InvalidState"), ours, ours)
    found = Disks(session).find(FILE)
    assert found is not None
    assert found.id == "id-1"


def test_a_fault_of_the_disk_that_was_asked_for_is_raised(session: Session, server: Server) -> None:
    server.answers["RetrieveVStorageObject"] = lambda: fault("InvalidState")
    with pytest.raises(Faulted):
        Disks(session).find(FILE, "id-1")
    with pytest.raises(Faulted):
        Disks(session).retrieve("datastore-1", "id-1")


def test_a_lost_connection_ends_the_listing_of_a_catalog(session: Session, server: Server) -> None:
    server.answers["ListVStorageObject"] = lambda: "<id>id-1</id>"
    server.answers["RetrieveVStorageObject"] = cut
    with pytest.raises(VCenterUnreachable):
        Disks(session).find(FILE)


def test_expected_faults_pass(session: Session, server: Server) -> None:
    server.answers["CurrentTime"] = lambda: fault("NotFound")
    service = session.managed(vim.ServiceInstance, "ServiceInstance")
    with pytest.raises(vim.fault.NotFound):
        session.read(service.CurrentTime, method="CurrentTime", expect=(vim.fault.NotFound,))


def test_a_server_that_does_not_answer_in_time_is_asked_once(
    server: Server, authority: trustme.CA
) -> None:
    asleep = threading.Event()
    with connect(server, authority, timeout=2) as session:
        server.answers["CurrentTime"] = lambda: str(asleep.wait(60))
        with pytest.raises(VCenterUnreachable, match="CurrentTime"):
            session.keep_alive()
        asleep.set()
        assert server.calls.count("CurrentTime") == 1


VSAN = Datastore("datastore-1", "vsan", "/DC0", "datacenter-1", "ds:///vsan:1/", "vsan")


def test_a_folders_alias_on_vsan_is_put_into_vcenters_spelling(
    session: Session, server: Server
) -> None:
    told = "<file>[vsan] 0c6ad55e-1111-2222-3333-444455556666/no-such-disk-x.vmdk</file>"
    server.answers["QueryVirtualDiskUuid"] = lambda: fault("FileNotFound", told)
    path = files.canonical(session, DiskPath("vsan", "kubevols/x.vmdk"), VSAN)
    assert path == DiskPath("vsan", "0c6ad55e-1111-2222-3333-444455556666/x.vmdk")


@pytest.mark.parametrize(
    ("kind", "file"),
    [("vsan", "0c6ad55e-1111-2222-3333-444455556666/x.vmdk"), ("VMFS", "kubevols/x.vmdk")],
)
def test_a_path_that_has_no_alias_is_not_asked_for(
    session: Session, server: Server, kind: str, file: str
) -> None:
    path = DiskPath("vsan", file)
    assert files.canonical(session, path, replace(VSAN, kind=kind)) == path
    assert server.calls == []


def test_a_name_that_makes_the_disk_look_like_an_orphan_is_not_sent(
    session: Session, server: Server
) -> None:
    with pytest.raises(ValueError, match="pvc-"):
        Disks(session).register(FILE, "pvc-1")
    assert server.calls == []
