"""The two proxies between a tool and its servers, which strike as a meter says."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import urllib3
import yaml

from lab.objects import driver_config
from lab.pki import led_to
from lab.tls import as_told_by
from tests.lab import soap
from tests.lab.labkit import Lab
from tests.lab.proxy import Answer, Cut, Proxy, Request, Upstream
from tests.lab.vcenter_proxy import vcenter_upstream
from tests.torture.fault import DELAY_SECONDS, Fault, answer_in_place_of
from tests.torture.meter import Meter
from tests.torture.signature import Signature, of_kubernetes, of_vcenter

# Time for the tool to read an answer and to go on a little before it dies of it.
_ANSWERED_SECONDS = 0.005
_COOKIE = "vmware_soap_session"


class Interposed:
    """Both proxies of one tool, and the run that they are measuring.

    Attributes:
        kubeconfig: leads to the user cluster, as one of pki.IDENTITIES.
        vcenter: as in the lab's facts, but with the proxy's port.
        vcenter_config: the same for the tool.
        meter: of the run that is on, or yet to be started.
    """

    def __init__(self, lab: Lab, folder: Path, identity: str) -> None:
        self.meter = Meter()
        self._held: list[Callable[[], object]] = []
        own = lab.layout.kubeconfig("user", identity)
        self._kubernetes = _FaultProxy(self, lab.layout.pki, _user_cluster(own), of_kubernetes)
        self._vcenter = _VCenter(
            self, lab.layout.pki, vcenter_upstream(lab.facts.vcenter), of_vcenter
        )
        for proxy in (self._kubernetes, self._vcenter):
            proxy.listen()
        self.kubeconfig = led_to(self._kubernetes.port, own, folder / "kubeconfig.yaml")
        self.vcenter_config = folder / "csi-vsphere.conf"
        self.vcenter = {**lab.facts.vcenter, "port": self._vcenter.port}
        self.vcenter_config.write_text(driver_config(self.vcenter))

    def hold(self, request: Callable[[], object]) -> None:
        """Keep a request that nobody waits for any more."""
        self._held.append(request)

    def let_go(self) -> None:
        """Hand on what was held."""
        while self._held:
            self._held.pop(0)()

    def log_out(self) -> None:
        """End the tool's session in vCenter."""
        self._vcenter.log_out()

    def hang_up(self) -> None:
        """End both proxies."""
        for proxy in (self._kubernetes, self._vcenter):
            proxy.hang_up()


@contextmanager
def interposed(lab: Lab, folder: Path, identity: str = "tool") -> Iterator[Interposed]:
    """Proxies that listen until the `with` block ends; their configurations are in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Interposed(lab, folder, identity)
    try:
        yield made
    finally:
        made.hang_up()


class _FaultProxy(Proxy):
    """Hands through what the meter does not strike."""

    def __init__(
        self,
        both: Interposed,
        pki: Path,
        upstream: Upstream,
        signature: Callable[[Request], Signature],
    ) -> None:
        super().__init__(pki, upstream)
        self._both, self._signature = both, signature

    def answer(self, request: Request) -> Answer:
        signature = self._signature(request)
        # By the time of a kill, the next run may have one of its own.
        meter = self._both.meter
        fault = meter.count(signature)
        if fault is None:
            return self._pass(request, signature)
        in_its_place = answer_in_place_of(fault, signature)
        return in_its_place or self._struck(request, signature, fault, meter)

    def _pass(self, request: Request, signature: Signature) -> Answer:
        return self.upstream.send(request, stream=signature.is_watch)

    def _struck(self, request: Request, signature: Signature, fault: Fault, meter: Meter) -> Answer:
        match fault:
            case Fault.KILL_BEFORE:
                meter.kill()
                raise Cut
            case Fault.KILL_LATE:
                self._both.hold(lambda: self._pass(request, signature))
                meter.kill()
                raise Cut
            case Fault.CUT_BEFORE:
                raise Cut
            case Fault.LATE:
                time.sleep(DELAY_SECONDS)
            case Fault.LOGOUT:
                self._both.log_out()
        answer = self._pass(request, signature)
        match fault:
            case Fault.KILL_FORWARDED:
                meter.kill()
                raise Cut
            case Fault.KILL_ANSWERED:
                return answer.followed_by(partial(_kill_soon, meter))
            case Fault.CUT_APPLIED:
                raise Cut
            case Fault.DELAY:
                time.sleep(DELAY_SECONDS)
        return answer


def _kill_soon(meter: Meter) -> None:
    time.sleep(_ANSWERED_SECONDS)
    meter.kill()


class _VCenter(_FaultProxy):
    """Remembers the tool's session."""

    _cookie = ""

    def answer(self, request: Request) -> Answer:
        sent = request.headers.get("Cookie") or ""
        if _COOKIE in sent:
            self._cookie = sent
        return super().answer(request)

    def log_out(self) -> None:
        """As an administrator who ends the session; there may be none yet."""
        if self._cookie:
            headers = {"Cookie": self._cookie, "Content-Type": "text/xml; charset=utf-8"}
            headers["SOAPAction"] = '"urn:vim25/8.0.3.0"'
            with contextlib.suppress(urllib3.exceptions.HTTPError):
                self.upstream.send(Request("POST", "/sdk", headers, soap.LOGOUT))


def _user_cluster(kubeconfig: Path) -> Upstream:
    """The user cluster's API server, spoken to with the kubeconfig's own certificate."""
    content = yaml.safe_load(kubeconfig.read_text())
    return Upstream(content["clusters"][0]["cluster"]["server"], as_told_by(content))
