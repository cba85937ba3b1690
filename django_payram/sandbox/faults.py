"""What goes wrong between a shop and PayRam, one fault a row, for shops to be tested against."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django_payram.sandbox.api import NOT_FOUND, STATUS, UNAUTHORIZED, is_call, is_create, is_status
from django_payram.sandbox.messages import Pause, Request, Response, decode, json_response

if TYPE_CHECKING:
    from django_payram.sandbox.payloads import Json

FRONT_END = b'<!doctype html><html><head><title>PayRam</title></head><body><div id="root"></div></body></html>'
BAD_GATEWAY = (
    b"<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>"
)
HTML = "text/html; charset=utf-8"
HUGE = 2 * 1024 * 1024

# Two names of one machine, so that a shop which follows the redirect is seen to come back.
OTHER_NAMES = {"127.0.0.1": "localhost", "localhost": "127.0.0.1"}

Spoil = Callable[[Request, Response, Pause], Response]


@dataclass(frozen=True)
class Fault:
    """One way to answer wrongly.

    ``acts``: the request is carried out before its answer is spoiled, as when a proxy in
    front of PayRam fails, so that the shop cannot know what happened.
    """

    spoil: Spoil
    where: Callable[[Request], bool] = is_call
    acts: bool = False


def fixed(answer: Response) -> Spoil:
    """Always this answer."""
    return altered(lambda _correct: answer)


def altered(alter: Callable[[Response], Response]) -> Spoil:
    """The correct answer with something changed."""
    return lambda _request, correct, _pause: alter(correct)


def edited(edit: Callable[[Json], Json]) -> Spoil:
    """The correct JSON with something changed; answers that are none stay as they are."""

    def spoil(correct: Response) -> Response:
        value = decode(correct.body)
        if correct.status != 200 or not isinstance(value, dict):
            return correct
        return json_response({**value, **edit(value)})

    return altered(spoil)


def replaced(changes: Json) -> Spoil:
    """The correct JSON with other values in those of these fields that it has."""
    return edited(lambda value: {name: change for name, change in changes.items() if name in value})


def on_site(scheme: str, host: str) -> Spoil:
    """The correct JSON with a checkout link that leads to another server."""
    return edited(lambda value: {"url": urlsplit(str(value["url"]))._replace(scheme=scheme, netloc=host).geturl()})


def _old_route(request: Request, correct: Response, _pause: Pause) -> Response:
    return NOT_FOUND if request.path.startswith(STATUS) else correct


def _redirect(request: Request, _correct: Response, _pause: Pause) -> Response:
    where = urlsplit(request.site)
    name = OTHER_NAMES.get(where.hostname or "", "elsewhere.example")
    port = f":{where.port}" if where.port else ""
    target = f"{where.scheme}://{name}{port}{request.path}"
    return Response(302, headers=(("Location", target),))


def _slow_body(_request: Request, correct: Response, pause: Pause) -> Response:
    def drip() -> Iterator[bytes]:
        for place in range(len(correct.body)):
            yield correct.body[place : place + 1]
            pause(1)

    return replace(correct, chunks=drip())


def _half(body: bytes) -> bytes:
    return body[: len(body) // 2]


BUSY = {"error": {"code": "CONFLICT", "message": "Another request is being processed."}}
TOO_MANY = {"error": {"code": "RATE_LIMITED", "message": "Too many requests."}}
FAILED = {"error": "Failed to get payment request"}
CODE_5 = {"code": 5, "message": "Error occurred while creating the payment request."}
OTHER_REFERENCE = "8f7d1c52-93b0-4e0e-a3d4-1b6f0c2e5a97"
LOWER_STATE: Json = {
    "paymentState": "OPEN",
    "payment_state": "OPEN",
    "filledAmount": None,
    "filledAmountInUSD": None,
    "filled_amount": "0",
    "filled_amount_in_usd": "0",
}

FAULTS = {
    "html": Fault(fixed(Response(200, FRONT_END, HTML))),
    "redirect": Fault(_redirect),
    "unauthorized": Fault(fixed(UNAUTHORIZED)),
    "conflict": Fault(fixed(json_response(BUSY, status=409))),
    "throttled": Fault(fixed(replace(json_response(TOO_MANY, status=429), headers=(("Retry-After", "7"),)))),
    "broken": Fault(fixed(json_response(FAILED, status=500))),
    "gateway": Fault(fixed(Response(502, BAD_GATEWAY, HTML)), acts=True),
    "code5": Fault(fixed(json_response(CODE_5)), is_create),
    "slow_headers": Fault(altered(lambda correct: replace(correct, slow_headers=True)), acts=True),
    "slow_body": Fault(_slow_body, acts=True),
    "cut_body": Fault(altered(lambda correct: replace(correct, chunks=[_half(correct.body)])), acts=True),
    # White space is valid JSON: only the size is wrong.
    "huge_body": Fault(altered(lambda correct: replace(correct, body=correct.body + b" " * HUGE)), acts=True),
    "not_json": Fault(fixed(Response(200, b'{"reference_id": ', "application/json")), acts=True),
    "wrong_reference": Fault(
        replaced({"referenceID": OTHER_REFERENCE, "reference_id": OTHER_REFERENCE}), is_status, acts=True
    ),
    "wrong_customer": Fault(
        replaced({"customerID": "somebody-else", "customer_id": "somebody-else"}), is_status, acts=True
    ),
    "lower_state": Fault(replaced(LOWER_STATE), is_status, acts=True),
    "old_route": Fault(_old_route, is_status, acts=True),
    "foreign_url": Fault(on_site("https", "checkout.elsewhere.example"), is_create, acts=True),
    "localhost_url": Fault(on_site("http", "localhost"), is_create, acts=True),
}


@dataclass
class ActiveFault:
    """A fault in force, by name: for one payment or for all, a number of times or for ever."""

    name: str
    reference: str | None = None
    times: int | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for an unknown fault, naming those there are."""
        if self.name not in FAULTS:
            raise ValueError(f"There is no fault {self.name!r}; there are {', '.join(FAULTS)}.")
        self.fault = FAULTS[self.name]
        self._left = math.inf if self.times is None else self.times

    def take(self, request: Request) -> bool:
        """Whether this request is to be spoiled; if so, it is counted."""
        about = self.reference is None or request.path.endswith(f"/{self.reference}")
        if not (about and self._left > 0 and self.fault.where(request)):
            return False
        self._left -= 1
        return True
