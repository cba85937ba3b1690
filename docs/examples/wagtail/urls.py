from django.urls import include, path
from wagtail import urls as wagtail_urls
from wagtail.admin import urls as wagtailadmin_urls

from tickets.views import TicketView

urlpatterns = [
    path("admin/", include(wagtailadmin_urls)),
    path("payram/", include("django_payram.urls")),
    path("tickets/<uuid:token>/", TicketView.as_view(), name="ticket"),
    path("", include(wagtail_urls)),
]
