"""The shop of the tests with django-simple-history, django-auditlog and django-cacheops, all at once."""

from __future__ import annotations

import os

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS, MIDDLEWARE, env

INSTALLED_APPS = ["cacheops", *INSTALLED_APPS, "auditlog", "simple_history", "tests.audit_apps"]
MIDDLEWARE = [
    *MIDDLEWARE,
    "auditlog.middleware.AuditlogMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
]

# Every query is cached, the app's own included: the hardest case, and what "ops": "all" means in a shop.
CACHEOPS_REDIS = env("REDIS_URL", default="redis://127.0.0.1:6379/0")
CACHEOPS = {"django_payram.*": {"ops": "all", "timeout": 60}, "shop.*": {"ops": "all", "timeout": 60}}
# Names of their own for each run, in a Redis that others use as well.
CACHEOPS_PREFIX = "tests.audit_apps.settings.prefix"


def prefix(_query):
    return f"django-payram-tests-{os.getpid()}:"
