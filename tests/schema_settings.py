"""Settings of a shop that has drf-spectacular. The document of our JSON is written with them:

python -m django spectacular --settings tests.schema_settings --file docs/openapi.yaml
"""

from __future__ import annotations

from tests.settings import *  # noqa: F403 - all of them

INSTALLED_APPS = [*INSTALLED_APPS, "drf_spectacular"]  # noqa: F405
REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"}
SPECTACULAR_SETTINGS = {
    "TITLE": "django_payram",
    "DESCRIPTION": (
        'The JSON that front ends see. The paths are those of path("payram/", include("django_payram.urls")), and the '
        "checkout stands where the shop puts its subclass of CheckoutAPIView."
    ),
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "ENUM_NAME_OVERRIDES": {
        "State": "django_payram.models.states.State.choices",
        "Status": "django_payram.models.states.Status.choices",
    },
}
