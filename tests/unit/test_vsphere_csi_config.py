import string
import subprocess
import sys
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csi_migration.vsphere.csi_config import parse
from csi_migration.vsphere.errors import ConfigInvalid

CONF = """\
# the driver's
[Global]
cluster-id = "user-cluster"   ; CNS' name for it
insecure-flag = "false"
port = 8443
ca-file = /etc/cloud/ca.pem
[VirtualCenter "vc.example"]
user = "csi@vsphere.local"
password = 'it is bare'
datacenters = "/Production/DC0, DC 1"
"""


def quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def password_of(line: str) -> str:
    text = f'[VirtualCenter "vc"]\nuser = a@b\npassword = {line}\nport = 443\n'
    return parse(text).vcenters[0].password


def test_reads_a_vcenter_with_the_globals_as_fallback() -> None:
    config = parse(CONF)
    (vcenter,) = config.vcenters
    assert config.cluster_id == "user-cluster"
    assert (vcenter.host, vcenter.port, vcenter.insecure) == ("vc.example", 8443, False)
    assert (vcenter.user, vcenter.password) == ("csi@vsphere.local", "'it is bare'")
    assert vcenter.ca_file == "/etc/cloud/ca.pem"
    assert vcenter.datacenters == ("/Production/DC0", "DC 1")


def test_the_vcenters_own_value_goes_before_the_global_one() -> None:
    assert parse(CONF + "port = 9443\n").vcenters[0].port == 9443


def test_keys_and_section_names_ignore_case_and_the_host_does_not() -> None:
    text = '[VIRTUALcenter "VC.Example"]\nUSER = a@b\nInsecure-Flag\n'
    (vcenter,) = parse(text).vcenters
    assert (vcenter.host, vcenter.user, vcenter.insecure) == ("VC.Example", "a@b", True)


def test_every_virtual_center_section_is_a_vcenter() -> None:
    text = '[Global]\nuser = a@b\n[VirtualCenter "one"]\n[VirtualCenter "two"]\n'
    assert [each.host for each in parse(text).vcenters] == ["one", "two"]


@given(st.text(string.printable.replace("\n", "").replace("\r", "")))
def test_a_quoted_password_survives(password: str) -> None:
    assert password_of(quoted(password)) == password


@given(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"])))
def test_a_quoted_password_of_any_alphabet_survives(password: str) -> None:
    assert password_of(quoted(password) + "  # comment") == password


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("plain ; comment", "plain"),
        ("plain # comment", "plain"),
        ('"with ; and # inside"', "with ; and # inside"),
        ("  two words\t ", "two words"),
        ('one" # "two', "one # two"),
        ("back\\\\slash", "back\\slash"),
        ("first \\\n second", "first  second"),
        ('" kept "', " kept "),
        ("", ""),
    ],
)
def test_values_read_as_gcfg_reads_them(written: str, meant: str) -> None:
    assert password_of(written) == meant


@pytest.mark.parametrize("written", ['"s3cret', "s3cret\\x", 's3cret"', '"s3cret\\'])
def test_an_unreadable_password_is_refused_by_line_and_not_shown(written: str) -> None:
    with pytest.raises(ConfigInvalid, match="line 3") as refused:
        password_of(written)
    assert "s3cret" not in repr(vars(refused.value)) + str(refused.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("user = a@b\n", "line 1: a key stands before"),
        ("[Global]\n\n= x\n", "line 3: neither a section"),
        ('[VirtualCenter "vc\n', "line 1: a section is neither"),
        ("[Global]\nuser = a@b\n", "no \\[VirtualCenter"),
        ('[VirtualCenter ""]\nuser = a@b\n', "does not name its host"),
        ('[VirtualCenter "vc"]\nuser = administrator\n', "must carry its domain"),
        ('[VirtualCenter "vc"]\nuser = a@b\nport = 0\n', "port is no number"),
        ('[VirtualCenter "vc"]\nuser = a@b\ninsecure-flag = maybe\n', "neither true nor false"),
    ],
)
def test_says_what_is_wrong(text: str, why: str) -> None:
    with pytest.raises(ConfigInvalid, match=why):
        parse(text)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(ConfigInvalid):
        parse(f'[VirtualCenter "vc"]\nuser = a@b\n{text}')


def test_the_password_is_not_in_the_repr() -> None:
    assert "bare" not in repr(parse(CONF))


def test_reading_a_configuration_does_not_import_pyvmomi() -> None:
    code = (
        "import sys, csi_migration.vsphere.credentials, csi_migration.vsphere.trust\n"
        "sys.exit(any(name.startswith('pyV') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
