"""What can go wrong at a broker.

BrokerError
 ├── BrokerConfigError     the URL or its options cannot be used; fix and start again
 ├── Unavailable           the broker cannot be reached or did not answer in time; try again later
 └── AppendError
      ├── Unknown          no answer in time: stored or not, nobody can say. Append the same key again
      ├── Conflict         this key already stands in the log with another digest; never stored
      └── Refused          the broker says no for good (for instance: the entry is too big); never stored
"""

from __future__ import annotations


class BrokerError(Exception):
    """The root of everything that a broker raises on purpose."""


class BrokerConfigError(BrokerError):
    """The URL, its scheme or its options cannot be used. The text is one line for a person."""


class Unavailable(BrokerError):
    """The broker cannot be reached, or a question was not answered in time. Nothing was changed."""


class AppendError(BrokerError):
    """An append that did not end with a position."""


class Unknown(AppendError):
    """No answer before the deadline: the entry may be stored now, later or never.

    Append the same room, key and digest again: that is safe, and gives the one true answer.
    """


class Conflict(AppendError):
    """The key stands in the log with another digest. This append was not stored and never will be."""


class Refused(AppendError):
    """The broker refuses this entry for good. It was not stored and never will be."""
