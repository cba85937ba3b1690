"""A shop on Oscar that sells one thing, and customers who buy it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.contrib.auth import get_user_model
from django.contrib.sites.models import Site
from django.test import Client
from oscar.core.loading import get_model
from oscar.test.factories import CountryFactory, create_product, create_stockrecord

from django_payram.models import Payment

PRICE = Decimal("49.99")
PASSWORD = "correct horse"


def pytest_collection_modifyitems(items):
    """Oscar still uses what a coming release of a library of its own will do without."""
    for item in items:
        item.add_marker(pytest.mark.filterwarnings("ignore::treebeard.deprecation.RemovedInTreebeard8Warning"))


class Buyer:
    """A browser in the shop: a customer with an account, or a guest. All that is posted is what Oscar's pages post."""

    def __init__(self, client, product, *, user=None, email="guest@example.org"):
        self.client, self.product, self.email = client, product, email
        if user is not None:
            client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        self.is_guest = user is None

    def fill_basket(self, quantity=1):
        data = {"quantity": quantity}
        response = self.client.post(f"/basket/add/{self.product.pk}/", data)
        assert response.status_code == 302

    def go_to_preview(self):
        """Go through Oscar's checkout up to its last page."""
        if self.is_guest:
            self.client.post("/checkout/", {"username": self.email, "options": "anonymous"})
        address = {
            "first_name": "Ada",
            "last_name": "Byron",
            "line1": "1 Analytical Street",
            "line4": "London",
            "postcode": "N1 9RT",
            "country": "GB",
        }
        self.payment_page = self.client.post("/checkout/shipping-address/", address, follow=True)
        return self.client.get("/checkout/preview/")

    def place_order(self):
        """Press "Place order", and return the answer; where it leads is for :meth:`follow`."""
        return self.client.post("/checkout/preview/", {"action": "place_order"})

    def follow(self, response):
        """Do what a browser does with 307: post again."""
        assert response.status_code == 307, response.content
        return self.client.post(response["Location"], {"action": "place_order"})

    def buy(self, quantity=1):
        """Buy the thing, and return the order and where the customer was led last."""
        self.fill_basket(quantity)
        self.go_to_preview()
        response = self.follow(self.place_order())
        return get_model("order", "Order").objects.latest("pk"), response


@pytest.fixture(autouse=True)
def _site(db):
    Site.objects.update_or_create(pk=1, defaults={"domain": "testserver", "name": "Oscar's"})


@pytest.fixture
def product(db):
    CountryFactory(iso_3166_1_a2="GB", name="GREAT BRITAIN", printable_name="Great Britain", is_shipping_country=True)
    product = create_product(title="A thing", price=None)
    create_stockrecord(product, price=PRICE, currency="USD", num_in_stock=10)
    return product


@pytest.fixture
def user(db):
    return get_user_model().objects.create_user("ada", "ada@example.org", PASSWORD)


@pytest.fixture
def other_user(db):
    return get_user_model().objects.create_user("eve", "eve@example.org", PASSWORD)


@pytest.fixture
def customer(client, product, user):
    return Buyer(client, product, user=user)


@pytest.fixture
def guest(product):
    return Buyer(Client(), product)


@pytest.fixture
def bought(payram, customer):
    """An order that waits for its money, and its payment."""
    order, _response = customer.buy()
    return order, Payment.objects.for_order(order).get()


@pytest.fixture
def order(bought):
    return bought[0]


@pytest.fixture
def payment(bought):
    return bought[1]
