"""The forms of the shop."""

from __future__ import annotations

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.forms.renderers import DjangoTemplates
from django.utils.translation import gettext_lazy as _

from shop.models import MAX_NAME, MAX_QUANTITY


class ShopRenderer(DjangoTemplates):
    """Draws every field the shop's way: label, hint, error, input."""

    field_template_name = "shop/field.html"


class OrderForm(forms.Form):
    """How many, and for whom. The price is never asked."""

    default_renderer = ShopRenderer
    quantity = forms.IntegerField(
        label=_("Quantity"),
        min_value=1,
        max_value=MAX_QUANTITY,
        initial=1,
        widget=forms.NumberInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )
    name = forms.CharField(
        label=_("Your name"),
        max_length=MAX_NAME,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    email = forms.EmailField(
        label=_("Your e-mail address"),
        help_text=_("We write once: when your payment has arrived."),
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )


class LoginForm(AuthenticationForm):
    """Django's log-in form in the shop's clothes."""

    default_renderer = ShopRenderer
