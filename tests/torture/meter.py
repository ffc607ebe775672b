"""Numbers the requests of one run, over both APIs, and strikes one of them."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from tests.torture.case import Strike
from tests.torture.fault import Fault
from tests.torture.signature import Signature


@dataclass(slots=True)
class Meter:
    """Counts writes and reads, each from 1. Safe to share between threads.

    Attributes:
        strike: what is to happen once.
        struck: the request that it happened to.
        senseless: the strike's number came up for a request that it makes no
            sense for.
    """

    strike: Strike | None = None
    struck: Signature | None = None
    senseless: bool = False
    writes: list[Signature] = field(default_factory=list)
    reads: list[Signature] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, signature: Signature) -> Fault | None:
        """Number a request; the fault that it meets, if it is the one to be struck."""
        with self._lock:
            counted = self.writes if signature.is_write else self.reads
            counted.append(signature)
            return self._fault(signature, len(counted))

    def _fault(self, signature: Signature, number: int) -> Fault | None:
        strike = self.strike
        if strike is None or (strike.is_write, strike.number) != (signature.is_write, number):
            return None
        self.senseless = not strike.fault.makes_sense_for(signature)
        if self.senseless:
            return None
        self.struck = signature
        return strike.fault
