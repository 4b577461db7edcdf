"""An endpoint that says what it hears, behind the same server set-up as the chat: for conformance tests.

What is in between is the chat's own: the stream, the inlet and the wires of `quartchat.hypercorn`, with its
defaults. Only the limit of a message is higher, since the suite sends up to 16 MiB.
"""

from __future__ import annotations

import asyncio
from typing import Any

from quartchat import hypercorn
from quartchat.frames import text_frame

LIMIT = 32 << 20

hypercorn.set_defaults(LIMIT)


class Echo:
    """One connection: texts by way of the wire, as in the chat; the rest as plain ASGI events."""

    def __init__(self, send: Any) -> None:
        self._send = send
        self._wire: Any = None
        self._closing: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()
        self._open = asyncio.Event()

    async def live(self) -> None:
        assert hypercorn.feed(self._send, self._hear, lambda: None), "not the server that we know"
        await self._send({"type": "websocket.accept", "subprotocol": None, "headers": []})
        self._wire = hypercorn.ready_wire(self._send, self._end, self._take)
        self._open.set()
        code, reason = await self._closing
        if reason != "gone":
            await self._send({"type": "websocket.close", "code": code, "reason": reason})

    def _end(self, code: int, reason: str) -> None:
        if not self._closing.done():
            self._closing.set_result((code, reason))

    def _take(self, text: str) -> bool:
        # Where the client does not read, what follows waits in `_hear`.
        return bool(self._wire.write(text_frame(text.encode())))

    async def _hear(self, event: Any) -> None:
        await self._open.wait()
        if event["type"] != "websocket.receive":
            self._end(1006, "gone")
            return
        text = event.get("text")
        if text is None:
            await self._send({"type": "websocket.send", "bytes": event.get("bytes") or b""})
            return
        while not self._closing.done() and not self._take(text):
            await self._wire.drained()


async def app(scope: Any, receive: Any, send: Any) -> None:
    """The ASGI application: `hypercorn tests.hostile.echo:app`."""
    if scope["type"] == "lifespan":
        while True:
            event = await receive()
            await send({"type": f"{event['type']}.complete"})
            if event["type"] == "lifespan.shutdown":
                return
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})
        return
    hypercorn.prepare(send)
    assert (await receive())["type"] == "websocket.connect"
    await Echo(send).live()
