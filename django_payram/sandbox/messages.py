"""HTTP messages as values, and JSON as PayRam reads and writes it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

Pause = Callable[[float], object]

# Go's encoder escapes these three in every string.
GO_ESCAPES = {"&": "\\u0026", "<": "\\u003c", ">": "\\u003e"}

MOST_BYTES = 1024 * 1024
LENGTH = re.compile(r"[0-9]{1,18}")
HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([0-9a-z.-]+))(?::[0-9]+)?", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True)
class Request:
    """One request. ``body`` is None when it is longer than 1 MiB. Header names are lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)
    site: str

    @property
    def host(self) -> str:
        """The name of the server that was asked for, in lower case and without its port; empty when it is none."""
        return host_name(self.site.partition("://")[2])

    @property
    def wants_page(self) -> bool:
        """Whether a browser asks, rather than a program."""
        return "text/html" in self.headers.get("accept", "")

    @cached_property
    def form(self) -> dict[str, str]:
        """The fields of a posted form."""
        return _pairs((self.body or b"").decode("utf-8", "replace"))


@dataclass(frozen=True)
class Response:
    """One answer. ``chunks`` replace the body where it must be sent in a special way."""

    status: int
    body: bytes = field(default=b"", repr=False)
    content_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()
    chunks: Iterable[bytes] | None = field(default=None, repr=False)
    slow_headers: bool = False

    def start(self, start_response: StartResponse) -> None:
        """Hand status and headers to the WSGI server, with type and length of the body."""
        described = [("Content-Type", self.content_type), ("Content-Length", str(len(self.body)))]
        start_response(f"{self.status} {HTTPStatus(self.status).phrase}", [*described, *self.headers])


def host_name(text: str) -> str:
    """The name or address in ``payram.local:8001`` or ``[::1]:8001``, in lower case; empty when there is none."""
    found = HOST.fullmatch(text)
    return (found[1] or found[2]).lower().removesuffix(".") if found else ""


def json_response(value: object, *, status: int = 200) -> Response:
    """An answer in JSON."""
    return Response(status, encode(value), "application/json; charset=utf-8")


def read_request(environ: WSGIEnvironment) -> Request:
    """The request of a WSGI environment, its body read up to 1 MiB."""
    host = environ.get("HTTP_HOST") or f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
    headers = {name[5:].replace("_", "-").lower(): environ[name] for name in environ if name.startswith("HTTP_")}
    size = content_length(environ)
    return Request(
        method=environ["REQUEST_METHOD"].upper(),
        path=environ.get("PATH_INFO", "").encode("latin-1").decode("utf-8", "replace"),
        query=_pairs(environ.get("QUERY_STRING", "")),
        headers=headers,
        body=environ["wsgi.input"].read(size) if size <= MOST_BYTES else None,
        site=f"{environ['wsgi.url_scheme']}://{host}",
    )


def content_length(environ: WSGIEnvironment) -> int:
    """The announced length of the body in bytes; 0 when none can be read."""
    length = str(environ.get("CONTENT_LENGTH") or "")
    return int(length) if LENGTH.fullmatch(length) else 0


def _pairs(text: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=100))
    except ValueError:
        return {}


# --- JSON ---------------------------------------------------------------------------------------


def encode(value: object) -> bytes:
    """Compact JSON in UTF-8; a Decimal becomes a JSON number."""
    text = json.dumps(value, separators=(",", ":"), default=_number)
    for character, escape in GO_ESCAPES.items():
        text = text.replace(character, escape)
    return text.encode()


def decode(body: bytes) -> object:
    """The value of a JSON text, numbers as Decimal; raises ValueError for anything else."""
    try:
        return json.loads(body, parse_float=Decimal, parse_int=Decimal, parse_constant=_no_constant)
    except RecursionError as exc:
        raise ValueError("The JSON is nested too deeply.") from exc


def _number(value: object) -> float:
    if isinstance(value, Decimal):
        # The last step before the wire: a double writes every sum of up to 15 digits exactly.
        return float(value)
    raise TypeError(f"{type(value).__name__} has no JSON form.")


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON.")
