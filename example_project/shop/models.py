"""What the shop sells, and what was ordered."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from django_payram.models import PaymentsRelation

MAX_QUANTITY = 10
MAX_NAME = 120
FEW = 5


class Currency(models.TextChoices):
    """What goods are priced in."""

    USD = "USD", _("US dollars")
    EUR = "EUR", _("euro")


class Product(models.Model):
    """One thing on the shelf."""

    class Kind(models.TextChoices):
        """The shelves of the shop, in the order of the page."""

        COFFEE = "1-coffee", _("Coffee")
        TEA = "2-tea", _("Tea")
        TOOLS = "3-tools", _("To brew with")

    name = models.CharField(_("name"), max_length=80)
    slug = models.SlugField(_("address"), unique=True)
    kind = models.CharField(_("shelf"), max_length=10, choices=Kind.choices)
    size = models.CharField(_("size"), max_length=40, blank=True)
    summary = models.CharField(_("summary"), max_length=160)
    description = models.TextField(_("description"), blank=True)
    price = models.DecimalField(
        _("price"),
        max_digits=10,
        decimal_places=2,
        validators=[MinValueValidator(Decimal("0.01"))],
    )
    currency = models.CharField(_("currency"), max_length=3, choices=Currency.choices, default=Currency.USD)
    stock = models.PositiveIntegerField(_("in stock"), default=0)
    """Pieces that can still be ordered; those of unpaid orders are already taken off."""
    picture = models.CharField(_("picture"), max_length=80, default="parcel.svg")
    """A file in static/shop/pictures/."""

    class Meta:
        ordering: ClassVar = ["kind", "pk"]
        verbose_name = _("product")
        verbose_name_plural = _("products")

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        """Return the product's page."""
        return reverse("shop:product", args=[self.slug])

    @property
    def picture_url(self) -> str:
        """The address of the picture."""
        return static(f"shop/pictures/{self.picture}")

    @property
    def is_scarce(self) -> bool:
        """Whether only a few pieces are left."""
        return 0 < self.stock <= FEW


class Order(models.Model):
    """What one customer wants, at the price of that moment."""

    class State(models.TextChoices):
        """How far the order is paid."""

        WAITING = "waiting", _("Waiting for payment")
        PARTLY_PAID = "partly-paid", _("Part of the money has arrived")
        PAID = "paid", _("Paid")
        CANCELED = "canceled", _("Canceled")
        REFUNDED = "refunded", _("Refunded")

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="orders",
    )
    """None for guests: their session remembers the order."""
    name = models.CharField(_("name"), max_length=MAX_NAME)
    email = models.EmailField(_("e-mail address"))
    total = models.DecimalField(_("total"), max_digits=12, decimal_places=2)
    """The sum of the lines when the order was placed."""
    currency = models.CharField(_("currency"), max_length=3, choices=Currency.choices, default=Currency.USD)
    express_fee = models.DecimalField(_("express delivery"), max_digits=12, decimal_places=2, default=0)
    """What express delivery costs, which can be added to a paid order as a second bill; zero when it was not."""
    express_paid_at = models.DateTimeField(_("express delivery paid"), null=True, blank=True)
    state = models.CharField(_("state"), max_length=12, choices=State.choices, default=State.WAITING)
    paid_by_card = models.BooleanField(_("paid by card"), default=False)
    holds_stock = models.BooleanField(_("holds stock"), default=True)
    """Whether the ordered pieces are taken off the shelf for this order."""
    payments = PaymentsRelation()
    created_at = models.DateTimeField(_("ordered"), auto_now_add=True)
    paid_at = models.DateTimeField(_("paid"), null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-pk"]
        verbose_name = _("order")
        verbose_name_plural = _("orders")

    def __str__(self) -> str:
        return self.number

    def get_absolute_url(self) -> str:
        """Return the order's page, which only its owner can see."""
        return reverse("shop:order", args=[self.pk])

    def get_payment_url(self) -> str:
        """Return where a POST makes a new payment link: the status page of an expired one offers it."""
        return reverse("shop:pay", args=[self.pk])

    @property
    def number(self) -> str:
        """The number that people see, such as ``CK-00042``."""
        return f"CK-{self.pk:05d}"

    @property
    def is_paid(self) -> bool:
        """Whether all the money has arrived."""
        return self.state == self.State.PAID

    @property
    def owes_express_fee(self) -> bool:
        """Whether express delivery was added and is not paid."""
        return self.is_paid and self.express_fee > 0 and self.express_paid_at is None


class OrderLine(models.Model):
    """So many pieces of one product, at the price of that moment."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, verbose_name=_("product"), on_delete=models.PROTECT)
    quantity = models.PositiveSmallIntegerField(
        _("quantity"), validators=[MinValueValidator(1), MaxValueValidator(MAX_QUANTITY)]
    )
    unit_price = models.DecimalField(_("price"), max_digits=10, decimal_places=2)

    class Meta:
        verbose_name = _("line")
        verbose_name_plural = _("lines")

    def __str__(self) -> str:
        return f"{self.quantity} x {self.product}"

    @property
    def subtotal(self) -> Decimal:
        """In the order's currency, with two places."""
        return self.unit_price * self.quantity
