"""A room chat in the browser. Start it with `hypercorn quartchat:app`."""

import os
import sys

from .application import create_app
from .settings import SettingsError

try:
    app = create_app(os.environ)  # noqa: TID251 - handed to settings, its one reader
except SettingsError as error:
    # One line that names the variable, and no traceback: this is read in a terminal or a container's log.
    sys.stderr.write(f"quartchat: {error}\n")
    raise SystemExit(1) from None

__all__ = ["app", "create_app"]
