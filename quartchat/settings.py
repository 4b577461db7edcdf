"""The one reader of the environment."""

from __future__ import annotations

import difflib
import os
import secrets
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args, get_type_hints
from urllib.parse import urlsplit

import msgspec

from .keys import weakness

PREFIX = "QUARTCHAT_"

MAKE_ONE = "make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'"


Rate = Annotated[float, msgspec.Meta(ge=0, le=1_000_000)]
Most = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]


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
    message_rate: Rate = 10.0
    """Messages a second of one session; 0: no limit. The limits below that are not given follow from it."""
    room_rate: Rate | None = None
    """Messages a second into one room, whoever sends them."""
    joins_per_minute: Rate | None = None
    """Handshakes of one session; and, by address, pages and forms as well."""
    new_per_minute: Rate | None = None
    """What one session begins: rooms that nobody is in here, and, for itself, identities and names."""
    address_share: Rate = 20.0
    """An address may do as much as so many sessions; 0: addresses are not limited, but for connections."""
    max_message_bytes: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 8192
    max_connections: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 10_000
    """Sockets of one instance; more are refused with 503."""
    max_connections_per_session: Most = 100
    max_connections_per_address: Most = 1000
    """Sockets by way of one instance; more are refused with 429. 0: no limit."""
    max_members: Most = 10_000
    """People in one room, over all instances; 0: no limit."""
    guests: Literal["allow", "deny"] = "allow"
    oidc_issuer: str = ""
    """An OpenID provider's address, as it writes it; with `oidc_client_id` and `oidc_client_secret`."""
    oidc_client_id: str = ""
    oidc_client_secret: str = ""
    oidc_scopes: str = "openid profile"
    user_header: str = ""
    """Of a trusted proxy, which says in it who somebody is."""
    name_header: str = ""
    """And in this one, how they are called."""
    id_key: str = ""
    """Makes ids of those for whom a provider or proxy vouches; without it, the first of `secret_key` does."""
    trusted_proxies: Annotated[int, msgspec.Meta(ge=0, le=10)] = 0
    """How many stand before this instance and say in `X-Forwarded-…` what was asked: see `approach`."""
    metrics: Literal["on", "off"] = "on"
    metrics_token: str = ""
    """Where given, `/metrics` is for who brings it."""

    @classmethod
    def of_process(cls) -> Settings:
        """As this process was started."""
        return cls.from_environment(os.environ)  # noqa: TID251 - this is its one reader

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
        if "metrics_token" in given:
            _strong("METRICS_TOKEN", given["metrics_token"])
        if "id_key" in given:
            _strong("ID_KEY", given["id_key"])
        settings = cls._checked(given)
        settings._agree_on_login()
        return settings

    @classmethod
    def _checked(cls, given: dict[str, Any]) -> Settings:
        try:
            settings = msgspec.convert(given, cls, strict=False)
        except msgspec.ValidationError as error:
            what, _, path = str(error).partition(" - at `$.")
            field = path.rstrip("`")
            if what.startswith("Invalid enum"):
                # The library repeats the value, which may be a secret that was given to the wrong variable.
                what = "takes one of " + ", ".join(get_args(get_type_hints(cls)[field]))
            raise SettingsError(f"{PREFIX}{field.upper()}: {what[:1].lower()}{what[1:]}") from None
        return settings

    def _agree_on_login(self) -> None:
        """Raise `SettingsError` where what is said of logins does not fit together."""
        parts = {"ISSUER": self.oidc_issuer, "CLIENT_ID": self.oidc_client_id}
        parts["CLIENT_SECRET"] = self.oidc_client_secret
        missing = [f"OIDC_{name}" for name, value in parts.items() if not value]
        if missing and len(missing) < len(parts):
            raise SettingsError(f"{PREFIX}{missing[0]}: needed for a login by OpenID Connect")
        if self.oidc_issuer and not _safe(self.oidc_issuer):
            raise SettingsError(
                f"{PREFIX}OIDC_ISSUER: takes an address like https://id.example.org/realm"
                " (http only on this machine)"
            )
        if "openid" not in self.oidc_scopes.split():
            raise SettingsError(f"{PREFIX}OIDC_SCOPES: openid has to be among them")
        for name, header in (("USER_HEADER", self.user_header), ("NAME_HEADER", self.name_header)):
            if header and not _header(header):
                raise SettingsError(f"{PREFIX}{name}: takes a header of the proxy's own, like X-Remote-User")
        if self.name_header and not self.user_header:
            raise SettingsError(f"{PREFIX}NAME_HEADER: needs {PREFIX}USER_HEADER, which says who somebody is")
        if self.user_header and not self.trusted_proxies:
            raise SettingsError(
                f"{PREFIX}USER_HEADER: anybody can write one; it needs {PREFIX}TRUSTED_PROXIES, and instances"
                " that are reached by these alone"
            )
        if self.user_header and self.oidc_issuer:
            raise SettingsError(
                f"{PREFIX}USER_HEADER: either this or {PREFIX}OIDC_ISSUER says who somebody is"
            )

    @property
    def naming(self) -> bool:
        """Whether somebody may come in by choosing a name. Who cannot log in anywhere always may."""
        return self.guests == "allow" or not (self.oidc_issuer or self.user_header)

    @property
    def messages_of_room(self) -> float:
        """`room_rate`, or fifty sessions' worth."""
        return 50 * self.message_rate if self.room_rate is None else self.room_rate

    @property
    def joins(self) -> float:
        """`joins_per_minute`, or six for each message a second."""
        return 6 * self.message_rate if self.joins_per_minute is None else self.joins_per_minute

    @property
    def beginnings(self) -> float:
        """`new_per_minute`, or two for each message a second."""
        return 2 * self.message_rate if self.new_per_minute is None else self.new_per_minute

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
                f" {MAKE_ONE}"
            )
        return msgspec.structs.replace(self, secret_key=(secrets.token_urlsafe(32),))


def _meant(field: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(field, known, n=1)
    return f"; is {PREFIX}{close[0].upper()} meant?" if close else ""


def _secrets(value: str) -> tuple[str, ...]:
    keys = tuple(key.strip() for key in value.split(","))
    if not all(keys):
        raise SettingsError(f"{PREFIX}SECRET_KEY: an empty key between the commas")
    for key in keys:
        _strong("SECRET_KEY", key)
    return keys


def _strong(variable: str, key: str) -> None:
    weak = weakness(key)
    if weak is not None:
        raise SettingsError(f"{PREFIX}{variable}: too weak, {weak}; {MAKE_ONE}")


def _safe(issuer: str) -> bool:
    """Whether an issuer is an https address (on this machine, http will do) as the specification has it."""
    try:
        parts = urlsplit(issuer)
        here = parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1", "::1")
        named = (parts.scheme == "https" or here) and parts.hostname and parts.port != 0
    except ValueError:
        return False
    return bool(named) and issuer.isprintable() and not set(issuer) & set(' ?#@\\"<>')


# Headers that mean something else; what a browser sends by itself says nothing of who somebody is.
_TAKEN = frozenset(
    (
        *("accept", "accept-encoding", "accept-language", "authorization", "connection", "content-length"),
        *("content-type", "cookie", "forwarded", "host", "origin", "referer", "te", "upgrade", "user-agent"),
        *("via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"),
    )
)


def _header(name: str) -> bool:
    """Whether this can be a header of a proxy's own. Some proxies make a - of what clients send with _."""
    plain = name.isascii() and name.replace("-", "a").isalnum()
    return plain and name.lower() not in _TAKEN and not name.lower().startswith("sec-")


def _origins(value: str) -> frozenset[str]:
    origins = set()
    for number, item in enumerate(value.split(","), 1):
        origin = item.strip().lower().removesuffix("/")
        try:
            parts = urlsplit(origin)
            usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
            bare = origin == f"{parts.scheme}://{parts.netloc}" and not set("@ \t") & set(origin)
        except ValueError:
            usable = bare = False
        if not (usable and bare):
            raise SettingsError(
                f"{PREFIX}ALLOWED_ORIGINS: item {number} is not like https://chat.example.org"
            )
        origins.add(origin)
    return frozenset(origins)
