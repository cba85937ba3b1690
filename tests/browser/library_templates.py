"""Settings: the example shop without its own base template for the payment pages, so that the library's is shown.

In the language of the browser.
"""

from __future__ import annotations

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS as APPS
from config.settings import MIDDLEWARE as LAYERS

INSTALLED_APPS = ["django_payram", *(app for app in APPS if app != "django_payram")]

after_sessions = LAYERS.index("django.contrib.sessions.middleware.SessionMiddleware") + 1
MIDDLEWARE = [*LAYERS[:after_sessions], "django.middleware.locale.LocaleMiddleware", *LAYERS[after_sessions:]]
ROOT_URLCONF = "tests.browser.urls"
