"""Numbers the requests of one run, over both APIs, and strikes one of them, or its process."""

from __future__ import annotations

import subprocess
import threading
from dataclasses import dataclass, field
from typing import Any

from tests.torture.case import Strike
from tests.torture.fault import Fault
from tests.torture.signature import Kind, Signature

# A tool that asks for something was started a moment ago.
START_SECONDS = 10


@dataclass(slots=True)
class Meter:
    """Counts the requests of each kind from 1. Safe to share between threads.

    Attributes:
        strike: what is to happen once.
        struck: the request that it happened to.
        senseless: the strike's number came up for a request that it makes no
            sense for.
    """

    strike: Strike | None = None
    struck: Signature | None = None
    senseless: bool = False
    seen: list[Signature] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _process: subprocess.Popen[Any] | None = None
    _started: threading.Event = field(default_factory=threading.Event)

    def aim(self, process: subprocess.Popen[Any]) -> None:
        """Tell whose requests these are, and so whom a kill is for."""
        self._process = process
        self._started.set()

    def kill(self) -> None:
        """End this run without a word, as soon as it is known.

        Whoever has ended by itself stays alone, even if its pid is another one's by now.
        """
        if self._started.wait(START_SECONDS) and self._process:
            self._process.kill()

    def count(self, signature: Signature) -> Fault | None:
        """Number a request; the fault that it meets, if it is the one to be struck."""
        with self._lock:
            self.seen.append(signature)
            return self._fault(signature)

    def of(self, kind: Kind) -> list[Signature]:
        """The requests of this kind so far, in their order."""
        return [each for each in self.seen if each.kind == kind]

    def _fault(self, signature: Signature) -> Fault | None:
        strike = self.strike
        if strike is None or strike.kind != signature.kind:
            return None
        if strike.number != len(self.of(strike.kind)):
            return None
        self.senseless = not strike.fault.makes_sense_for(signature)
        if self.senseless:
            return None
        self.struck = signature
        return strike.fault
