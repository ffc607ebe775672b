from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from csi_migration.kube import KubeconfigError, from_mapping, load
from csi_migration.kube.connection import InteractiveMode
from csi_migration.kube.documents import Document, merge

EXEC = {"command": "get-token", "apiVersion": "client.authentication.k8s.io/v1"}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def kubeconfig(
    name: str = "c",
    cluster: dict[str, Any] | None = None,
    user: dict[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "clusters": [{"name": name, "cluster": {"server": f"https://{name}", **(cluster or {})}}],
        "users": [{"name": name, "user": {"token": f"token-{name}"} if user is None else user}],
        **more,
    }


def write(path: Path, content: dict[str, Any]) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content))
    return str(path)


class TestWhichFile:
    @pytest.fixture(autouse=True)
    def home(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.delenv("KUBECONFIG", raising=False)

    def test_the_path_goes_before_the_environment(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("KUBECONFIG", write(tmp_path / "env", kubeconfig("env")))
        assert load(write(tmp_path / "arg", kubeconfig("arg"))).server == "https://arg"
        assert load().server == "https://env"

    def test_the_home_folders_is_the_last_resort(self, tmp_path: Path) -> None:
        write(tmp_path / ".kube" / "config", kubeconfig("home"))
        assert load().server == "https://home"
        assert load("~/.kube/config").server == "https://home"

    def test_without_any_it_says_which_was_looked_for(self) -> None:
        with pytest.raises(KubeconfigError, match=r"\.kube/config cannot be read"):
            load()

    def test_the_environment_may_list_missing_files(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        there = write(tmp_path / "there", kubeconfig("there"))
        monkeypatch.setenv("KUBECONFIG", os.pathsep.join([str(tmp_path / "missing"), "", there]))
        assert load().server == "https://there"

    def test_the_path_may_not(self, tmp_path: Path) -> None:
        there = write(tmp_path / "there", kubeconfig("there"))
        with pytest.raises(KubeconfigError, match="missing"):
            load(os.pathsep.join([str(tmp_path / "missing"), there]))

    def test_an_environment_of_missing_files_only_is_an_error(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "missing"))
        with pytest.raises(KubeconfigError, match="missing"):
            load()


class TestMerging:
    def test_the_first_files_current_context_wins(self, tmp_path: Path) -> None:
        first = write(tmp_path / "a", kubeconfig("a"))
        second = write(tmp_path / "b", kubeconfig("b"))
        assert load(os.pathsep.join([first, second])).server == "https://a"
        assert load(os.pathsep.join([second, first])).server == "https://b"

    def test_the_first_file_wins_an_entry_as_a_whole(self, tmp_path: Path) -> None:
        first = write(tmp_path / "a", kubeconfig("same", user={"token": "first"}))
        other = kubeconfig("same", {"tls-server-name": "x"}, {"token": "second"})
        connection = load(os.pathsep.join([first, write(tmp_path / "b", other)]))
        assert connection.token == "first"
        assert connection.tls_server_name == ""

    def test_parts_of_one_context_may_come_from_several_files(self, tmp_path: Path) -> None:
        whole = kubeconfig("x")
        parts = [
            write(tmp_path / key, {key: whole[key]})
            for key in ("users", "clusters", "contexts", "current-context")
        ]
        connection = load(os.pathsep.join(parts))
        assert (connection.server, connection.token) == ("https://x", "token-x")

    def test_relative_paths_start_from_their_own_file(self, tmp_path: Path) -> None:
        (tmp_path / "one").mkdir()
        (tmp_path / "two").mkdir()
        (tmp_path / "one" / "ca.pem").write_text("CA of one")
        (tmp_path / "two" / "ca.pem").write_text("CA of two")
        plugin = {"exec": {**EXEC, "command": "./bin/get-token"}}
        users = {"users": kubeconfig(user=plugin)["users"]}
        rest = {**kubeconfig(cluster={"certificate-authority": "ca.pem"}), "users": []}
        paths = [
            write(tmp_path / "one" / "config", users),
            write(tmp_path / "two" / "config", rest),
        ]
        connection = load(os.pathsep.join(paths))
        assert connection.certificate_authority == "CA of two"
        assert connection.exec_plugin
        assert connection.exec_plugin.command == str(tmp_path / "one" / "bin" / "get-token")

    @given(
        st.lists(
            st.fixed_dictionaries(
                {
                    "current-context": st.sampled_from(["", "a", "b", "c"]),
                    "users": st.lists(st.sampled_from("abc"), unique=True),
                }
            ),
            max_size=4,
        )
    )
    def test_every_value_is_the_first_files_that_has_it(self, files: list[dict[str, Any]]) -> None:
        merged = merge(
            [
                Document(
                    {
                        "current-context": file["current-context"],
                        "users": [
                            {"name": name, "user": {"token": str(number)}} for name in file["users"]
                        ],
                    },
                    str(number),
                    None,
                )
                for number, file in enumerate(files)
            ]
        )
        contexts = [file["current-context"] for file in files if file["current-context"]]
        assert merged.current_context == (contexts[0] if contexts else "")
        owners = {
            name: next(str(n) for n, file in enumerate(files) if name in file["users"])
            for file in files
            for name in file["users"]
        }
        assert {name: user.text("token") for name, user in merged.users.items()} == owners


class TestChoosing:
    def test_a_context_can_be_named(self, tmp_path: Path) -> None:
        paths = [write(tmp_path / name, kubeconfig(name)) for name in "ab"]
        connection = load(os.pathsep.join(paths), "b")
        assert connection.server == "https://b"
        assert connection.source == f"context 'b' of {tmp_path / 'b'}"

    def test_an_unknown_context_lists_the_known(self) -> None:
        with pytest.raises(KubeconfigError, match="no context 'x'") as raised:
            from_mapping(kubeconfig("a"), "the test", "x")
        assert raised.value.resolution == "Known contexts: a."

    def test_no_current_context_lists_the_known(self) -> None:
        with pytest.raises(KubeconfigError, match="no current-context") as raised:
            from_mapping({**kubeconfig("a"), "current-context": ""}, "the test")
        assert "a" in raised.value.resolution

    @pytest.mark.parametrize("missing", ["clusters", "users"])
    def test_a_context_that_points_nowhere_is_refused(self, missing: str) -> None:
        with pytest.raises(KubeconfigError, match=f"no {missing[:-1]} 'c'"):
            from_mapping({**kubeconfig(), missing: []}, "the test")

    def test_the_contexts_namespace(self) -> None:
        config = kubeconfig()
        assert from_mapping(config, "the test").namespace == "default"
        config["contexts"][0]["context"]["namespace"] = "shop"
        assert from_mapping(config, "the test").namespace == "shop"


class TestTheServer:
    def test_its_settings_are_read(self) -> None:
        cluster = {
            "server": "https://api:6443/",
            "certificate-authority-data": encoded("CA"),
            "tls-server-name": "kubernetes",
            "proxy-url": "http://proxy:1",
        }
        connection = from_mapping(kubeconfig(cluster=cluster), "the test")
        assert connection.server == "https://api:6443"
        assert connection.certificate_authority == "CA"
        assert connection.tls_server_name == "kubernetes"
        assert connection.proxy_url == "http://proxy:1"
        assert not connection.insecure

    def test_data_goes_before_a_file(self, tmp_path: Path) -> None:
        cluster = {
            "certificate-authority": "/missing",
            "certificate-authority-data": encoded("CA"),
        }
        path = write(tmp_path / "config", kubeconfig(cluster=cluster))
        assert load(path).certificate_authority == "CA"

    @pytest.mark.parametrize(
        ("cluster", "words"),
        [
            ({"server": ""}, "no http"),
            ({"server": "api:6443"}, "no http"),
            ({"proxy-url": "socks5://p:1"}, "proxy-url"),
            ({"certificate-authority-data": "%%%"}, "base64"),
            (
                {"insecure-skip-tls-verify": True, "certificate-authority-data": encoded("CA")},
                "contradicts",
            ),
            ({"insecure-skip-tls-verify": "yes"}, "must be of type bool"),
        ],
    )
    def test_what_cannot_be_meant_is_refused(self, cluster: dict[str, Any], words: str) -> None:
        with pytest.raises(KubeconfigError, match=words):
            from_mapping(kubeconfig(cluster=cluster), "the test")


class TestTheUser:
    def test_certificates_and_keys_come_from_data_or_files(self, tmp_path: Path) -> None:
        (tmp_path / "key.pem").write_text("KEY")
        user = {"client-certificate-data": encoded("CERT"), "client-key": "key.pem"}
        connection = load(write(tmp_path / "config", kubeconfig(user=user)))
        assert (connection.client_certificate, connection.client_key) == ("CERT", "KEY")

    def test_no_user_at_all_is_nobody(self) -> None:
        config = kubeconfig()
        del config["contexts"][0]["context"]["user"]
        connection = from_mapping(config, "the test")
        assert not connection.token

    @pytest.mark.parametrize("user", [{}, {"token": ""}, {"extensions": []}])
    def test_a_user_without_credentials_does_not_become_nobody(self, user: dict[str, Any]) -> None:
        with pytest.raises(KubeconfigError, match="no credentials"):
            from_mapping(kubeconfig(user=user), "the test")

    @pytest.mark.parametrize(
        "user",
        [
            {"auth-provider": {"name": "gcp"}},
            {"token": "t", "as": "someone-else"},
            {"token": "t", "inventedTomorrow": True},
        ],
    )
    def test_what_is_not_supported_is_refused_by_name(self, user: dict[str, Any]) -> None:
        with pytest.raises(KubeconfigError, match="is not supported") as raised:
            from_mapping(kubeconfig(user=user), "the test")
        assert min(user.keys() - {"token"}) in raised.value.message
        assert raised.value.resolution

    @pytest.mark.parametrize(
        ("user", "words"),
        [
            ({"client-certificate-data": encoded("C")}, "come together"),
            ({"client-key-data": encoded("K")}, "come together"),
            ({"token": "t", "username": "u", "password": "p"}, "contradict"),
            ({"token": 12345}, "must be of type str"),
            ({"tokenFile": "/x"}, "only a local kubeconfig may"),
        ],
    )
    def test_what_cannot_be_meant_is_refused(self, user: dict[str, Any], words: str) -> None:
        with pytest.raises(KubeconfigError, match=words):
            from_mapping(kubeconfig(user=user), "the test")

    def test_an_exec_plugin_is_read(self, tmp_path: Path) -> None:
        plugin = {
            **EXEC,
            "args": ["--region", "x"],
            "env": [{"name": "A", "value": "b"}],
            "interactiveMode": "Never",
            "provideClusterInfo": True,
            "installHint": "Install it.\n",
        }
        cluster = {
            "extensions": [
                {"name": "other", "extension": 1},
                {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "x"}},
            ]
        }
        connection = load(write(tmp_path / "c", kubeconfig("c", cluster, {"exec": plugin})))
        read = connection.exec_plugin
        assert read
        assert (read.command, read.args, read.env) == (
            "get-token",
            ("--region", "x"),
            (("A", "b"),),
        )
        assert read.interactive_mode is InteractiveMode.NEVER
        assert read.install_hint == "Install it."
        assert read.provide_cluster_info
        assert json.loads(read.cluster_config) == {"audience": "x"}

    @pytest.mark.parametrize(
        ("plugin", "words"),
        [
            ({**EXEC, "apiVersion": "client.authentication.k8s.io/v1alpha1"}, "v1alpha1"),
            ({**EXEC, "command": ""}, "command ''"),
            ({**EXEC, "interactiveMode": "Sometimes"}, "Sometimes"),
        ],
    )
    def test_an_unusable_exec_plugin_is_refused(
        self, tmp_path: Path, plugin: dict[str, Any], words: str
    ) -> None:
        path = write(tmp_path / "config", kubeconfig(user={"exec": plugin}))
        with pytest.raises(KubeconfigError, match=words):
            load(path)


def test_what_is_no_yaml_is_refused_without_quoting_it(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("users: [{token: hunter2")
    with pytest.raises(KubeconfigError, match="is not YAML") as raised:
        load(str(path))
    assert raised.value.__cause__ is None
    assert "hunter2" not in raised.value.details


@pytest.mark.parametrize("content", ["just text", "users: 7", "users: [7]"])
def test_what_is_no_kubeconfig_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "config"
    path.write_text(content)
    with pytest.raises(KubeconfigError, match="must be of type"):
        load(str(path))


def test_no_secret_shows_in_a_connection(tmp_path: Path) -> None:
    plugin = {**EXEC, "args": ["s3cret"], "env": [{"name": "A", "value": "s3cret"}]}
    user = {
        "client-certificate-data": encoded("s3cret"),
        "client-key-data": encoded("s3cret"),
        "username": "me",
        "password": "s3cret",
        "exec": plugin,
    }
    cluster = {"proxy-url": "http://me:s3cret@proxy:1"}
    connection = load(write(tmp_path / "config", kubeconfig("c", cluster, user)))
    assert connection.password == "s3cret"
    assert "s3cret" not in repr(connection)
    assert "s3cret" not in repr(from_mapping(kubeconfig(user={"token": "s3cret"}), "the test"))
