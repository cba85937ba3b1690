"""The addresses of the example shop, and a page on which two payments can be paid."""

from __future__ import annotations

from config.urls import urlpatterns as urls_of_the_shop
from django.http import HttpResponse
from django.template import RequestContext, Template
from django.urls import path

from django_payram.models import Payment

PAGE = Template(
    """{% extends "django_payram/base.html" %}{% load payram static %}
{% block head %}<script src="{% static 'django_payram/copy.js' %}" defer></script>{% endblock %}
{% block content %}<h1>Two bills</h1>
<div class="payram-card">{% payram_pay first %}{% payram_pay second %}</div>{% endblock %}"""
)


def two_payments(request, first, second):
    found = {"first": Payment.objects.get(token=first), "second": Payment.objects.get(token=second)}
    return HttpResponse(PAGE.render(RequestContext(request, found)))


urlpatterns = [*urls_of_the_shop, path("two-payments/<uuid:first>/<uuid:second>/", two_payments)]
