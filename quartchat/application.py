"""Puts the parts together. Cheap: no connection and no loop object before the server starts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from quart import Quart, Response, has_request_context, request

import brokers

from . import hypercorn
from .api import Api, answer
from .health import Health
from .http import HttpConnection
from .hub import Hub
from .identity import Identities
from .lifecycle import Lifecycle, only_worker
from .pages import Answer, Pages
from .sessions import EndedSessions
from .settings import Settings, SettingsError
from .websocket import Door, connection_class

FRAME_ROOM = 1024
"""Characters in a frame beside its text: type, id, and room for fields of later versions."""

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " font-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


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
    identities = Identities(settings.secret_key)
    ended = EndedSessions(broker, hub.close_session)
    hub.sessions = ended
    door = Door(hub, identities, ended)
    pages = Pages(hub, identities, ended)
    lifecycle = Lifecycle(broker, hub, ended, made_up_key=made_up)
    lifecycle.install()

    app = Quart("quartchat", template_folder=_templates(), static_folder="static")
    # Never used for a session of Quart's own: identities are ours, and given only by POST.
    app.secret_key = settings.secret_key[0]
    app.config["MAX_CONTENT_LENGTH"] = 64 * 1024
    app.asgi_http_class = HttpConnection
    app.asgi_websocket_class = connection_class(door)
    app.before_serving(lifecycle.start)
    app.after_serving(lifecycle.stop)
    app.register_blueprint(pages.blueprint())
    app.register_blueprint(Api(hub).blueprint())
    app.register_blueprint(Health(hub).blueprint())
    app.add_websocket("/ws/chat/<room>/", "websocket", door.admit)
    app.after_request(_headers)

    async def failed(error: Exception) -> Answer:
        status = getattr(error, "code", None) or 500
        detail = getattr(error, "description", None) or "That should not happen; it was noted."
        if status == 404:
            detail = "There is nothing at this address."
        if not has_request_context():  # a handshake
            return Response(f"{detail}\n", status, content_type="text/plain; charset=utf-8")
        if request.path.startswith("/api/"):
            return answer(status, {"error": detail})
        return await pages.error(status, detail)

    for status in (400, 403, 404, 405, 408, 413, 500):
        app.register_error_handler(status, failed)
    return app


def _templates() -> str:
    """Inside the package where it was installed, else those of the checkout."""
    here = Path(__file__).parent
    installed = here / "templates"
    return str(installed if installed.is_dir() else here.parent / "templates")


async def _headers(response: Response) -> Response:
    headers = response.headers
    headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "same-origin")
    if request.endpoint == "static":
        headers.setdefault("Cache-Control", "no-cache")
    else:
        # What depends on who asks is never kept by anybody in between.
        headers["Cache-Control"] = "no-store"
        headers["Vary"] = "Cookie"
    return response
