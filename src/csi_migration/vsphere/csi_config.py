"""The driver's `csi-vsphere.conf`: which vCenter, as whom, and how to trust it.

The dialect is gcfg's, which the driver uses: like git's configuration, unlike
Python's `configparser`. Escapes work in bare values too, values may be partly
quoted, and a backslash at the end of a line joins it with the next.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from csi_migration.vsphere.errors import ConfigInvalid

_SECTION = re.compile(
    r'\[[ \t]*(?P<name>[A-Za-z][\w.-]*)[ \t]*(?:"(?P<sub>(?:[^"\\\n]|\\["\\])*)")?[ \t]*\]'
)
_KEY = re.compile(r"(?P<key>[A-Za-z][\w-]*)[ \t]*(?P<equals>=?)[ \t]*")
_PIECE = re.compile(
    r'"(?P<quoted>(?:[^"\\\n]|\\[\\"ntb])*)"'
    r"|(?P<join>\\\r?\n)"
    r"|(?P<escape>\\[\\\"ntb])"
    r'|(?P<bare>[^"\\;#\n]+)'
)
_BLANK = re.compile(r"[ \t\r]*(?:[;#][^\n]*)?(?:\n|\Z)")
_ESCAPE = re.compile(r"\\(.)")
_ESCAPES = {"\\": "\\", '"': '"', "n": "\n", "t": "\t", "b": "\b"}
_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})
_DEFAULT_PORT = "443"
_LAST_PORT = 65535
_WHITE = " \t\r"

_Sections = dict[tuple[str, str], dict[str, str]]


@dataclass(frozen=True, slots=True)
class VCenter:
    """One vCenter of the driver's configuration, Global's fallbacks applied.

    Attributes:
        ca_file: path of a CA bundle inside the driver's pod; empty if none.
        thumbprint: pin of vCenter's certificate; empty if none.
        datacenters: as written; names or inventory paths, empty for all.
    """

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    insecure: bool
    ca_file: str
    thumbprint: str
    datacenters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CsiConfig:
    """The driver's configuration, as far as the tool needs it.

    Attributes:
        cluster_id: the name under which CNS knows the cluster's volumes; empty
            if the driver makes one up (ConfigMap `vsphere-csi-cluster-id`).
        vcenters: at least one.
    """

    cluster_id: str
    vcenters: tuple[VCenter, ...]


def parse(text: str) -> CsiConfig:
    """Read a `csi-vsphere.conf`.

    Raises:
        ConfigInvalid: with the line's number and never a value from that line.
    """
    sections = _read(text)
    shared = sections.get(("global", ""), {})
    vcenters = tuple(
        _vcenter(host, own, shared)
        for (name, host), own in sections.items()
        if name == "virtualcenter"
    )
    if not vcenters:
        raise ConfigInvalid('the configuration has no [VirtualCenter "host"] section')
    return CsiConfig(shared.get("cluster-id", ""), vcenters)


def _vcenter(host: str, own: Mapping[str, str], shared: Mapping[str, str]) -> VCenter:
    def value(key: str) -> str:
        return own.get(key) or shared.get(key, "")

    if not host.strip():
        raise ConfigInvalid("a [VirtualCenter] section does not name its host")
    return VCenter(
        host=host.strip(),
        port=_port(host, value("port") or _DEFAULT_PORT),
        user=_user(host, value("user")),
        password=value("password"),
        insecure=_flag(host, value("insecure-flag") or "false"),
        ca_file=value("ca-file"),
        thumbprint=value("thumbprint"),
        datacenters=tuple(filter(None, map(str.strip, value("datacenters").split(",")))),
    )


def _port(host: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= _LAST_PORT:
        raise ConfigInvalid(f'[VirtualCenter "{host}"]: port is no number from 1 to 65535')
    return int(text)


def _user(host: str, text: str) -> str:
    # The driver itself refuses to start without the domain.
    if not re.fullmatch(r"[^@\\]+[@\\].+", text):
        raise ConfigInvalid(
            f'[VirtualCenter "{host}"]: user must carry its domain (user@domain or domain\\user)'
        )
    return text


def _flag(host: str, text: str) -> bool:
    if text.lower() not in _TRUE | _FALSE:
        raise ConfigInvalid(f'[VirtualCenter "{host}"]: insecure-flag is neither true nor false')
    return text.lower() in _TRUE


def _read(text: str) -> _Sections:
    sections: _Sections = {}
    current: dict[str, str] | None = None
    for line, item in _items(text.removeprefix("\ufeff")):
        match item:
            case ("section", name, sub):
                current = sections.setdefault((name.lower(), sub), {})
            case ("key", key, value) if current is not None:
                current[key.lower()] = value
            case _:
                _refuse(line, "a key stands before the first section")
    return sections


def _items(text: str) -> Iterator[tuple[int, tuple[str, str, str]]]:
    at = 0
    while at < len(text):
        if blank := _BLANK.match(text, at):
            at = blank.end()
            continue
        line = text.count("\n", 0, at) + 1
        while text[at] in " \t":
            at += 1
        read = _section if text[at] == "[" else _assignment
        item, at = read(text, at, line)
        yield line, item


def _section(text: str, at: int, line: int) -> tuple[tuple[str, str, str], int]:
    found = _SECTION.match(text, at)
    if not found:
        _refuse(line, 'a section is neither [Name] nor [Name "sub"]')
    return ("section", found["name"], _unescape(found["sub"] or "")), found.end()


def _assignment(text: str, at: int, line: int) -> tuple[tuple[str, str, str], int]:
    found = _KEY.match(text, at)
    if not found:
        _refuse(line, "neither a section, a key nor a comment")
    value, end = _value(text, found.end(), line) if found["equals"] else ("true", found.end())
    if not _BLANK.match(text, end):
        _refuse(line, f"{found['key']}: something follows that is no value")
    return ("key", found["key"], value), end


def _value(text: str, at: int, line: int) -> tuple[str, int]:
    pieces: list[str] = []
    blanks = ""  # belong to the value only if something other than a blank follows
    while piece := _PIECE.match(text, at):
        at = piece.end()
        if piece["join"]:
            continue
        if piece["bare"] is None:
            pieces += blanks, _unescape(piece["quoted"] or piece["escape"] or "")
            blanks = ""
            continue
        kept = piece["bare"].rstrip(_WHITE)
        pieces += (blanks, kept) if kept else ()
        blanks = piece["bare"][len(kept) :] if kept else blanks + piece["bare"]
    if at < len(text) and text[at] in '"\\':
        _refuse(line, 'a quote is not closed, or a backslash is not followed by \\, ", n, t or b')
    return "".join(pieces), at


def _unescape(text: str) -> str:
    return _ESCAPE.sub(lambda found: _ESCAPES[found[1]], text)


def _refuse(line: int, why: str) -> NoReturn:
    raise ConfigInvalid(f"the driver's configuration, line {line}: {why}")
