"""The application with everything in its log that can be: asyncio tells of each step (where its debug mode is
on), and `/fault` fails in the middle of a request."""

from __future__ import annotations

import asyncio

from quart import request

from quartchat import app


@app.route("/fault", methods=["GET", "POST"])
async def fault() -> str:
    form = await request.form
    raise ZeroDivisionError(f"a fault, on purpose, with {len(form)} fields")


@app.before_serving
async def tell_everything() -> None:
    # As if each step took the tenth of a second from which on it is told, with what was given to it.
    asyncio.get_running_loop().slow_callback_duration = 0


__all__ = ["app"]
