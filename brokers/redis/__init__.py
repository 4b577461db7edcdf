"""Redis (and Valkey) as a broker. Needs the extra ``quartchat[redis]``."""

from .broker import RedisBroker

__all__ = ["RedisBroker"]
