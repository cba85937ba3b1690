"""The addresses of the example shop, and those of django-grappelli."""

from __future__ import annotations

from config.urls import urlpatterns as of_the_shop
from django.urls import include, path

urlpatterns = [path("grappelli/", include("grappelli.urls")), *of_the_shop]
