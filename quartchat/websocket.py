"""A WebSocket from handshake to end.

Quart hands each WebSocket to its documented hook `asgi_websocket_class`: here. A request of Quart's (its
contexts, its matching, its queue) would cost a connection more than all that the chat does for it, in memory
as in time. Where the server lets us (`hypercorn`), frames come from its reader straight to the member, and go
from the member straight to the transport; the connection's own task only waits for the end.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any

from quart import Quart
from quart.typing import ASGIWebsocketProtocol

from . import headers, hypercorn, protocol
from .approach import Approach
from .asgi import AsgiWire
from .door import Admission, Door, Refusal
from .http import fields_of, understandable
from .hub import Hub
from .member import Member
from .room import Room
from .wire import Close, Wire

log = logging.getLogger("quartchat")

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

PATH = re.compile(r"/ws/chat/([^/]+)/?", re.DOTALL).fullmatch

CLOSE_SECONDS = 2.0
"""For the closing handshake under any server."""

GONE = Close(1006, "the client is gone")


def connection_class(door: Door) -> type[ASGIWebsocketProtocol]:
    """What Quart calls for each WebSocket."""

    class Connection:
        __slots__ = ("_scope",)

        def __init__(self, app: Quart, scope: Any) -> None:
            self._scope = scope

        async def __call__(self, receive: Receive, send: Send) -> None:
            scope = self._scope
            hypercorn.prepare(send)
            if (await receive())["type"] != "websocket.connect":
                return
            admission = await answer(door, scope, send)
            if admission is not None:
                try:
                    await Socket(door.hub, admission).live(receive, send)
                finally:
                    door.leave(admission)

    return Connection


async def answer(door: Door, scope: Any, send: Send) -> Admission | None:
    """Have the door read the handshake; where it refuses, say so."""
    if not understandable(scope):
        await _refuse(door, scope, send, 400)
        return None
    found = PATH(scope["path"])
    if found is None:
        await _refuse(door, scope, send, 404, "There is nothing at this address.")
        return None
    try:
        return await door.admit(found[1], scope)
    except Refusal as refusal:
        counted = door.hub.counters.refused
        counted[refusal.status] = counted.get(refusal.status, 0) + 1
        if refusal.status == 429:
            await door.hub.limits.linger()
        await _refuse(door, scope, send, refusal.status, str(refusal), refusal.headers)
    except Exception:
        log.exception("a handshake failed")
        await _refuse(door, scope, send, 500, "That should not happen; it was noted.")
    return None


async def _refuse(
    door: Door, scope: Any, send: Send, status: int, detail: str = "", more: dict[str, str] | None = None
) -> None:
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": protocol.CLOSE_POLICY, "reason": detail})
        return
    body = f"{detail}\n".encode() if detail else b""
    told = [(b"content-length", str(len(body)).encode())]
    if body:
        told.append((b"content-type", b"text/plain; charset=utf-8"))
    told += [(name.lower().encode(), value.encode()) for name, value in (more or {}).items()]
    secure = Approach.of(scope, fields_of(scope), door.hub.settings.trusted_proxies).secure
    whole = headers.complete(told, secure=secure)
    await send({"type": "websocket.http.response.start", "status": status, "headers": whole})
    await send({"type": "websocket.http.response.body", "body": body, "more_body": False})


class Socket:
    """One accepted connection, between the server's events and a member."""

    __slots__ = ("_admission", "_closing", "_hub", "_member", "_waiter")

    def __init__(self, hub: Hub, admission: Admission) -> None:
        self._hub = hub
        self._admission = admission
        self._member: Member | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._closing: asyncio.Future[Close] = asyncio.get_running_loop().create_future()
        """Decided by whoever leaves first; the connection's task waits for nothing else."""

    async def live(self, receive: Receive, send: Send) -> None:
        """Accept, and return when either side has left."""
        admission, hub = self._admission, self._hub
        # Before the answer: what the client says right after it must find its way already.
        direct = hypercorn.feed(send, self.hear, self.alive, self.part)
        try:
            await send({"type": "websocket.accept", "subprotocol": admission.subprotocol, "headers": []})
        except BaseException:
            self._release()
            raise
        if hypercorn.closed(send):
            self._gone()
        others: list[asyncio.Task[None]] = []
        wire: Wire | None = None
        if admission.room is None:
            self.end(*(admission.close or GONE))
        else:
            wire = hypercorn.ready_wire(send, self.end, self.take)
            if wire is None:
                wire = slow = AsgiWire(send, self.end)
                others.append(hub.spawn(slow.run()))
            self._join(admission.room, wire)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        if not direct:
            others.append(hub.spawn(self._pump(receive)))
        try:
            close = await self._closing
        finally:
            if self._member is not None:
                hub.leave(self._member)
            if others and wire is not None:
                await _finish(wire)
            for task in others:
                task.cancel()
        if close is not GONE:
            await _say_close(send, close)

    def _join(self, room: Room, wire: Wire) -> None:
        admission, hub = self._admission, self._hub
        self._member = member = Member(
            hub,
            room,
            wire,
            admission.user,
            v1=admission.subprotocol is not None,
            cursor=admission.cursor,
            expires=admission.expires,
            returning=admission.resumed is not None,
            address=admission.address,
            began=admission.began,
        )
        # Since the handshake was read, which may have waited for the broker.
        if hub.draining:
            member.close(protocol.CLOSE_LEAVING, "this instance is leaving, come back")
        elif hub.sessions.over(admission.user.id, admission.began):
            member.close(protocol.CLOSE_SESSION, "the session ended")
        elif not hub.turn_out(member) and not self._closing.done():
            hub.counters.connections += 1
            hub.join(member, admission.resumed, admission.reason)
        self._release()

    def _release(self) -> None:
        room, self._admission.room = self._admission.room, None
        if room is not None:
            self._hub.release(room)

    def end(self, code: int, reason: str) -> None:
        """It is over; only the first reason counts."""
        if not self._closing.done():
            counted = self._hub.counters.closed
            counted[code] = counted.get(code, 0) + 1
            self._closing.set_result(Close(code, reason))

    def _gone(self) -> None:
        if not self._closing.done():
            self._closing.set_result(GONE)

    async def hear(self, event: Any) -> None:
        """One event from the server; returns when the next one may be read."""
        if event["type"] != "websocket.receive":
            self._gone()
            return
        if self._member is None:
            await self._joined()
        member, text = self._member, event.get("text")
        if member is None or self._closing.done():
            return
        if text is None:
            member.close(protocol.CLOSE_BINARY, "text frames only")
            return
        if member.full:
            await member.room_for_more()
        self.take(text)

    async def part(self) -> None:
        """A ping, or a part of a message that goes on: who says too much of it is read more slowly."""
        if self._member is not None:
            # It may be held for a minute: that nothing is heard of it then is our doing.
            self._member.alive()
            self._member.noise()
            if self._member.full:
                await self._member.room_for_more()

    def alive(self) -> None:
        """Something came from the client, be it a pong."""
        if self._member is not None:
            self._member.alive()

    def take(self, text: str) -> bool:
        """One text from the client; False where it is not the time, and nothing was done."""
        member = self._member
        if member is None or member.full or self._closing.done():
            return False
        try:
            member.receive(text)
        except Exception:
            log.exception("a connection failed")
            member.close(protocol.CLOSE_FAULT, "a fault of the server")
        return True

    async def _joined(self) -> None:
        # A client may speak as soon as it is accepted. Rare: what the chat does then takes no time.
        if self._waiter is None and not self._closing.done():
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    async def _pump(self, receive: Receive) -> None:
        try:
            while not self._closing.done():
                await self.hear(await receive())
        finally:
            self._gone()


async def _finish(wire: Wire) -> None:
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await wire.drained()
    except TimeoutError:
        return


async def _say_close(send: Send, close: Close) -> None:
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await send({"type": "websocket.close", "code": close.code, "reason": close.reason})
    except (TimeoutError, OSError):
        return
