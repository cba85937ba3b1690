"""WSGI servers that stand where PayRam or the shop should be."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from wsgiref.simple_server import WSGIRequestHandler, make_server


class SilentHandler(WSGIRequestHandler):
    def log_message(self, *args):
        pass


@contextmanager
def answering(app):
    """Serve ``app`` and yield its address."""
    with make_server("127.0.0.1", 0, app, handler_class=SilentHandler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def always(status, body=b"", content_type="text/html", **headers):
    """Return an app that gives every request the same answer."""

    def app(environ, start_response):
        names = [(name.replace("_", "-"), value) for name, value in headers.items()]
        start_response(status, [("Content-Type", content_type), *names])
        return [body]

    return app


def levels(findings):
    """Return the level of each finding by the name of its check."""
    return {finding.check: str(finding.level) for finding in findings}


def messages(findings):
    """Return the sentence of each finding by the name of its check."""
    return {finding.check: finding.message for finding in findings}
