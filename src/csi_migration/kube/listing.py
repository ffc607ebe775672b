"""Reads a whole collection, page by page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from csi_migration.kube.errors import Gone

if TYPE_CHECKING:
    from csi_migration.kube.transport import Request, Transport

PAGE = 500
"""Objects a page, as kubectl asks for."""


Keep = Callable[[dict[str, Any]], dict[str, Any]]
"""What of an item is kept, when pages of whole ones would fill the memory."""


def list_all(
    transport: Transport, request: Request, keep: Keep | None = None
) -> tuple[list[dict[str, Any]], str]:
    """All items as they were at one moment, and the resource version of that moment.

    Raises:
        KubernetesError: a page could not be read.
    """
    try:
        by_page = replace(request, query={**request.query, "limit": str(PAGE)})
        return _pages(transport, by_page, keep)
    except Gone:
        # Between two pages the server forgot the version; a single page has no such gap.
        return list_at_once(transport, request, keep)


def list_at_once(
    transport: Transport, request: Request, keep: Keep | None = None
) -> tuple[list[dict[str, Any]], str]:
    """The same in a single call, however many there are: for what is small and waited for.

    Raises:
        KubernetesError: it could not be read.
    """
    return _pages(transport, request, keep)


def _pages(
    transport: Transport, request: Request, keep: Keep | None
) -> tuple[list[dict[str, Any]], str]:
    items: list[dict[str, Any]] = []
    page = request
    while True:
        found, listed = _page(transport, page)
        items += map(keep, found) if keep else found
        # A page of whole objects is not to wait in memory for the next one.
        del found
        token = listed.get("continue")
        if not token:
            return items, listed.get("resourceVersion", "")
        page = replace(request, query={**request.query, "continue": token})


def _page(transport: Transport, page: Request) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    answer = transport.ask(page)
    return answer.get("items") or [], answer["metadata"]
