"""How Django's test client reaches the shop in each of the surroundings: as a browser, a proxy or a server does it."""

from __future__ import annotations

from asgiref.sync import async_to_sync
from django.test import Client
from django.test.client import AsyncClientHandler, ClientHandler

HOST = "testserver"
WEBHOOK = "/payram/webhook"
SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")
COOKIE = "csrftoken"
SECRET = "a" * 32

PLAIN = {"X-Forwarded-Proto": "http"}
"""Headers of a request that comes without TLS in every one of the surroundings."""


def adapt(names):
    """Change the test client to the surroundings, wherever it is imported."""
    init, request = Client.__init__, Client.request

    def adapted_init(self, enforce_csrf_checks=False, *args, **options):
        init(self, enforce_csrf_checks or "csrf" in names, *args, **options)
        # A test that asks for the checks wants to see them refuse.
        self.shows_tokens = "csrf" in names and not enforce_csrf_checks
        if "asgi" in names:
            self.handler = AsgiHandler(self.handler.enforce_csrf_checks)

    def adapted_request(self, **environ):
        given = {**self.defaults, **environ}
        if "https" in names:
            environ |= _through_proxy(given)
        if "tls" in names:
            environ |= _over_tls(given)
        if self.shows_tokens:
            environ |= _from_our_page(self, given, secure={"https", "tls"} & set(names))
        return request(self, **environ)

    Client.__init__, Client.request = adapted_init, adapted_request


def _through_proxy(given):
    names = {"HTTP_HOST": HOST, "HTTP_X_FORWARDED_PROTO": "https"}
    return {name: given.get(name, value) for name, value in names.items()}


def _over_tls(given):
    if given.get("HTTP_X_FORWARDED_PROTO") == "http":
        return {}
    return {"wsgi.url_scheme": "https", "SERVER_PORT": "443"}


def _from_our_page(client, given, *, secure):
    """What a browser adds to a form of the shop. PayRam has no such page."""
    if given["REQUEST_METHOD"] in SAFE or given["PATH_INFO"].startswith(WEBHOOK):
        return {}
    if COOKIE not in client.cookies:
        client.cookies[COOKIE] = SECRET
    return {
        "HTTP_ORIGIN": f"http{'s' if secure else ''}://{given.get('HTTP_HOST', HOST)}",
        "HTTP_X_CSRFTOKEN": client.cookies[COOKIE].value,
    }


class AsgiHandler(ClientHandler):
    """Hands the test client's request to the asynchronous handler."""

    def __init__(self, enforce_csrf_checks):
        super().__init__(enforce_csrf_checks)
        self._handler = AsyncClientHandler(enforce_csrf_checks)

    def __call__(self, environ):
        response = async_to_sync(self._handler)(_scope(environ))
        response.wsgi_request = response.asgi_request
        return response


def _scope(environ):
    """Return what an ASGI server would make of a request that is described as WSGI describes it."""
    headers = {name[5:]: value for name, value in environ.items() if name.startswith("HTTP_")}
    headers |= {name: environ[name] for name in ("CONTENT_TYPE", "CONTENT_LENGTH") if environ.get(name)}
    return {
        "type": "http",
        "http_version": "1.1",
        "method": environ["REQUEST_METHOD"],
        "scheme": environ["wsgi.url_scheme"],
        "path": environ["PATH_INFO"].encode("latin-1").decode(),
        "query_string": environ.get("QUERY_STRING", "").encode(),
        "headers": [
            (name.replace("_", "-").lower().encode(), str(value).encode("latin-1")) for name, value in headers.items()
        ],
        "client": [environ["REMOTE_ADDR"], 0],
        "server": [environ["SERVER_NAME"], int(environ["SERVER_PORT"])],
        "_body_file": environ["wsgi.input"],
    }
