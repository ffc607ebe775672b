"""The proxies of the torture do to a request what they say, and to no other one."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import urllib3
from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import vim

from lab.client import ApiError, Cluster, Object, suppress_not_found
from lab.waiting import until
from tests.lab.labkit import Lab
from tests.torture import faultproxy
from tests.torture import meter as meters
from tests.torture.case import Strike
from tests.torture.fault import Fault
from tests.torture.faultproxy import Interposed, interposed
from tests.torture.meter import Meter

NAME = "torn"
LEASE: Object = {
    "apiVersion": "coordination.k8s.io/v1",
    "kind": "Lease",
    "metadata": {"name": NAME, "namespace": "default"},
}


@pytest.fixture
def between(lab: Lab, tmp_path: Path) -> Iterator[Interposed]:
    with interposed(lab, tmp_path) as made:
        yield made
    with suppress_not_found():
        lab.cluster().delete("Lease", NAME, "default")


@pytest.fixture
def victim() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


def create_struck(
    between: Interposed, fault: Fault, by: subprocess.Popen[bytes] | None = None
) -> Object:
    """Create the Lease as the first write, struck, as if that process did."""
    between.meter = Meter(Strike(kind="w", number=1, fault=fault))
    if by:
        between.meter.aim(by)
    return Cluster(between.kubeconfig).create(LEASE)


def is_there(lab: Lab) -> bool:
    return lab.cluster().find("Lease", NAME, "default") is not None


def test_what_is_not_struck_goes_through_and_is_counted(lab: Lab, between: Interposed) -> None:
    client = Cluster(between.kubeconfig)
    assert client.create(LEASE)["metadata"]["name"] == NAME
    assert client.get("Lease", NAME, "default")["kind"] == "Lease"
    client.create({**LEASE, "metadata": {"name": "dry", "namespace": "default"}}, dry_run=True)
    client.delete("Lease", NAME, "default")
    assert [str(each) for each in between.meter.of("w")] == [
        f"create leases {NAME}",
        f"delete leases {NAME}",
    ]
    assert len(between.meter.of("r")) == 2
    assert not is_there(lab)


def test_the_tool_keeps_its_own_few_rights(between: Interposed) -> None:
    with pytest.raises(ApiError) as refused:
        Cluster(between.kubeconfig).list("Secret", "kube-system")
    assert refused.value.status == 403


@pytest.mark.parametrize(("fault", "applied"), [("cut-before", False), ("cut-applied", True)])
def test_a_cut_comes_before_or_after_the_write(
    lab: Lab, between: Interposed, fault: str, applied: bool
) -> None:
    with pytest.raises(urllib3.exceptions.ProtocolError):
        create_struck(between, Fault(fault))
    assert is_there(lab) == applied
    assert str(between.meter.struck) == f"create leases {NAME}"


@pytest.mark.parametrize("status", [401, 403, 409, 429, 500, 503])
def test_a_refused_write_is_not_handed_on(lab: Lab, between: Interposed, status: int) -> None:
    with pytest.raises(ApiError) as refused:
        create_struck(between, Fault(str(status)))
    assert refused.value.status == status
    assert not is_there(lab)


def test_only_the_one_request_is_struck(lab: Lab, between: Interposed) -> None:
    with pytest.raises(ApiError):
        create_struck(between, Fault.ANSWER_503)
    Cluster(between.kubeconfig).create(LEASE)
    assert is_there(lab)


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        ("kill-before", "nothing"),
        ("kill-forwarded", "the object"),
        ("kill-answered", "the object and the answer"),
    ],
)
def test_a_kill_comes_at_its_moment(
    lab: Lab, between: Interposed, victim: subprocess.Popen[bytes], fault: str, seen: str
) -> None:
    try:
        answered = bool(create_struck(between, Fault(fault), victim))
    except urllib3.exceptions.ProtocolError:
        answered = False
    assert victim.wait(60) == -signal.SIGKILL
    assert is_there(lab) == ("object" in seen)
    assert answered == ("answer" in seen)


def test_a_kill_that_comes_late_does_not_strike_the_next_run(
    between: Interposed, victim: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faultproxy, "_ANSWERED_SECONDS", 1.0)
    next_one = subprocess.Popen(["sleep", "60"])
    try:
        assert create_struck(between, Fault.KILL_ANSWERED, victim)
        between.meter = Meter()
        between.meter.aim(next_one)
        assert victim.wait(60) == -signal.SIGKILL
        assert next_one.poll() is None
    finally:
        next_one.kill()
        next_one.wait()


def test_where_no_run_was_started_a_kill_strikes_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Least of all the group of processes that the torture itself belongs to."""
    monkeypatch.setattr(meters, "START_SECONDS", 0)
    struck: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda *told: struck.append(told))
    Meter().kill()
    assert struck == []


@pytest.mark.parametrize("fault", ["delay", "late"])
def test_a_delay_comes_before_or_after_the_write(
    lab: Lab, between: Interposed, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr(faultproxy, "DELAY_SECONDS", 6.0)
    impatient = Cluster(between.kubeconfig)
    impatient._pool.connection_pool_kw["timeout"] = urllib3.Timeout(connect=10, read=2)
    between.meter = Meter(Strike(kind="w", number=1, fault=Fault(fault)))
    with pytest.raises(urllib3.exceptions.ReadTimeoutError):
        impatient.create(LEASE)
    assert is_there(lab) == (fault == "delay")
    until("the write", lambda: is_there(lab))


def test_what_a_dead_run_sent_is_handed_on_when_it_is_let_go(
    lab: Lab, between: Interposed, victim: subprocess.Popen[bytes]
) -> None:
    client = Cluster(between.kubeconfig)
    client.create(LEASE)
    between.meter = Meter(Strike(kind="w", number=1, fault=Fault.KILL_LATE))
    between.meter.aim(victim)
    with pytest.raises(urllib3.exceptions.ProtocolError):
        client.delete("Lease", NAME, "default")
    assert victim.wait(60) == -signal.SIGKILL
    assert is_there(lab)
    between.let_go()
    assert not is_there(lab)


def test_a_watch_is_handed_on_event_by_event(lab: Lab, tmp_path: Path) -> None:
    with interposed(lab, tmp_path, identity="admin") as between:
        client = Cluster(between.kubeconfig)
        begun = time.monotonic()
        with closing(client.watch("Namespace", seconds=60)) as events:  # type: ignore[type-var]
            assert next(events)["type"] == "ADDED"
            assert time.monotonic() - begun < 50


def test_a_watch_is_answered_when_it_begins(
    lab: Lab, tmp_path: Path, victim: subprocess.Popen[bytes]
) -> None:
    """There may never be an event that could tell of its answer."""
    with interposed(lab, tmp_path, identity="admin") as between:
        between.meter = Meter(Strike(kind="v", number=1, fault=Fault.KILL_ANSWERED))
        between.meter.aim(victim)
        events = Cluster(between.kubeconfig).watch("Lease", "nobody-has-this", seconds=3)
        assert list(events) == []
        assert victim.poll() == -signal.SIGKILL


def test_a_watch_can_be_too_old(lab: Lab, tmp_path: Path) -> None:
    with interposed(lab, tmp_path, identity="admin") as between:
        between.meter = Meter(Strike(kind="v", number=1, fault=Fault.ANSWER_410))
        with pytest.raises(ApiError) as refused:
            next(Cluster(between.kubeconfig).watch("Namespace", seconds=5))
    assert refused.value.status == 410


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("401", vim.fault.NotAuthenticated),
        ("403", vim.fault.NoPermission),
        ("logout", vim.fault.NotAuthenticated),
    ],
)
def test_vcenter_refuses_in_its_own_words(
    between: Interposed, fault: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        ask_vcenter(between, Fault(fault))


def test_a_session_that_was_ended_stays_ended(lab: Lab, between: Interposed) -> None:
    """So that it is vCenter that refuses, and not the proxy in its stead."""
    with session(between) as vcenter:
        between.meter = Meter(Strike(kind="c", number=1, fault=Fault.LOGOUT))
        for _ in range(2):
            with pytest.raises(vim.fault.NotAuthenticated):
                datacenters(vcenter)
    calls = (lab.layout.vcenter / "calls.jsonl").read_text().splitlines()
    assert any('"Logout"' in call for call in calls[-5:])


def ask_vcenter(between: Interposed, fault: Fault) -> None:
    """Read something as the first request of a new run."""
    with session(between) as vcenter:
        between.meter = Meter(Strike(kind="c", number=1, fault=fault))
        datacenters(vcenter)


@contextmanager
def session(between: Interposed) -> Iterator[Any]:
    """Ended for good: a socket that the garbage collector closes fails whichever test is next."""
    vcenter = between.vcenter
    made = SmartConnect(  # type: ignore[no-untyped-call]
        host=vcenter["host"],
        port=vcenter["port"],
        user=vcenter["driver_user"],
        pwd=vcenter["driver_password"],
        sslContext=ssl.create_default_context(cafile=vcenter["ca"]),
    )
    try:
        yield made
    finally:
        Disconnect(made)  # type: ignore[no-untyped-call]
        made._stub.DropConnections()


def datacenters(vcenter: Any) -> Any:
    return vcenter.content.rootFolder.childEntity
