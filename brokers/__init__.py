"""Room logs and fan-out behind one interface: in memory, on Redis, on RabbitMQ.

Usable without the chat. The contract stands in `brokers.base`; `brokers.conformance` checks any
implementation against it.
"""

from .base import (
    Append,
    Appended,
    Broker,
    Durability,
    Entry,
    Listener,
    Outcome,
    Page,
    Reason,
    Tail,
    Window,
)
from .errors import (
    AppendError,
    BrokerConfigError,
    BrokerError,
    Conflict,
    Refused,
    Unavailable,
    Unknown,
)
from .registry import connect, schemes

__all__ = [
    "Append",
    "AppendError",
    "Appended",
    "Broker",
    "BrokerConfigError",
    "BrokerError",
    "Conflict",
    "Durability",
    "Entry",
    "Listener",
    "Outcome",
    "Page",
    "Reason",
    "Refused",
    "Tail",
    "Unavailable",
    "Unknown",
    "Window",
    "connect",
    "schemes",
]
