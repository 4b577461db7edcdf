"""The application with a fault in it: `/fault` raises."""

from __future__ import annotations

from quartchat import app


@app.route("/fault")
async def fault() -> str:
    raise ZeroDivisionError("a fault, on purpose")


__all__ = ["app"]
