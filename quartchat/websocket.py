"""A WebSocket from handshake to end.

Quart matches the URL and runs `admit` in a request's context; then the request's objects are dropped and
this module reads the socket itself. That halves the memory and most of the time of a connection.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, cast

import msgspec
from quart import Response
from quart import websocket as request
from quart.asgi import ASGIWebsocketConnection

from brokers import Reason, Unavailable

from . import hypercorn, names, origin, protocol
from .asgi import AsgiWire
from .http import understandable
from .hub import Hub
from .identity import Identities
from .member import Close, Member
from .protocol import User
from .room import Room
from .sessions import EndedSessions
from .wire import Wire

log = logging.getLogger("quartchat")

Receive = Callable[[], Awaitable[Any]]

ADMISSION = "quartchat.admission"
"""Where `admit` leaves its answer in the connection's scope."""

CLOSE_SECONDS = 2.0
"""For the closing handshake under any server."""


class Admission(msgspec.Struct):
    """What a handshake came to: a place in a room, or the reason to close right after it."""

    user: User
    expires: float
    subprotocol: str | None
    room: Room | None = None
    cursor: int = 0
    resumed: bool | None = None
    reason: Reason | None = None
    close: Close | None = None


class Refusal(Exception):
    """A handshake that is answered with an HTTP status."""

    def __init__(self, status: int, detail: str, **headers: str) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = headers


class Door:
    """Who may enter a room by WebSocket."""

    def __init__(self, hub: Hub, identities: Identities, ended: EndedSessions) -> None:
        self.hub = hub
        self._identities = identities
        self._ended = ended

    async def admit(self, room: str) -> Response | None:
        """The route: refuse with an HTTP status, or leave an `Admission` in the scope."""
        try:
            cast(dict[str, Any], request.scope)[ADMISSION] = await self._admit(room)
        except Refusal as refusal:
            counted = self.hub.counters.refused
            counted[refusal.status] = counted.get(refusal.status, 0) + 1
            text = f"{refusal}\n"
            return Response(text, refusal.status, refusal.headers, content_type="text/plain; charset=utf-8")
        return None

    async def _admit(self, room: str) -> Admission:
        hub, headers, query = self.hub, request.headers, request.args
        try:
            name = names.room_name(room)
        except names.BadName as error:
            raise Refusal(404, str(error)) from None
        if not origin.own(headers, hub.settings.allowed_origins):
            raise Refusal(403, "This origin may not connect.")
        session = self._identities.of(headers, self._ended)
        made_for = query.get("as")
        somebody_else = made_for is not None and (session is None or session.user.id != made_for)
        if session is None and not somebody_else and hub.settings.guests == "deny":
            raise Refusal(401, "Choose a name first.")
        if hub.draining:
            raise Refusal(503, "This instance is leaving.", **{"Retry-After": "1"})
        if len(hub.members) >= hub.settings.max_connections:
            raise Refusal(503, "This instance is full.", **{"Retry-After": "5"})
        v1 = protocol.SUBPROTOCOL in request.requested_subprotocols
        admission = Admission(
            user=session.user if session else self._identities.guest(),
            expires=session.expires if session else float("inf"),
            subprotocol=protocol.SUBPROTOCOL if v1 else None,
        )
        if somebody_else:
            admission.close = Close(protocol.CLOSE_SESSION, "you are somebody else now, load the page again")
            return admission
        await self._place(admission, name, query.get("since") if v1 else None, self._history(v1))
        return admission

    def _history(self, v1: bool) -> int:
        text = request.args.get("history")
        if text is None:
            return 50 if v1 else 0
        if not (text.isascii() and text.isdigit() and len(text) <= 9):
            raise Refusal(400, "history is a number of messages.")
        return min(int(text), self.hub.settings.history)

    async def _place(self, admission: Admission, name: str, since: str | None, history: int) -> None:
        hub = self.hub
        try:
            admission.room = room = await hub.enter(name)
        except Unavailable:
            raise Refusal(503, "The chat is not connected to its broker.", **{"Retry-After": "2"}) from None
        try:
            if since is None:
                admission.cursor = await room.reach_back(history) if history else room.end
            else:
                found = await room.resume(since)
                admission.resumed = isinstance(found, int)
                if isinstance(found, int):
                    admission.cursor = found
                else:
                    admission.reason = found
        except BaseException as error:
            hub.release(room)
            if isinstance(error, Unavailable):
                raise Refusal(503, "The room's log cannot be read.", **{"Retry-After": "2"}) from None
            raise


def connection_class(door: Door) -> type[ASGIWebsocketConnection]:
    """What Quart calls for each WebSocket: its documented hook `asgi_websocket_class`."""

    class Connection(ASGIWebsocketConnection):
        async def __call__(self, receive: Any, send: Any) -> None:
            hypercorn.prepare(send)
            event = await receive()
            if event["type"] != "websocket.connect":
                return
            if not understandable(self.scope):
                await refuse(send, 400)
                return
            await self.handle_websocket(self._create_websocket_from_scope(send), send)
            admission = cast(dict[str, Any], self.scope).pop(ADMISSION, None)
            if admission is not None:
                await serve(door.hub, admission, receive, send)

    return Connection


async def serve(hub: Hub, admission: Admission, receive: Any, send: Any) -> None:
    """Accept, and live until either side leaves."""
    room = admission.room
    try:
        await send({"type": "websocket.accept", "subprotocol": admission.subprotocol, "headers": []})
    finally:
        if room is not None:
            hub.release(room)
    if room is None:
        if admission.close is not None:
            await _say_close(send, admission.close)
        return
    closing: asyncio.Future[Close] = asyncio.get_running_loop().create_future()

    def on_close(code: int, reason: str) -> None:
        hub.counters.closed[code] = hub.counters.closed.get(code, 0) + 1
        if not closing.done():
            closing.set_result(Close(code, reason))

    ready: Wire | None = hypercorn.ready_wire(send, on_close)
    sender: asyncio.Task[None] | None = None
    if ready is None:
        ready = slow = AsgiWire(send, on_close)
        sender = hub.spawn(slow.run())
    v1 = admission.subprotocol is not None
    member = Member(
        hub,
        room,
        ready,
        admission.user,
        v1=v1,
        cursor=admission.cursor,
        expires=admission.expires,
        returning=admission.resumed is not None,
    )
    if hub.draining:  # since the handshake
        member.close(protocol.CLOSE_LEAVING, "this instance is leaving, come back")
    else:
        hub.counters.connections += 1
        hub.join(member, admission.resumed, admission.reason)
    try:
        await _read_until(closing, member, receive)
    except Exception:
        log.exception("a connection failed")
        member.close(protocol.CLOSE_FAULT, "a fault of the server")
    finally:
        hub.leave(member)
        if sender is not None:
            await _finish(ready, sender)
    if closing.done():
        await _say_close(send, closing.result())


async def refuse(send: Any, status: int) -> None:
    """Answer a handshake that Quart cannot be asked about."""
    headers = [(b"content-length", b"0")]
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": b"", "more_body": False})


async def _read_until(closing: asyncio.Future[Close], member: Member, receive: Receive) -> None:
    """Read in this task; the moment `closing` is decided, stop waiting for the client."""
    reader = asyncio.current_task()
    reading = True

    def stop(_: asyncio.Future[Close]) -> None:
        if reading and reader is not None:
            reader.cancel()

    closing.add_done_callback(stop)
    try:
        await _read(member, receive)
    except asyncio.CancelledError:
        if reader is None or not closing.done() or reader.uncancel():
            raise
    finally:
        reading = False


async def _finish(wire: Wire, sender: asyncio.Task[None]) -> None:
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await wire.drained()
    except TimeoutError:
        pass
    finally:
        sender.cancel()


async def _read(member: Member, receive: Receive) -> None:
    while True:
        event = await receive()
        if event["type"] != "websocket.receive":
            return
        text = event.get("text")
        if text is None:
            member.close(protocol.CLOSE_BINARY, "text frames only")
        else:
            member.receive(text)
            await member.room_for_more()


async def _say_close(send: Any, close: Close) -> None:
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await send({"type": "websocket.close", "code": close.code, "reason": close.reason})
    except (TimeoutError, OSError):
        return
