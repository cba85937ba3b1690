"""Settings: the example shop with django-grappelli."""

from __future__ import annotations

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS as APPS

INSTALLED_APPS = ["grappelli", *APPS]
ROOT_URLCONF = "tests.browser.admin_themes.grappelli_urls"
