"""The addresses of the shop's pages."""

from __future__ import annotations

from django.urls import path

from shop import views

app_name = "shop"
urlpatterns = [
    path("", views.ProductList.as_view(), name="products"),
    path("products/<slug:slug>/", views.ProductPage.as_view(), name="product"),
    path("orders/", views.OrderList.as_view(), name="orders"),
    path("orders/<int:pk>/", views.OrderPage.as_view(), name="order"),
    path("orders/<int:pk>/pay/", views.PayOrder.as_view(), name="pay"),
    path("orders/<int:pk>/pay/here/", views.PayOrderHere.as_view(), name="pay-here"),
    path("orders/<int:pk>/pay/express/", views.PayExpressDelivery.as_view(), name="pay-express"),
]
