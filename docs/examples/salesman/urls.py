from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/", include("salesman.urls")),
    path("payram/", include("django_payram.urls")),
]
