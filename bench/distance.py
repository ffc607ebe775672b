"""A way to an API server that takes time: every byte arrives late, none waits for another."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from lab.pki import led_to

_CHUNK = 65536


@contextmanager
def distant(kubeconfig: Path, seconds: float, folder: Path) -> Iterator[Path]:
    """A kubeconfig by which a call's way there and back takes so many seconds.

    With 0 seconds it is the same kubeconfig.
    """
    if not seconds:
        yield kubeconfig
        return
    server = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
    with _Way(urlsplit(server).port or 443, seconds / 2).open() as port:
        yield led_to(port, kubeconfig, folder / f"distant-{kubeconfig.name}")


class _Way:
    """From a port of its own to another port of this machine."""

    def __init__(self, port: int, seconds: float) -> None:
        self._port, self._seconds = port, seconds

    @contextmanager
    def open(self) -> Iterator[int]:
        """The port to connect to, until the block ends."""
        loop, over, listens = asyncio.new_event_loop(), asyncio.Event(), Future[int]()
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            thread = threading.Thread(target=runner.run, args=(self._serve(over, listens),))
            thread.start()
            try:
                yield listens.result()
            finally:
                loop.call_soon_threadsafe(over.set)
                thread.join()

    async def _serve(self, over: asyncio.Event, listens: Future[int]) -> None:
        async with await asyncio.start_server(self._connected, "127.0.0.1", 0) as server:
            listens.set_result(server.sockets[0].getsockname()[1])
            await over.wait()

    async def _connected(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        answers, there = await asyncio.open_connection("127.0.0.1", self._port)
        # asyncio itself complains of a connection whose handling is cancelled in the end.
        with suppress(asyncio.CancelledError):
            await asyncio.gather(self._carry(near, there), self._carry(answers, back))

    async def _carry(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        later = asyncio.get_running_loop().call_later
        with suppress(ConnectionError):
            while chunk := await source.read(_CHUNK):
                later(self._seconds, target.write, chunk)
        later(self._seconds, target.close)
