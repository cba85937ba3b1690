"""The pages for people: the payment page, all payments, and the deliveries of webhooks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

from django.template import Context, Engine

from django_payram.sandbox import presentation, qr
from django_payram.sandbox.coins import BY_CODE, COINS
from django_payram.sandbox.controls import BUTTONS, press, usual_part
from django_payram.sandbox.form_tokens import FormTokens, TokenState
from django_payram.sandbox.messages import Request, Response, json_response
from django_payram.sandbox.payments import CANCELLED, Payment, UnknownPayment
from django_payram.sandbox.presentation import mark, page

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_payram.sandbox.application import Sandbox

HERE = Path(__file__).parent
ASSETS = {
    "sandbox.css": "text/css; charset=utf-8",
    "sandbox.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
DELIVERIES = "/sandbox/deliveries"
LONGEST_LIST = 200
WRONG_SUM = "Please type a sum in dollars, for example 12.50."
STALE = "That page was out of date, so nothing was done. Please press the button again."

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
PAGE_HEADERS = (
    ("Content-Security-Policy", POLICY),
    ("Cache-Control", "no-store"),
    ("Referrer-Policy", "same-origin"),
    ("X-Content-Type-Options", "nosniff"),
)


class Pages:
    """Answers every request that is not for the API."""

    def __init__(self, sandbox: Sandbox) -> None:
        """Templates come from this package; Django's settings are not needed."""
        self._sandbox = sandbox
        self._form_tokens = FormTokens()
        self._engine = Engine(dirs=[str(HERE / "templates")], builtins=[presentation.__name__])
        self._routes: dict[tuple[str, str], Callable[[Request], Response]] = {
            ("GET", "/"): self._overview,
            ("GET", "/payments"): self._payment,
            ("GET", "/pay"): self._payment,
            ("POST", "/payments"): self._act,
            ("POST", "/pay"): self._act,
            ("GET", "/sandbox/state"): self._state,
            ("GET", "/sandbox/qr.svg"): self._picture,
            ("GET", DELIVERIES): self._deliveries,
            ("POST", DELIVERIES): self._direct,
        }

    def answer(self, request: Request) -> Response:
        """The page, or 404."""
        method = "GET" if request.method == "HEAD" else request.method
        folder, _, name = request.path.rpartition("/")
        if folder == "/sandbox/static" and name in ASSETS:
            return Response(200, (HERE / "static" / name).read_bytes(), ASSETS[name])
        route = self._routes.get((method, request.path.rstrip("/") or "/"), self._missing)
        try:
            return route(request)
        except UnknownPayment:
            return self._missing(request)

    # --- to look at -------------------------------------------------------------------------

    def _overview(self, request: Request) -> Response:
        if not request.wants_page:
            return Response(200, b"Welcome to Payram Core")
        payments = self._sandbox.payments()
        shown = {"payments": payments[:LONGEST_LIST], "total": len(payments), "site": request.site}
        return self._page("overview.html", shown)

    def _payment(self, request: Request) -> Response:
        return self._payment_page(self._asked(request), problem=_notice(request))

    def _payment_page(self, payment: Payment, *, problem: str, typed: str = "", status: int = 200) -> Response:
        shown = {
            "payment": payment,
            "coins": () if payment.deposits else COINS,
            "has_picture": qr.can_draw(),
            "back": self._way_back(payment),
            "buttons": [(name, one) for name, one in BUTTONS.items() if one.when(payment)],
            "part": typed or f"{usual_part(payment):f}",
            "problem": problem,
            "wrong_sum": problem == WRONG_SUM,
        }
        return self._page("payment.html", shown, status=status)

    def _way_back(self, payment: Payment) -> str:
        """Where the customer returns to: the success URL also when only a part was paid."""
        project = self._sandbox.project
        unpaid = project.cancel_url if payment.state == CANCELLED else ""
        target = project.success_url if payment.filled_usd else unpaid
        if not (target and self._sandbox.api_version.return_parameters):
            return target
        where = urlsplit(target)
        ids = {"reference_id": payment.reference, "invoice_id": payment.invoice_id}
        return where._replace(query=urlencode([*parse_qsl(where.query), *ids.items()])).geturl()

    def _state(self, request: Request) -> Response:
        return json_response({"mark": mark(self._asked(request))})

    def _picture(self, request: Request) -> Response:
        address = self._asked(request).deposit_address
        if address is None or not qr.can_draw():
            return self._missing(request)
        return Response(200, qr.draw(address), "image/svg+xml")

    def _deliveries(self, request: Request) -> Response:
        shown = {
            "deliveries": self._sandbox.deliveries[: -LONGEST_LIST - 1 : -1],
            "waiting": self._sandbox.waiting,
            "on": self._sandbox.webhooks,
            "url": self._sandbox.project.webhook_url,
            "problem": _notice(request),
        }
        return self._page("deliveries.html", shown)

    # --- to do ------------------------------------------------------------------------------

    def _act(self, request: Request) -> Response:
        payment = self._asked(request)
        here = page(payment.reference)
        if (refusal := self._spent(request, here=here)) is not None:
            return refusal
        form = request.form
        coin = BY_CODE.get(form.get("coin", ""))
        typed = form.get("amount", "")
        try:
            if form.get("do") != "choose":
                press(self._sandbox, payment, name=form.get("do", ""), typed=typed)
            elif coin is not None:
                self._sandbox.choose(payment.reference, coin=coin)
        except ValueError:
            return self._payment_page(payment, problem=WRONG_SUM, typed=typed, status=400)
        return _see_other(here)

    def _direct(self, request: Request) -> Response:
        if (refusal := self._spent(request, here=DELIVERIES)) is not None:
            return refusal
        form = request.form
        if form.get("do") == "switch":
            self._sandbox.webhooks = form.get("webhooks") == "on"
        elif form.get("do") == "send-again" and self._sandbox.project.webhook_url:
            self._sandbox.redeliver(form.get("reference", ""))
        return _see_other(DELIVERIES)

    def _asked(self, request: Request) -> Payment:
        return self._sandbox.payment(request.query.get("reference_id", ""))

    def _spent(self, request: Request, *, here: str) -> Response | None:
        """Where to send a form whose form_token was used before or is not ours; None: go on."""
        form_token = self._form_tokens.take(request.form.get("form_token", ""))
        if form_token is TokenState.FRESH:
            return None
        if form_token is TokenState.USED:
            return _see_other(here)
        return _see_other(f"{here}{'&' if '?' in here else '?'}notice=stale")

    def _missing(self, request: Request) -> Response:
        if not request.wants_page:
            return Response(404, b"404 page not found")
        return self._page("missing.html", {}, status=404)

    def _page(self, template: str, shown: dict[str, object], *, status: int = 200) -> Response:
        everywhere = {"merchant": self._sandbox.project.merchant, "form_token": self._form_tokens.issue()}
        context = Context({**shown, **everywhere}, use_l10n=False, use_tz=False)
        text = self._engine.get_template(template).render(context)
        return Response(status, text.encode(), "text/html; charset=utf-8", PAGE_HEADERS)


def _notice(request: Request) -> str:
    return STALE if request.query.get("notice") == "stale" else ""


def _see_other(target: str) -> Response:
    return Response(303, headers=(("Location", target), ("Cache-Control", "no-store")))
