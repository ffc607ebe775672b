"""What vCenter says in SOAP, for proxies that speak in its stead."""

from __future__ import annotations

import re
from html import unescape

from tests.lab.proxy import Answer

_ENVELOPE = """\
<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:vim="urn:vim25">
<soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>
"""
_FAULT = """\
<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>{text}</faultstring>
<detail><vim:{name}Fault xsi:type="vim:{name}">
<vim:object type="{kind}">{moid}</vim:object><vim:privilegeId>{privilege}</vim:privilegeId>
</vim:{name}Fault></detail></soapenv:Fault>"""
_METHOD = re.compile(rb"<(?:\w+:)?Body[^>]*>\s*<(?:\w+:)?(\w+)")
_XML = {"Content-Type": "text/xml; charset=utf-8"}

LOGOUT = _ENVELOPE.format(
    body='<Logout xmlns="urn:vim25"><_this type="SessionManager">SessionManager</_this></Logout>'
).encode()


def method(body: bytes) -> str:
    """The method that an envelope calls; empty for what is no call."""
    found = _METHOD.search(body)
    return found[1].decode() if found else ""


def argument(body: bytes, *names: str) -> str:
    """The text of the first of these elements that is there, or nothing."""
    for name in names:
        found = re.search(rf"<{name}\b[^>]*>([^<]+)<".encode(), body)
        if found:
            return unescape(found[1].decode())
    return ""


def no_permission() -> Answer:
    """NoPermission, as vCenter refuses what a role does not hold."""
    text = "Permission to perform this operation was denied."
    return _fault("NoPermission", text, "Datastore", "datastore-1", "Datastore.FileManagement")


def not_authenticated() -> Answer:
    """NotAuthenticated, as vCenter answers a session that it does not know."""
    text = "The session is not authenticated."
    return _fault("NotAuthenticated", text, "Folder", "group-d1", "System.View")


def _fault(name: str, text: str, kind: str, moid: str, privilege: str) -> Answer:
    fault = _FAULT.format(name=name, text=text, kind=kind, moid=moid, privilege=privilege)
    return Answer(500, _XML, _ENVELOPE.format(body=fault).encode())
