"""Links that give whoever has them a right: to own a room, or to come into it.

Each is signed for one room, and names what the room's rules know of it: so it can be taken back, and none
can be made without the key. In an address it stands behind the `#`, which browsers send to nobody.
"""

from __future__ import annotations

from itsdangerous import BadSignature, URLSafeSerializer

OWNER, INVITE = "owner", "invite"


class Links:
    """Signs and reads them. Several keys: the first signs, all verify."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        # The library signs with the last key and verifies with all.
        self._signer = URLSafeSerializer(list(reversed(keys)), salt="quartchat link")

    def sign(self, kind: str, room: str, name: str) -> str:
        """A link's text, of `A-Za-z0-9._-`."""
        return str(self._signer.dumps([kind, room, name]))

    def read(self, kind: str, room: str, link: str) -> str:
        """The name in a link of this kind for this room; empty where it is none."""
        if not link.isascii() or len(link) > 1000:
            return ""
        try:
            found_kind, found_room, name = self._signer.loads(link)
        except (BadSignature, ValueError, TypeError, RecursionError):
            return ""
        return name if (found_kind, found_room) == (kind, room) and isinstance(name, str) else ""
