"""Sockets that are open by way of this instance, and handshakes that will be: whose they are."""

from __future__ import annotations


class Seats:
    """Counts by session and by address. 0 is no limit; an empty address is nobody's, and not counted.

    Memory follows the sockets: who has none is not in it.
    """

    def __init__(self, per_session: int, per_address: int) -> None:
        self._per_session = per_session
        self._per_address = per_address
        self._sessions: dict[str, int] = {}
        self._addresses: dict[str, int] = {}
        self.taken = 0

    def take(self, user_id: str, address: str) -> str | None:
        """Take a seat, to be given back by `leave`; else what is full: `session` or `address`."""
        if self._per_session and self._sessions.get(user_id, 0) >= self._per_session:
            return "session"
        if self._per_address and self._addresses.get(address, 0) >= self._per_address:
            return "address"
        self.taken += 1
        self._sessions[user_id] = self._sessions.get(user_id, 0) + 1
        if address:
            self._addresses[address] = self._addresses.get(address, 0) + 1
        return None

    def leave(self, user_id: str, address: str) -> None:
        """Give a seat back."""
        self.taken -= 1
        _less(self._sessions, user_id)
        if address:
            _less(self._addresses, address)


def _less(counts: dict[str, int], key: str) -> None:
    counts[key] -= 1
    if not counts[key]:
        del counts[key]
