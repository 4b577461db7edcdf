"""This process's rooms and members, between the broker and the sockets."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import secrets
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from brokers import Broker, Entry, Listener, Page, Reason, Tail, Unavailable

from . import presence, protocol
from .counters import Counters
from .limits import Limits
from .member import Member
from .presence import Notice, Presence
from .protocol import User
from .room import Line, Room
from .rulebook import Rulebook
from .rules import Rules
from .sessions import EndedSessions
from .settings import Settings

log = logging.getLogger("quartchat")

SWEEP_SECONDS = 2.0
"""Between two looks at every member and room: heartbeats, ended sessions, rooms that nobody needs."""

LINGER_SECONDS = 20.0
"""How long a room without members is still followed: a reload, or a storm of returns, costs no reading."""

LINGERING = 1000
"""Rooms that may do so; with more, somebody makes rooms to leave them."""

PRESENCE_SECONDS = 1.0
"""Between two presence frames of one room."""


DEAF_SECONDS = 10.0
"""Since a silent broker's link was found to be bad, until members are sent to other instances."""

TYPING_SECONDS = 3.0
"""Between two signals that one person is typing."""


class Hub(Listener):
    """Owns every `Room` and `Member` of this process, and writes once a turn of the loop."""

    def __init__(self, settings: Settings, broker: Broker) -> None:
        self.settings = settings
        self.broker = broker
        self.instance = secrets.token_hex(6)
        self.counters = Counters()
        self.limits = Limits(settings, self.counters)
        self.rooms: dict[str, Room] = {}
        self.members: dict[Member, None] = {}
        self.draining = False
        self.rules = Rulebook(broker, self._ruled, lambda: self.people)
        self.sessions = EndedSessions(broker, self.close_session)
        self.ledgers = {each.ledger.name: each.ledger for each in (self.rules, self.sessions)}
        """Logs that every instance follows, beside those of rooms."""
        self.people: dict[str, int] = {}
        """How many people are in each room that has any by way of this instance, those of others included."""
        self.hears: dict[str, Callable[[bytes], None]] = {}
        """Who hears the signals of what is followed beside rooms."""
        self.beats: list[Callable[[bool], None]] = []
        """Who is called at each sweep; true when it is time to tell the other instances again."""
        self._following: dict[str, asyncio.Task[None]] = {}
        self._presence: dict[str, Presence] = {}
        self._presence_due: dict[str, asyncio.TimerHandle] = {}
        self._presence_told: dict[str, float] = {}
        self._heartbeat = 0.0
        self._connected = True
        """What members were told of the broker."""
        self._told = 0.0
        """And when."""
        self.deaf = False
        """The broker is silent for so long that this instance takes nobody, and sends its members on."""
        self._typed: dict[tuple[str, str], float] = {}
        self._dirty_rooms: dict[Room, None] = {}
        self._dirty_members: dict[Member, None] = {}
        self._scheduled = False
        self._answered = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()

    # Life -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to look after members and rooms. The broker is opened by whoever made it."""
        self.spawn(self._sweeping())

    async def stop(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for timer in self._presence_due.values():
            timer.cancel()

    def now(self) -> float:
        """Seconds of a clock that only goes forward."""
        return time.monotonic()

    def later(self, seconds: float, done: Callable[[], None]) -> None:
        """Call it after a while, free of any request's context."""
        asyncio.get_running_loop().call_later(seconds, done, context=contextvars.Context())

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run something in a task of the hub, free of any request's context."""
        task = asyncio.get_running_loop().create_task(work, context=contextvars.Context())
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, Unavailable):
            log.error("a task of the hub failed", exc_info=error)

    # Rooms ------------------------------------------------------------------------------------------------

    async def enter(self, name: str) -> Room:
        """The room, followed and held; `release` it once a member joined or none will.

        Raise `Unavailable` where the broker does not answer.
        """
        if self.deaf:
            raise Unavailable("nothing is heard from the broker")
        room = self.rooms.get(name)
        if room is None:
            room = self.rooms[name] = Room(name, self.broker, self._rejected)
            room.rule(self.rules.of(name))
            self._presence[name] = Presence(self.instance)
            self._following[name] = self.spawn(self._follow(room))
        room.holds += 1
        task = self._following.get(name)
        try:
            if task is not None:
                await asyncio.shield(task)
        except BaseException:
            self.release(room)
            raise
        return room

    def full(self, room: Room, user_id: str) -> bool:
        """Whether this person is one too many in a room that the caller holds."""
        most = self.settings.max_members
        if not most:
            return False
        here = self._presence.get(room.name)
        if here is None or here.knows(user_id):
            return False
        # Those of other instances as of a second ago; those on their way in here, at once.
        return here.most + room.holds - 1 >= most

    def release(self, room: Room) -> None:
        room.holds -= 1
        room.idle_since = self.now()

    async def _follow(self, room: Room) -> None:
        try:
            await self.broker.follow(room.name)
        except BaseException:
            self._drop(room)
            raise
        finally:
            self._following.pop(room.name, None)
        self._notify(room.name, Notice("q", self.instance))

    def _drop(self, room: Room) -> None:
        if self.rooms.get(room.name) is room:
            del self.rooms[room.name], self._presence[room.name]
            self._presence_told.pop(room.name, None)
            timer = self._presence_due.pop(room.name, None)
            if timer is not None:
                timer.cancel()

    async def read(
        self, name: str, after: str | None, before: str | None, limit: int, *, behind: bool = False
    ) -> tuple[list[Line], bool]:
        """A part of a room's log and whether it is complete, with all that was acknowledged anywhere before.

        So the broker is asked, but for what stands `before` a position, where the ring holds that. `behind`
        is for those who hear by another way what came a moment ago: they get the newest from the ring, too.
        """
        room = self.rooms.get(name) if behind or before is not None else None
        if room is not None and name not in self._following:
            self._trim(room)
            lines = room.between(after, before, limit)
            if lines is not None:
                return lines, True
        page: Page = await self.broker.read(name, after=after, before=before, limit=limit)
        # A room of its own, so that what came out of the broker is checked and formed in one place only.
        shelf = Room(name, self.broker, self._rejected)
        shelf.rule(self.rules.of(name))
        shelf.restart(Tail("", page.entries, True), None)
        return shelf.between(None, None, len(shelf.lines)) or [], page.complete

    def _trim(self, room: Room) -> None:
        oldest = time.time() - self.settings.history_seconds
        room.trim(self.settings.history, oldest * 1000)

    # Members ----------------------------------------------------------------------------------------------

    def join(self, member: Member, resumed: bool | None, reason: Reason | None) -> None:
        """Take a member in: welcome, then the log from its cursor on, in one turn."""
        room, user = member.room, member.user
        room.members[member] = None
        room.idle_since = None
        self.members[member] = None
        here = self._presence[room.name]
        here.join(user.id, user.name)
        self._presence_soon(room.name)
        if not member.v1:
            member.pump()
            return
        count, people = here.people()
        listed = people.items() if count <= presence.LISTED else ()
        settings = self.settings
        member.tell(
            protocol.frame(
                "welcome",
                room=room.name,
                you=protocol.shown(user.id, user.name),
                position=room.top,
                resumed=resumed,
                durability=f"D{int(self.broker.durability)}",
                window={"entries": settings.history, "seconds": settings.history_seconds},
                limits={"message_bytes": settings.max_message_bytes, "rate": settings.message_rate},
                count=count,
                members=[protocol.shown(*person) for person in listed],
            )
        )
        if not self._connected:
            member.tell(protocol.frame("status", connected=False))
        if reason is None:
            member.pump()
        else:
            member.reset(reason)

    def leave(self, member: Member) -> None:
        """Forget a member. Called by `Member.close` and when its connection is gone."""
        if member in self.members:
            del self.members[member]
            self._dirty_members.pop(member, None)
            room = member.room
            room.members.pop(member, None)
            room.idle_since = self.now()
            here = self._presence.get(room.name)
            if here is not None:
                here.leave(member.user.id)
                self._presence_soon(room.name)

    def close_session(self, user_id: str, moment: float = float("inf")) -> None:
        """End every socket of this user's sessions that began until then (see `EndedSessions.begin`)."""
        for member in [member for member in self.members if member.user.id == user_id]:
            if member.began <= moment:
                member.close(protocol.CLOSE_SESSION, "the session ended")

    def _ruled(self, name: str, rules: Rules) -> None:
        room = self.rooms.get(name)
        if room is not None:
            room.rule(rules)
            for member in list(room.members):
                self.turn_out(member)

    def turn_out(self, member: Member) -> bool:
        """End a member's socket where the room's rules are against it, and say whether they are."""
        why = member.room.rules.refuses(member.user.id, time.time())
        if why:
            member.close(protocol.CLOSE_POLICY, why)
        return bool(why)

    # What the broker brings -------------------------------------------------------------------------------

    def tail(self, room: str, tail: Tail, reason: Reason | None) -> None:
        found = self.rooms.get(room)
        if found is not None:
            found.restart(tail, reason)
        elif room in self.ledgers:
            self.ledgers[room].tail(tail, reason)

    def entries(self, room: str, entries: Sequence[Entry]) -> None:
        found = self.rooms.get(room)
        if found is not None:
            found.add(entries)
            found.arrived += len(entries)
            self._dirty_rooms[found] = None
            self._schedule()
        elif room in self.ledgers:
            self.ledgers[room].take(entries)

    def signal(self, room: str, data: bytes) -> None:
        heard = self.hears.get(room)
        if heard is not None:
            heard(data)
            return
        found = self.rooms.get(room)
        notice = presence.decode(data)
        if notice is None:
            self._rejected()
        if found is None or notice is None:
            return
        if notice.kind == "t" and notice.people:
            self._tell_room(found, protocol.frame("typing", user=protocol.shown(*notice.people[0])))
        elif notice.kind == "q" and notice.instance != self.instance:
            self._notify(room, self._presence[room].own())
        elif notice.kind == "p" and self._presence[room].hear(notice, self.now()):
            self._presence_soon(room)

    def rejected(self, room: str, count: int) -> None:
        self.counters.rejected += count

    def answered(self) -> None:
        """A member's send got its answer."""
        self._answered.set()

    def _rejected(self) -> None:
        self.counters.rejected += 1

    # Writing ----------------------------------------------------------------------------------------------

    def soon(self, member: Member) -> None:
        """This member has something to be written in this turn."""
        self._dirty_members[member] = None
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._flush, context=contextvars.Context())

    def _flush(self) -> None:
        self._scheduled = False
        rooms, self._dirty_rooms = self._dirty_rooms, {}
        members, self._dirty_members = self._dirty_members, {}
        for room in rooms:
            self.counters.deliveries += room.flush()
            self._trim(room)
        for member in members:
            member.flush()

    def _tell_room(self, room: Room, frame: bytes) -> None:
        for member in list(room.members):
            if member.v1:
                member.tell(frame)

    # Presence and typing ----------------------------------------------------------------------------------

    def message_wait(self, user_id: str, address: str, name: str) -> float:
        """0 where a session may send one more message into a room, and it is counted; else seconds."""
        if not self.limits.messages_count:
            return 0.0
        wait = self.limits.message(user_id, address, name, self.now())
        room = None if wait else self.rooms.get(name)
        if room is not None:
            room.submitted += 1
        return wait

    def typing(self, room: Room, user: User) -> None:
        """Tell everybody in the room that this person is typing; not again within some seconds."""
        now = self.now()
        if now - self._typed.get((room.name, user.id), -TYPING_SECONDS) < TYPING_SECONDS:
            return
        if self.limits.typing(room.name, now):
            return
        self._typed[room.name, user.id] = now
        self._notify(room.name, Notice("t", self.instance, 1, [(user.id, user.name)]))

    def _notify(self, room: str, notice: Notice) -> None:
        self.broker.signal(room, presence.encode(notice))

    def _presence_soon(self, room: str) -> None:
        # The first change goes out at once, those that follow are gathered.
        if room not in self._presence_due:
            due = self._presence_told.get(room, 0.0) + PRESENCE_SECONDS
            wait = max(0.0, due - self.now())
            self._presence_due[room] = asyncio.get_running_loop().call_later(
                # asyncio writes arguments into its log where a callback fails or is slow; not a room's name.
                wait,
                lambda: self._tell_presence(room),
                context=contextvars.Context(),
            )

    def _tell_presence(self, name: str) -> None:
        self._presence_due.pop(name, None)
        room, here = self.rooms.get(name), self._presence.get(name)
        if room is None or here is None:
            return
        self._presence_told[name] = self.now()
        if here.own_changed:
            self._notify(name, here.own())
        change = here.change()
        if not room.members:
            self.people.pop(name, None)
        elif change is not None or name not in self.people:
            self.people[name] = change.count if change is not None else here.people()[0]
        if change is None:
            return
        frame: dict[str, Any] = {"count": change.count}
        if change.count <= presence.LISTED:
            frame["joined"] = [protocol.shown(*person) for person in change.joined]
            frame["left"] = [User(*person) for person in change.left]
        self._tell_room(room, protocol.frame("presence", **frame))

    # Looking after ----------------------------------------------------------------------------------------

    async def _sweeping(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self._sweep(self.now(), time.time())

    def _sweep(self, now: float, clock: float) -> None:
        for member in list(self.members):
            member.check(now, clock)
        if self.broker.connected != self._connected:
            self._connected, self._told = self.broker.connected, now
            for room in self.rooms.values():
                self._tell_room(room, protocol.frame("status", connected=self._connected))
        # A server that is known to be down is so for all instances: nobody would be better off elsewhere.
        silent = not self._connected and self.broker.silent
        self.deaf = silent and now - self._told >= DEAF_SECONDS
        for member in list(self.members) if self.deaf else ():
            member.close(protocol.CLOSE_LEAVING, "this instance does not hear the broker, come back")
        self.limits.sweep(now)
        self._typed = {who: at for who, at in self._typed.items() if now - at < TYPING_SECONDS}
        beat = now - self._heartbeat >= presence.HEARTBEAT_SECONDS
        if beat:
            self._heartbeat = now
        for told in self.beats:
            told(beat)
        for ledger in self.ledgers.values():
            ledger.beat(self.spawn)
        idle = sum(not room.members for room in self.rooms.values())
        linger = LINGER_SECONDS if idle <= LINGERING else 0.0
        for room in list(self.rooms.values()):
            # A room's rate is one over all instances; what came down its tail came by way of any.
            if room.arrived > room.submitted:
                self.limits.elsewhere(room.name, now, room.arrived - room.submitted)
            room.arrived = room.submitted = 0
            if room.members:
                if beat:
                    self._notify(room.name, self._presence[room.name].own())
                if self._presence[room.name].forget(now):
                    self._presence_soon(room.name)
            elif not room.holds and room.idle_since is not None and now - room.idle_since > linger:
                self._drop(room)
                self.broker.unfollow(room.name)

    # Leaving ----------------------------------------------------------------------------------------------

    async def drain(self, seconds: float) -> None:
        """Take nobody new, answer what is under way, and send everyone to another instance."""
        self.draining = True
        self.limits.leave()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while any(member.in_flight for member in self.members):
                    self._answered.clear()
                    await self._answered.wait()
        for member in list(self.members):
            member.close(protocol.CLOSE_LEAVING, "this instance is leaving, come back")
        for name, here in self._presence.items():
            if self.rooms[name].members or here.own_changed:
                self._notify(name, Notice("p", self.instance))
        for told in self.beats:
            told(True)
