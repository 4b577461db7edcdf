"""Scripts, styles and pictures: read once, served from memory."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import msgspec
from quart import Response, abort, request

FOLDER = Path(__file__).parent / "static"

TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}

_unread = re.compile(rb"^[ \t]*(?://.*\n|/\*.*\*/\n|\n)|^[ \t]+", re.MULTILINE)
"""Indentation, lines that are comments, blank lines: for those who write the files, not for browsers."""


class Asset(msgspec.Struct, frozen=True):
    """One file, as browsers get it."""

    body: bytes
    type: str
    etag: str


def lean(text: bytes) -> bytes:
    """A script or style without what only its writers read. No string of theirs spans lines: tested."""
    return _unread.sub(b"", text)


class Assets:
    """All files of the folder by their paths under it; whatever is no key is not there."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._assets = {
            path.relative_to(folder).as_posix(): _read(path)
            for path in sorted(folder.rglob("*"))
            if path.suffix in TYPES
        }

    async def send(self, filename: str) -> Response:
        """The answer to a request for one: 200, 304 where the browser has it, or 404."""
        asset = self._assets.get(filename)
        if asset is None:
            abort(404)
        response = Response(asset.body, content_type=asset.type)
        response.set_etag(asset.etag)
        response.cache_control.no_cache = True  # asked for again each time: an update holds at once
        return await response.make_conditional(request)


def _read(path: Path) -> Asset:
    body = path.read_bytes()
    if path.suffix != ".svg":
        body = lean(body)
    return Asset(body, TYPES[path.suffix], hashlib.sha256(body).hexdigest()[:20])
