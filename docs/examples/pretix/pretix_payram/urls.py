"""Below "plugins:pretix_payram", on pretix's main domain: https://tickets.example.com/_payram/webhook/."""

from django.urls import include, path

urlpatterns = [path("_payram/", include("django_payram.urls"))]
