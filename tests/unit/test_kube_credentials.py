from __future__ import annotations

import base64
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from csi_migration.kube import (
    Client,
    Connection,
    CredentialsFailed,
    Unauthenticated,
    exec_credentials,
)
from csi_migration.kube.connection import ExecPlugin, InteractiveMode
from csi_migration.kube.credentials import Plugin, credentials_for
from csi_migration.kube.resources import PODS
from lab.waiting import until
from tests.unit.kube_server import ApiServer, Reply, status

V1 = "client.authentication.k8s.io/v1"
V1BETA1 = "client.authentication.k8s.io/v1beta1"


class Queue:
    """A lock that tells who came to it."""

    def __init__(self) -> None:
        self.came: list[int] = []
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self.came.append(threading.get_ident())
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


REFUSED = Reply(401, status(401, "Unauthorized"))


class Tool:
    """An exec plugin that prints a file, and counts its runs."""

    def __init__(self, folder: Path) -> None:
        self.printed = folder / "printed"
        self.told = folder / "told"
        self._runs = folder / "runs"
        self.script = folder / "get-token"
        self.script.write_text(
            "#!/bin/sh\n"
            f'echo run >> "{self._runs}"\n'
            f'printf "%s" "$KUBERNETES_EXEC_INFO" > "{self.told}"\n'
            f'printf "%s %s" "$1" "$REGION" > "{folder / "called"}"\n'
            f'cat "{self.printed}"\n'
        )
        self.script.chmod(0o755)
        self.prints({"token": "fresh"})

    @property
    def runs(self) -> int:
        return self._runs.read_text().count("run") if self._runs.exists() else 0

    def prints(self, credential: dict[str, Any], version: str = V1) -> None:
        answer = {"kind": "ExecCredential", "apiVersion": version, "status": credential}
        self.printed.write_text(json.dumps(answer))

    def plugin(self, **settings: Any) -> ExecPlugin:
        return ExecPlugin(str(self.script), **settings)


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    return Tool(tmp_path)


def authorizations(server: ApiServer) -> list[str | None]:
    return [request.headers.get("Authorization") for request in server.received]


def get(client: Client) -> None:
    client.get(PODS, "web-0", "shop")


class TestFixed:
    def test_a_token_is_a_bearer_token(self, server: ApiServer) -> None:
        server.answers = [Reply()]
        with server.client(token="t0ken\n") as client:
            get(client)
        assert authorizations(server) == ["Bearer t0ken"]

    def test_a_password_is_basic_authentication(self, server: ApiServer) -> None:
        server.answers = [Reply()]
        with server.client(username="me", password="pä:ss") as client:
            get(client)
        pair = base64.b64encode("me:pä:ss".encode()).decode()
        assert authorizations(server) == [f"Basic {pair}"]

    def test_a_refused_token_is_not_sent_again(self, server: ApiServer) -> None:
        server.answers = [REFUSED]
        with server.client(token="t") as client, pytest.raises(Unauthenticated):
            get(client)
        assert len(server.received) == 1

    def test_a_token_goes_before_an_exec_plugin(self, server: ApiServer, tool: Tool) -> None:
        server.answers = [Reply()]
        with server.client(token="t", exec_plugin=tool.plugin()) as client:
            get(client)
        assert tool.runs == 0

    @pytest.mark.parametrize("token", ["two words", "a\nb", "größer"])
    def test_a_token_that_no_header_can_carry_is_refused_without_quoting_it(
        self, token: str
    ) -> None:
        with pytest.raises(CredentialsFailed) as raised:
            credentials_for(Connection("http://x", "the test", token=token))
        assert token not in raised.value.message


class TestTokenFile:
    def test_it_is_read_again_when_it_changes(self, server: ApiServer, tmp_path: Path) -> None:
        file = tmp_path / "token"
        file.write_text("one")
        server.answers = [Reply(), Reply()]
        with server.client(token="static", token_file=file) as client:
            get(client)
            (tmp_path / "new").write_text("two")
            (tmp_path / "new").replace(file)
            get(client)
        assert authorizations(server) == ["Bearer one", "Bearer two"]

    def test_after_401_a_changed_token_is_sent_once_more(
        self, server: ApiServer, tmp_path: Path
    ) -> None:
        file = tmp_path / "token"
        file.write_text("one")
        stamp = file.stat()

        def refuse_and_rotate(_: object) -> Reply:
            file.write_text("two")  # of the same size and time: it does not look changed
            os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
            return REFUSED

        server.answers = [refuse_and_rotate, Reply()]
        with server.client(token_file=file) as client:
            get(client)
        assert authorizations(server) == ["Bearer one", "Bearer two"]

    def test_after_401_the_same_token_is_not_sent_again(
        self, server: ApiServer, tmp_path: Path
    ) -> None:
        file = tmp_path / "token"
        file.write_text("one")
        server.answers = [REFUSED]
        with server.client(token_file=file) as client, pytest.raises(Unauthenticated):
            get(client)
        assert len(server.received) == 1

    @pytest.mark.parametrize("content", [None, b"", b"\xff\xfe"])
    def test_without_a_token_nothing_is_sent(
        self, server: ApiServer, tmp_path: Path, content: bytes | None
    ) -> None:
        file = tmp_path / "token"
        if content is not None:
            file.write_bytes(content)
        with server.client(token_file=file) as client, pytest.raises(CredentialsFailed):
            get(client)
        assert server.received == []


class TestExecPlugin:
    @pytest.mark.parametrize("version", [V1, V1BETA1])
    def test_it_is_told_its_version_and_asked_once(
        self, server: ApiServer, tool: Tool, tmp_path: Path, version: str
    ) -> None:
        tool.prints({"token": "fresh"}, version)
        plugin = tool.plugin(args=("--x",), env=(("REGION", "north"),), api_version=version)
        server.answers = [Reply(), Reply()]
        with server.client(exec_plugin=plugin) as client:
            get(client)
            get(client)
        assert authorizations(server) == ["Bearer fresh", "Bearer fresh"]
        assert tool.runs == 1
        assert (tmp_path / "called").read_text() == "--x north"
        assert json.loads(tool.told.read_text()) == {
            "apiVersion": version,
            "kind": "ExecCredential",
            "spec": {"interactive": False},
        }

    def test_it_is_told_about_the_cluster_if_it_asks(self, tool: Tool) -> None:
        plugin = tool.plugin(provide_cluster_info=True, cluster_config='{"audience": "x"}')
        connection = Connection(
            "https://api", "the test", certificate_authority="CA", exec_plugin=plugin
        )
        credentials_for(connection).current()
        assert json.loads(tool.told.read_text())["spec"]["cluster"] == {
            "server": "https://api",
            "certificate-authority-data": base64.b64encode(b"CA").decode(),
            "config": {"audience": "x"},
        }

    def test_an_expired_credential_is_asked_for_anew(self, server: ApiServer, tool: Tool) -> None:
        tool.prints({"token": "old", "expirationTimestamp": "2020-01-01T00:00:00Z"})
        server.answers = [Reply(), Reply()]
        with server.client(exec_plugin=tool.plugin()) as client:
            get(client)
            tool.prints({"token": "new", "expirationTimestamp": "2999-01-01T00:00:00Z"})
            get(client)
        assert authorizations(server) == ["Bearer old", "Bearer new"]

    def test_after_401_it_is_asked_once_more(self, server: ApiServer, tool: Tool) -> None:
        def refuse_and_rotate(_: object) -> Reply:
            tool.prints({"token": "newer"})
            return REFUSED

        server.answers = [refuse_and_rotate, Reply()]
        with server.client(exec_plugin=tool.plugin()) as client:
            client.delete(PODS, "web-0", "shop", uid="u-1")
        assert authorizations(server) == ["Bearer fresh", "Bearer newer"]

    def test_a_second_401_is_final(self, server: ApiServer, tool: Tool) -> None:
        def refuse_and_rotate(_: object) -> Reply:
            tool.prints({"token": f"newer-{tool.runs}"})
            return REFUSED

        server.answers = [refuse_and_rotate, refuse_and_rotate]
        with server.client(exec_plugin=tool.plugin()) as client, pytest.raises(Unauthenticated):
            get(client)
        assert tool.runs == 2

    def test_threads_that_are_refused_together_run_it_once(self, tool: Tool) -> None:
        source = Plugin(tool.plugin(), Connection("https://api", "the test"))
        refused = source.current()
        threads = [threading.Thread(target=source.after_refusal, args=(refused,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert tool.runs == 2

    def test_threads_that_wait_while_it_fails_do_not_run_it_again(self, tool: Tool) -> None:
        """It may ask a person to log in."""
        held, heard = tool.script.with_name("held"), []
        body = f"echo run >> '{tool.script.with_name('runs')}'; while [ ! -e '{held}' ]; do :; done"
        tool.script.write_text(f"#!/bin/sh\n{body}; exit 3\n")
        source: Any = Plugin(tool.plugin(), Connection("https://api", "the test"))
        source._lock = lock = Queue()

        def ask() -> None:
            with pytest.raises(CredentialsFailed) as raised:
                source.current()
            heard.append(raised.value)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        until("one runs it and three wait", lambda: (tool.runs, len(lock.came)) == (1, 4))
        held.touch()
        for thread in threads:
            thread.join()
        assert (tool.runs, len(heard)) == (1, 4)
        with pytest.raises(CredentialsFailed):
            source.current()
        assert tool.runs == 2

    @pytest.mark.parametrize(
        "body",
        [
            "echo sorry >&2; exit 3",
            "echo not json",
            "echo '[]'",
            """echo '{"kind": "Other"}'""",
            f"""echo '{{"kind": "ExecCredential", "apiVersion": "{V1BETA1}"}}'""",
            f"""echo '{{"kind": "ExecCredential", "apiVersion": "{V1}"}}'""",
        ],
    )
    def test_when_it_fails_nothing_is_sent(self, server: ApiServer, tool: Tool, body: str) -> None:
        tool.script.write_text(f"#!/bin/sh\n{body}\n")
        plugin = tool.plugin(install_hint="Install it.")
        with (
            server.client(exec_plugin=plugin) as client,
            pytest.raises(CredentialsFailed, match="nothing was sent") as raised,
        ):
            get(client)
        assert raised.value.resolution == "Install it."
        assert server.received == []

    def test_its_own_words_are_passed_on(self, tool: Tool) -> None:
        tool.script.write_text("#!/bin/sh\necho session expired >&2\nexit 3\n")
        with pytest.raises(CredentialsFailed, match="status 3") as raised:
            Plugin(tool.plugin(), Connection("https://api", "the test")).current()
        assert raised.value.details == "session expired"

    def test_a_missing_command_comes_with_the_install_hint(self, server: ApiServer) -> None:
        plugin = ExecPlugin("no-such-plugin", install_hint="Get it at example.com.")
        with (
            server.client(exec_plugin=plugin) as client,
            pytest.raises(CredentialsFailed) as raised,
        ):
            get(client)
        assert raised.value.resolution == "Get it at example.com."
        assert server.received == []

    @pytest.mark.parametrize(
        "printed",
        [
            {"clientCertificateData": "CERT"},
            {"clientKeyData": "KEY", "token": "t"},
            {"token": "t", "expirationTimestamp": "tomorrow"},
            {"token": "t", "expirationTimestamp": "2999-01-01T00:00:00"},
            {"token": "two words"},
        ],
    )
    def test_half_a_credential_is_refused(self, tool: Tool, printed: dict[str, Any]) -> None:
        tool.prints(printed)
        with pytest.raises(CredentialsFailed):
            Plugin(tool.plugin(), Connection("https://api", "the test")).current()

    def test_one_that_needs_a_terminal_is_not_run_without(self, tool: Tool) -> None:
        plugin = tool.plugin(interactive_mode=InteractiveMode.ALWAYS)
        with pytest.raises(CredentialsFailed, match="terminal"):
            Plugin(plugin, Connection("https://api", "the test")).current()
        assert tool.runs == 0

    @pytest.mark.parametrize(
        ("mode", "told"),
        [
            (InteractiveMode.ALWAYS, True),
            (InteractiveMode.IF_AVAILABLE, True),
            (InteractiveMode.NEVER, False),
        ],
    )
    def test_it_may_use_a_terminal_as_its_mode_says(
        self, tool: Tool, monkeypatch: pytest.MonkeyPatch, mode: InteractiveMode, told: bool
    ) -> None:
        leader, follower = os.openpty()
        with os.fdopen(leader), os.fdopen(follower) as terminal:
            monkeypatch.setattr("sys.stdin", terminal)
            plugin = tool.plugin(interactive_mode=mode)
            Plugin(plugin, Connection("https://api", "the test")).current()
        assert json.loads(tool.told.read_text())["spec"]["interactive"] is told


def test_a_plugin_that_hangs_is_told_without_its_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exec_credentials, "SECONDS_TO_ANSWER", 0.2)
    plugin = ExecPlugin(
        "sh", ("-c", "sleep 60", "--secret=S3"), (), V1, interactive_mode=InteractiveMode.NEVER
    )
    with pytest.raises(CredentialsFailed) as failed:
        exec_credentials.run_plugin(plugin, Connection("https://127.0.0.1:1", "a test"))
    assert "did not answer" in failed.value.message
    assert "S3" not in f"{failed.value!r} {failed.value.details} {failed.value.__cause__!r}"
