"""The one reader of the environment."""

from __future__ import annotations

import difflib
import secrets
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec

PREFIX = "QUARTCHAT_"


class SettingsError(Exception):
    """The environment cannot be used. The text is one line that names the variable, and no secret."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How this instance runs. Field names are the variables' without the prefix, in lower case."""

    broker: str = "memory://"
    secret_key: tuple[str, ...] = ()
    """The first signs, all verify."""
    allowed_origins: frozenset[str] = frozenset()
    """Empty: the host that was asked."""
    history: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1000
    history_seconds: Annotated[float, msgspec.Meta(ge=1, le=10 * 365 * 86400)] = 86400.0
    message_rate: Annotated[float, msgspec.Meta(ge=0, le=1_000_000)] = 10.0
    """Messages a second of one session; 0: no limit."""
    max_message_bytes: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 8192
    max_connections: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 10_000
    """Sockets of one instance; more are refused with 503."""
    guests: Literal["allow", "deny"] = "allow"

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Raise `SettingsError` for an unknown variable or a bad value. An empty value is the default."""
        given: dict[str, Any] = {}
        for variable, value in environ.items():
            if not variable.startswith(PREFIX):
                continue
            field = variable.removeprefix(PREFIX).lower()
            if field not in cls.__struct_fields__ or variable != variable.upper():
                raise SettingsError(f"{variable}: no such setting{_meant(field, cls.__struct_fields__)}")
            if value.strip():
                given[field] = value.strip()
        for field, split in (("secret_key", _secrets), ("allowed_origins", _origins)):
            if field in given:
                given[field] = split(given[field])
        return cls._checked(given)

    @classmethod
    def _checked(cls, given: dict[str, Any]) -> Settings:
        try:
            settings = msgspec.convert(given, cls, strict=False)
        except msgspec.ValidationError as error:
            what, _, path = str(error).partition(" - at `$.")
            raise SettingsError(f"{PREFIX}{path.rstrip('`').upper()}: {what[:1].lower()}{what[1:]}") from None
        return settings

    @property
    def in_memory(self) -> bool:
        """Whether rooms live in this process alone."""
        return urlsplit(self.broker).scheme == "memory"

    def with_key(self) -> Settings:
        """These settings with a key to sign with; without a configured one, only memory:// may make its own.

        Raise `SettingsError` for every other broker: its instances must share one.
        """
        if self.secret_key:
            return self
        if not self.in_memory:
            raise SettingsError(
                f"{PREFIX}SECRET_KEY: needed with every broker but memory://, the same on every instance;"
                " make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'"
            )
        return msgspec.structs.replace(self, secret_key=(secrets.token_urlsafe(32),))


def _meant(field: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(field, known, n=1)
    return f"; is {PREFIX}{close[0].upper()} meant?" if close else ""


def _secrets(value: str) -> tuple[str, ...]:
    keys = tuple(key.strip() for key in value.split(","))
    if not all(keys):
        raise SettingsError(f"{PREFIX}SECRET_KEY: an empty key between the commas")
    return keys


def _origins(value: str) -> frozenset[str]:
    origins = set()
    for item in value.split(","):
        origin = item.strip().lower().removesuffix("/")
        try:
            parts = urlsplit(origin)
            usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
            bare = origin == f"{parts.scheme}://{parts.netloc}" and not set("@ \t") & set(origin)
        except ValueError:
            usable = bare = False
        if not (usable and bare):
            shown = "an item" if "@" in item else repr(item.strip())
            raise SettingsError(f"{PREFIX}ALLOWED_ORIGINS: {shown} is not like https://chat.example.org")
        origins.add(origin)
    return frozenset(origins)
