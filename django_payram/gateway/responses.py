"""What comes of an HTTP call: an answer, or one of two ways of not getting one.

Apart from ``transport``, so that who only deals with answers does not import ``requests``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, read to its end."""

    status: int
    # Whatever stands between may repeat the request's headers, and error reports show frames.
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class NoAnswer(Exception):
    """No whole answer arrived. ``sent`` is False when certainly no byte of the request left."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class UnacceptableAnswer(Exception):
    """The answer is one that is not read to its end: too large, or compressed."""
