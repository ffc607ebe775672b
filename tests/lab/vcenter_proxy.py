"""A man in the middle of the tool and vCenter: takes privileges away, refuses calls, goes away."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from lab.objects import driver_config
from lab.tls import trusting
from tests.lab.labkit import Lab
from tests.lab.proxy import Answer, Cut, Proxy, Request, Upstream
from tests.lab.soap import no_permission


class VCenterProxy(Proxy):
    """Shows the certificate of the lab's vCenter, and hands everything through.

    Attributes:
        missing: a privilege that the account seems to lack when it asks.
        denied: a method that is refused with NoPermission.
        after: by method, what happens once when vCenter has answered a call, before the
            tool hears of it; ConnectionError keeps the answer from the tool.
    """

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab.layout.pki, vcenter_upstream(lab.facts.vcenter))
        self.missing = ""
        self.denied = ""
        self.after: dict[str, Callable[[], None]] = {}
        self._vcenter = lab.facts.vcenter

    def configuration(self, path: Path) -> Path:
        """Write a csi-vsphere.conf that leads here instead of to vCenter."""
        path.write_text(driver_config({**self._vcenter, "port": self.port}))
        return path

    def answer(self, request: Request) -> Answer:
        """What the tool gets to see."""
        if self.denied and f"<{self.denied} ".encode() in request.body:
            return no_permission()
        found = super().answer(request)
        self._after(request.body)
        if not self.missing or not isinstance(found.body, bytes):
            return found
        granted = rf"(<privId>{re.escape(self.missing)}</privId>\s*<isGranted>)true".encode()
        return replace(found, body=re.sub(granted, rb"\1false", found.body))

    def _after(self, body: bytes) -> None:
        for called in [each for each in self.after if f"<{each} ".encode() in body]:
            try:
                self.after.pop(called)()
            except ConnectionError as error:
                raise Cut from error


def vcenter_upstream(vcenter: dict[str, Any]) -> Upstream:
    """The lab's own vCenter."""
    return Upstream(f"https://{vcenter['host']}:{vcenter['port']}", trusting(vcenter["ca"]))


@contextmanager
def vcenter_proxy(lab: Lab) -> Iterator[VCenterProxy]:
    """A proxy that listens, until the `with` block ends."""
    proxy = VCenterProxy(lab)
    proxy.listen()
    try:
        yield proxy
    finally:
        proxy.hang_up()
