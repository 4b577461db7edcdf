"""How much a session, an address and a room may do. What is counted where, and why: docs/design/limits.md."""

from __future__ import annotations

import asyncio
import ipaddress

from .counters import Counters
from .rates import Rates
from .seats import Seats
from .settings import Settings

FULL_SECONDS = 10
"""After which somebody may come again who was refused because there are too many: some will have left."""

NOISE = 5
"""Frames that are no messages (signs of typing, pings, what is refused) for each message that one may send,
and for five seconds at once. Beyond, nobody is refused: they are read more slowly."""

TYPING_RATE = 10.0
"""Signs of typing that one room is told by way of this instance in a second: who reads more names?"""

NOISE_SHARE = 2
"""Sessions' worth of noise that an address may make; of what is refused, a classroom has little."""

PACES = (50.0, 100.0), (5.0, 600.0)
"""Handshakes and requests of one address that are begun in a second, after so many at once; the others wait
their turn, ten seconds at the most. A class of two hundred that comes in one minute has its fifty a second.
Who goes on after that is a flood, and becomes a trickle: while a page is made, a millisecond or two, nobody
else is served."""

MOST_PATIENT = 10.0
"""Seconds that nobody waits longer than for a turn, however many came before."""

LINGER_SECONDS = 1.0
"""A refusal for coming too often is told only after this time: who comes again at once costs the others more
by asking than by what is asked for, and most such programs wait for the answer."""

LINGERING = 500
"""Refusals and turns that are waited for; beyond, nothing waits: what waits takes memory."""


class Limits:
    """Everything that is counted against the settings, for one instance. Waits are seconds, 0 means yes."""

    def __init__(self, settings: Settings, counters: Counters) -> None:
        rate, share = settings.message_rate, settings.address_share
        joins, new = settings.joins / 60, settings.beginnings / 60
        noise = NOISE * rate
        self._counters = counters
        self._messages = Rates(rate), Rates(share * rate)
        self._rooms = Rates(settings.messages_of_room)
        self._noise = Rates(noise, 5 * noise), Rates(NOISE_SHARE * noise, 5 * NOISE_SHARE * noise)
        self._joins = Rates(joins, 60 * joins), Rates(share * joins, 60 * share * joins)
        self._opened = Rates(new, 60 * new), Rates(share * new, 60 * share * new)
        self._identities = Rates(new, 60 * new), Rates(share * new, 60 * share * new)
        # Who enters asks for some pages, beside the socket: at once twice as many.
        self._requests = Rates(share * joins, 120 * share * joins)
        self._paces = [
            Rates(pace if share * joins else 0.0, at_once, debt=MOST_PATIENT * pace / at_once)
            for pace, at_once in PACES
        ]
        self._typing = Rates(TYPING_RATE if rate else 0.0)
        self._all = (
            *(*self._messages, *self._noise, *self._joins, *self._opened, *self._identities),
            *(self._rooms, self._requests, *self._paces, self._typing),
        )
        self.messages_count = any((rate, settings.messages_of_room))
        """Whether any limit on messages is on."""
        self.seats = Seats(settings.max_connections_per_session, settings.max_connections_per_address)
        self._lingering = 0
        self._leaving = asyncio.Event()

    def message(self, user_id: str, address: str, room: str, now: float) -> float:
        """One message of a session from an address into a room."""
        sessions, addresses = self._messages
        wait = sessions.take(user_id, now)
        if wait:
            return self._refused("messages_session", wait)
        wait = addresses.take(address, now)
        if wait:
            sessions.give_back(user_id)
            return self._refused("messages_address", wait)
        wait = self._rooms.take(room, now)
        if wait:
            sessions.give_back(user_id)
            addresses.give_back(address)
            return self._refused("messages_room", wait)
        return 0.0

    def elsewhere(self, room: str, now: float, messages: int) -> None:
        """So many messages came into a room by way of other instances."""
        self._rooms.spend(room, now, messages)

    def noise(self, user_id: str, address: str, now: float, cost: float) -> float:
        """How long to read nothing more from a client that sent something beside messages."""
        sessions, addresses = self._noise
        return max(sessions.spend(user_id, now, cost), addresses.spend(address, now, cost))

    def typing(self, room: str, now: float) -> float:
        """A sign of typing for a room."""
        return self._typing.take(room, now)

    def join(self, session: str, address: str, now: float) -> float:
        """A handshake; `session` is empty for a guest."""
        return self._both("joins", self._joins, session, address, now)

    def open_room(self, session: str, address: str, now: float) -> float:
        """A room that this instance does not follow yet: maybe nobody was ever there."""
        return self._both("rooms", self._opened, session, address, now)

    def identity(self, session: str, address: str, now: float) -> float:
        """An identity made, or `session` renamed."""
        return self._both("identities", self._identities, session, address, now)

    def request(self, address: str, now: float) -> float:
        """A page, a form, or a read of a log."""
        wait = self._requests.take(address, now)
        return wait and self._refused("requests_address", wait)

    def seat(self, user_id: str, address: str) -> bool:
        """Whether there is a place for one more socket; if so it is taken, and to be given back."""
        full = self.seats.take(user_id, address)
        if full is not None:
            self._refused(f"connections_{full}", 0.0)
        return full is None

    def room_is_full(self) -> None:
        """Somebody was not let in for it."""
        self._refused("members_room", 0.0)

    def sweep(self, now: float) -> None:
        for rates in self._all:
            rates.sweep(now)

    async def linger(self) -> None:
        """Return when a refusal may be told."""
        await self._wait(LINGER_SECONDS)

    async def turn(self, address: str, now: float) -> None:
        """Return when it is this address's turn to ask for a page or a socket."""
        wait = self.wait_for_turn(address, now)
        if wait:
            await self._wait(wait)

    def wait_for_turn(self, address: str, now: float) -> float:
        """Seconds until an address may ask for the next page or socket, which counts from now on."""
        return max(pace.spend(address, now) for pace in self._paces)

    def leave(self) -> None:
        """From now on nobody waits: the instance is about to end, and what waits would be cut off."""
        self._leaving.set()

    async def _wait(self, seconds: float) -> None:
        if self._lingering < LINGERING:
            self._lingering += 1
            try:
                async with asyncio.timeout(seconds):
                    await self._leaving.wait()
            except TimeoutError:
                pass
            finally:
                self._lingering -= 1

    def _both(self, what: str, rates: tuple[Rates, Rates], session: str, address: str, now: float) -> float:
        wait = rates[0].take(session, now)
        if wait:
            return self._refused(f"{what}_session", wait)
        wait = rates[1].take(address, now)
        if wait:
            rates[0].give_back(session)
            return self._refused(f"{what}_address", wait)
        return 0.0

    def _refused(self, limit: str, wait: float) -> float:
        self._counters.limited[limit] = self._counters.limited.get(limit, 0) + 1
        return wait


def counted(address: str, proxies: int) -> str:
    """What an address is counted as: itself, its /64 where it is IPv6, or empty where it is nobody's.

    Without configured proxies, one of the inside (loopback, private, a Unix socket's) is nobody's: most
    likely it is that of a proxy that nobody told us of, and all would share what one of them uses up.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if isinstance(ip, ipaddress.IPv6Address):
        ip = ip.ipv4_mapped or ip
    if not proxies and not ip.is_global:
        return ""
    if isinstance(ip, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Address(int(ip) >> 64 << 64))
    return str(ip)
