"""The suite, put together: four classes to subclass."""

from __future__ import annotations

from .checks.appending import AppendChecks
from .checks.cancelling import CancelChecks
from .checks.faulty_links import LinkChecks
from .checks.faulty_servers import FreezeChecks, ServerChecks
from .checks.following import FollowChecks
from .checks.living import LifeChecks
from .checks.reading import ReadChecks
from .checks.rooms import RoomChecks
from .checks.sharing import PrivateChecks, SharedChecks
from .checks.signalling import SignalChecks
from .checks.windows import WindowChecks


class BrokerConformance(
    AppendChecks,
    FollowChecks,
    ReadChecks,
    WindowChecks,
    RoomChecks,
    SignalChecks,
    LifeChecks,
    CancelChecks,
):
    """What every broker keeps, one process looking at it. Give a fixture `url`."""


class SharedConformance(SharedChecks):
    """For brokers whose objects on one URL share their logs: all but those inside one process."""


class PrivateConformance(PrivateChecks):
    """For brokers whose objects never share anything, as `memory://`."""


class LinkConformance(LinkChecks):
    """For brokers with a TCP link: it is cut, black-holed and delayed by a proxy. Takes minutes."""


class ServerConformance(ServerChecks, FreezeChecks):
    """For who can kill, freeze and wipe the server. Give a fixture `server`, a `Server`."""
