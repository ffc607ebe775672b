"""Kubeconfig files as documents: read, type-checked at each access, and merged."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import yaml

from csi_migration.kube.errors import KubeconfigError

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Document:
    """A mapping out of a kubeconfig. Values of the wrong type raise KubeconfigError.

    Attributes:
        content: the mapping.
        source: where it was read, for messages.
        folder: what its relative paths start from; None when the kubeconfig
            is not from this machine and may not name files on it.
    """

    content: Mapping[str, Any]
    source: str
    folder: Path | None

    def inner(self, key: str) -> Document:
        """The mapping at `key`, empty if there is none."""
        return replace(self, content=self._value(key, dict) or {})

    def inners(self, key: str) -> list[Document]:
        """The mappings in the list at `key`."""
        return [replace(self, content=item) for item in self._items(key, dict)]

    def text(self, key: str) -> str:
        """The text at `key`, empty if there is none."""
        return self._value(key, str) or ""

    def texts(self, key: str) -> tuple[str, ...]:
        """The texts in the list at `key`."""
        return tuple(self._items(key, str))

    def flag(self, key: str) -> bool:
        """The boolean at `key`, False if there is none."""
        return self._value(key, bool) or False

    def file(self, key: str) -> Path | None:
        """The file that `key` names, relative to the kubeconfig's own folder."""
        name = self.text(key)
        if name and self.folder is None:
            raise KubeconfigError(
                f"{self.source}: {key} names a file, which only a local kubeconfig may",
                resolution=f"Put the content itself into the kubeconfig, as {key}-data or token.",
            )
        return self.folder / name if self.folder and name else None

    def content_of(self, key: str) -> str:
        """The text in `key`-data, or else in the file that `key` names."""
        if encoded := self.text(f"{key}-data"):
            return self._decoded(encoded, f"{key}-data")
        file = self.file(key)
        return _read_text(file, f"{self.source}: {key}") if file else ""

    def _decoded(self, encoded: str, key: str) -> str:
        try:
            return base64.b64decode("".join(encoded.split()), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise KubeconfigError(f"{self.source}: {key} is not base64 of a PEM text") from error

    def _value(self, key: str, kind: type[_T]) -> _T | None:
        return _expect(self.content.get(key), kind, f"{self.source}: {key}")

    def _items(self, key: str, kind: type[_T]) -> list[_T]:
        checked = (_expect(item, kind, f"{self.source}: {key}") for item in self._list(key))
        return [item for item in checked if item is not None]

    def _list(self, key: str) -> list[Any]:
        return self._value(key, list) or []


@dataclass(frozen=True, slots=True)
class Merged:
    """Several kubeconfigs as one; entries by name."""

    sources: str
    current_context: str
    contexts: Mapping[str, Document]
    clusters: Mapping[str, Document]
    users: Mapping[str, Document]


def read(file: Path) -> Document:
    """Read one kubeconfig file.

    Raises:
        KubeconfigError: it cannot be read, or is no YAML mapping.
    """
    try:
        content = yaml.safe_load(_read_text(file, "kubeconfig"))
    except yaml.YAMLError:
        # Neither the parser's words nor the cause: they may quote a secret.
        raise KubeconfigError(f"{file} is not YAML") from None
    return Document(_expect(content, dict, str(file)) or {}, str(file), file.absolute().parent)


def merge(documents: list[Document]) -> Merged:
    """Join kubeconfigs: the first to name an entry, or the current-context, wins."""
    currents = (document.text("current-context") for document in documents)
    return Merged(
        sources=os.pathsep.join(document.source for document in documents),
        current_context=next((current for current in currents if current), ""),
        contexts=_named(documents, "contexts", "context"),
        clusters=_named(documents, "clusters", "cluster"),
        users=_named(documents, "users", "user"),
    )


def _named(documents: list[Document], plural: str, singular: str) -> dict[str, Document]:
    entries: dict[str, Document] = {}
    for document in documents:
        for item in document.inners(plural):
            entries.setdefault(item.text("name"), item.inner(singular))
    return entries


def _read_text(file: Path, what: str) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise KubeconfigError(
            f"{what}: {file} cannot be read",
            details=str(error),
            resolution="Check the path, or give another one with --kubeconfig.",
        ) from error


def _expect(value: Any, kind: type[_T], what: str) -> _T | None:
    if value is None or isinstance(value, kind):
        return value
    raise KubeconfigError(f"{what} must be of type {kind.__name__}")
