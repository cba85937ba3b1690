"""Settings: the example shop with django-unfold."""

from __future__ import annotations

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS as APPS

INSTALLED_APPS = ["unfold", *APPS]
