"""Reads a whole collection, page by page."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from csi_migration.kube.errors import Gone

if TYPE_CHECKING:
    from csi_migration.kube.transport import Request, Transport

PAGE = 500
"""Objects a page, as kubectl asks for."""


def list_all(transport: Transport, request: Request) -> tuple[list[dict[str, Any]], str]:
    """All items as they were at one moment, and the resource version of that moment.

    Raises:
        KubernetesError: a page could not be read.
    """
    try:
        return _pages(transport, replace(request, query={**request.query, "limit": str(PAGE)}))
    except Gone:
        # Between two pages the server forgot the version; a single page has no such gap.
        return _pages(transport, request)


def _pages(transport: Transport, request: Request) -> tuple[list[dict[str, Any]], str]:
    items: list[dict[str, Any]] = []
    page = request
    while True:
        answer = json.loads(transport.send(page))
        items += answer.get("items") or []
        token = answer["metadata"].get("continue")
        if not token:
            return items, answer["metadata"].get("resourceVersion", "")
        page = replace(request, query={**request.query, "continue": token})
