"""From a URL to a broker: by scheme, drivers imported only when asked for.

Other packages add schemes with an entry point in the group ``quartchat.brokers``: the name is the scheme,
the object a subclass of `brokers.Broker`.
"""

from __future__ import annotations

from importlib import import_module, metadata
from urllib.parse import urlsplit

from .base import Broker, Window
from .errors import BrokerConfigError

GROUP = "quartchat.brokers"

_BUILT_IN = {
    "memory": ("brokers.memory", "MemoryBroker", ""),
    "redis": ("brokers.redis", "RedisBroker", "redis"),
    "rediss": ("brokers.redis", "RedisBroker", "redis"),
    "unix": ("brokers.redis", "RedisBroker", "redis"),
    "amqp": ("brokers.rabbitmq", "RabbitMQBroker", "rabbitmq"),
    "amqps": ("brokers.rabbitmq", "RabbitMQBroker", "rabbitmq"),
}


def schemes() -> list[str]:
    """All URL schemes that `connect` knows here, installed extensions included."""
    return sorted({*_BUILT_IN, *(point.name for point in metadata.entry_points(group=GROUP))})


def connect(url: str, *, window: Window | None = None) -> Broker:
    """The broker for a URL; nothing is connected before `open`.

    Raise `BrokerConfigError`, in one line, for an unknown scheme, a driver that is not installed, or a URL
    that the broker cannot use. The line never holds the URL: it may carry a password.
    """
    try:
        parts = urlsplit(url)
        scheme, _ = parts.scheme, parts.port
    except ValueError:
        # The library's own words repeat parts of the URL.
        raise BrokerConfigError(
            "not a usable URL (in a user or password, write / as %2F, # as %23, @ as %40)"
        ) from None
    # What stands before the first colon of something else may be a user, or a secret, and is not repeated.
    named = url.strip().lower().startswith(f"{scheme}://")
    return _implementation(scheme if named or scheme in _BUILT_IN else "")(url, window=window)


def _implementation(scheme: str) -> type[Broker]:
    if scheme in _BUILT_IN:
        module, name, extra = _BUILT_IN[scheme]
        try:
            found = getattr(import_module(module), name)
        except ModuleNotFoundError as error:
            if not extra or (error.name or "").startswith("brokers"):
                raise
            raise BrokerConfigError(
                f"{scheme}:// needs the package {error.name!r}: pip install 'quartchat[{extra}]'"
            ) from None
    else:
        points = [p for p in metadata.entry_points(group=GROUP) if p.name == scheme]
        if not points:
            known = ", ".join(f"{name}://" for name in schemes())
            raise BrokerConfigError(f"no broker for {scheme or 'a URL without scheme'!r}; known: {known}")
        try:
            found = points[0].load()
        except (ImportError, AttributeError) as error:
            raise BrokerConfigError(
                f"{scheme}:// is registered by another package, but cannot be loaded: {error}"
            ) from None
    if not (isinstance(found, type) and issubclass(found, Broker)):
        raise BrokerConfigError(f"what is registered for {scheme}:// is not a brokers.Broker")
    return found
