"""Oscar's URLs as its own guide has them, and then what docs/oscar.rst says."""

from __future__ import annotations

from django.apps import apps
from django.contrib import admin
from django.urls import include, path

from tests.oscar.page import block

urlpatterns = [path("admin/", admin.site.urls)]
urlpatterns += [path("", include(apps.get_app_config("oscar").urls[0]))]
exec(block("urls.py"))
