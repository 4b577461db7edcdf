"""Puts the parts together. Cheap: no connection and no loop object before the server starts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from jinja2.ext import Extension
from quart import Blueprint, Quart, Response, has_request_context, request
from werkzeug.exceptions import MethodNotAllowed
from werkzeug.routing import RequestRedirect

import brokers

from . import hypercorn
from .api import Api, answer
from .assets import Assets
from .door import Door
from .health import Health
from .http import connection_class as http_connection_class
from .hub import Hub
from .identity import Identities
from .lifecycle import Lifecycle, only_worker
from .links import Links
from .lobby import Lobby
from .moderation import Moderation
from .pages import Answer, Pages
from .posts import Posts
from .sessions import EndedSessions
from .settings import Settings, SettingsError
from .visitors import Visitors
from .websocket import connection_class

FRAME_ROOM = 1024
"""Characters in a frame beside its text: type, id, and room for fields of later versions."""


def create_app(environ: Mapping[str, str]) -> Quart:
    """The application, as the environment says. Raise `SettingsError` where it cannot be used."""
    settings = Settings.from_environment(environ)
    try:
        broker = brokers.connect(
            settings.broker, window=brokers.Window(settings.history, settings.history_seconds)
        )
    except brokers.BrokerConfigError as error:
        raise SettingsError(f"QUARTCHAT_BROKER: {error}") from None
    if settings.in_memory:
        only_worker()
    made_up = not settings.secret_key
    settings = settings.with_key()
    # The longest text in JSON: six characters for each byte (\u0000).
    hypercorn.set_defaults(6 * settings.max_message_bytes + FRAME_ROOM)

    hub = Hub(settings, broker)
    identities = Identities(settings.secret_key, settings)
    door = Door(hub, identities)
    moderation = Moderation(hub, Links(settings.secret_key))
    visitors = Visitors(hub, identities)
    pages = Pages(hub, Lobby(hub), visitors)
    lifecycle = Lifecycle(broker, hub, made_up_key=made_up)
    lifecycle.install()

    app = Quart("quartchat", template_folder=_templates(), static_folder=None)
    # Never used for a session of Quart's own: identities are ours, and given only by POST.
    app.secret_key = settings.secret_key[0]
    # The longest text in a form: three characters for each byte (%00).
    app.config["MAX_CONTENT_LENGTH"] = max(64 * 1024, 3 * settings.max_message_bytes + 4 * FRAME_ROOM)
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True, "extensions": [Lean]}
    app.asgi_http_class = http_connection_class(settings.trusted_proxies, hub.limits)
    app.asgi_websocket_class = connection_class(door)
    app.before_serving(lifecycle.start)
    app.after_serving(lifecycle.stop)
    app.add_url_rule("/static/<path:filename>", "static", Assets().send)
    app.register_blueprint(pages.blueprint())
    app.register_blueprint(Posts(hub, pages, visitors, moderation).blueprint())
    app.register_blueprint(Api(hub, moderation, visitors.session, visitors.own_origin).blueprint())
    app.register_blueprint(Health(hub).blueprint())
    if settings.oidc_issuer:
        app.register_blueprint(_login(settings, pages, visitors, identities, hub.sessions))
    app.after_request(_relative)

    async def failed(error: Exception) -> Answer:
        status = getattr(error, "code", None) or 500
        if not has_request_context():  # a handshake
            return Response(
                f"{HTTPStatus(status).phrase}\n", status, content_type="text/plain; charset=utf-8"
            )
        if request.path.startswith("/api/"):
            said = answer(status, {"error": HTTPStatus(status).phrase})
        else:
            said = await pages.error(status)
        if isinstance(error, MethodNotAllowed) and error.valid_methods:
            said.headers["Allow"] = ", ".join(sorted(error.valid_methods))
        return said

    for status in (400, 403, 404, 405, 408, 413, 500):
        app.register_error_handler(status, failed)
    return app


def _login(
    settings: Settings, pages: Pages, visitors: Visitors, identities: Identities, ended: EndedSessions
) -> Blueprint:
    """The addresses of a login; what they need is loaded only where there are any."""
    try:
        from .login.provider import Provider
        from .login.routes import Login
    except ImportError as error:
        raise SettingsError(
            f"QUARTCHAT_OIDC_ISSUER: needs the extra `oidc` (pip install 'quartchat[oidc]'): no {error.name}"
        ) from None
    provider = Provider(
        settings.oidc_issuer, settings.oidc_client_id, settings.oidc_client_secret, settings.oidc_scopes
    )
    return Login(settings, pages, visitors, identities, ended, provider).blueprint()


class Lean(Extension):
    """Templates are indented for those who write them; their readers need none of it."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        return re.sub(r"\s*\n\s*", "\n", source)


def _templates() -> str:
    """Inside the package where it was installed, else those of the checkout."""
    here = Path(__file__).parent
    installed = here / "templates"
    return str(installed if installed.is_dir() else here.parent / "templates")


async def _relative(response: Response) -> Response:
    """Redirects of the URL map name the scheme and host that Quart saw: behind a proxy, not the browser's."""
    if isinstance(request.routing_exception, RequestRedirect):
        there = urlsplit(response.headers["Location"])
        response.headers["Location"] = urlunsplit(("", "", "/" + there.path.lstrip("/"), there.query, ""))
    return response
