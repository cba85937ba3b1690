"""The README says the truth."""

from __future__ import annotations

import re

import docutils.core
import docutils.nodes
import pytest

from django_payram import signals
from django_payram.models import Payment
from django_payram.payments import open_payment
from django_payram.payments.transitions import notify_again
from tests.docs.pages import ROOT, blocks, named, tree
from tests.shop.models import SlugOrder
from tests.shop.payram_receivers import mark_paid

TEXT = (ROOT / "README.rst").read_text()
BLOCKS = named("README.rst")

DEMO = (
    'python -m venv .venv && .venv/bin/pip install -e ".[example]" && .venv/bin/python example_project/manage.py demo'
)
TESTS = 'python -m venv .venv && .venv/bin/pip install -e ".[test]" && .venv/bin/pytest'


def test_it_starts_with_two_commands_of_one_line_each():
    assert [block.text for block in blocks("README.rst")][:2] == [DEMO, TESTS]


def test_it_is_short():
    assert len(TEXT.splitlines()) <= 160


def test_its_pictures_are_there_and_small():
    pictures = [picture["uri"] for picture in tree("README.rst").findall(docutils.nodes.image)]
    assert pictures == ["docs/images/status.png", "docs/images/desk.png"]
    for picture in pictures:
        assert (ROOT / picture).stat().st_size < 60_000
        assert (ROOT / picture).read_bytes().startswith(b"\x89PNG")


def test_its_links_lead_to_files():
    links = [link["refuri"] for link in tree("README.rst").findall(docutils.nodes.reference) if "refuri" in link]
    files = [link for link in links if not link.startswith("https://")]
    assert len(files) > 20
    assert [file for file in files if not (ROOT / file).exists()] == []


def test_it_links_every_guide_or_their_folder():
    assert "<docs/howto>" in TEXT
    assert "<docs/tutorial.rst>" in TEXT


def test_the_front_page_of_the_documentation_takes_the_rest_of_it():
    """Its pictures and links stand there in Sphinx's way, with the same pictures and words for who cannot see them."""
    index = (ROOT / "docs" / "index.rst").read_text()
    for marker in re.findall(r"^   :\S+: (\.\. The documentation .*)$", index, re.MULTILINE):
        assert f"\n{marker}\n" in TEXT
    pictures = r"^\.\. image:: \S+\n(?:   .*\n)+"
    of_readme, of_index = (re.findall(pictures, text, re.MULTILINE) for text in (TEXT, index))
    assert [picture.replace("docs/images", "images") for picture in of_readme] == of_index


def test_the_integration_takes_thirteen_lines_beside_imports():
    steps = ("settings.py", "urls.py", "views.py", "payram_receivers.py")
    lines = [line for name in steps for line in BLOCKS[name].splitlines() if line]
    assert len([line for line in lines if "import " not in line]) == 13


@pytest.fixture
def receiver():
    """The README's receiver, connected as it stands."""
    wired = {}
    exec(BLOCKS["payram_receivers.py"].replace("from shop.", "from tests.shop."), wired)
    # The test shop's own marks orders as paid in another way.
    signals.payment_paid.disconnect(mark_paid)
    yield
    signals.payment_paid.disconnect(wired["mark_paid"])
    signals.payment_paid.connect(mark_paid)


def status_of(order):
    return type(order).objects.get(pk=order.pk).status


@pytest.mark.django_db
def test_the_integration_takes_a_payment(payram, order, rf, receiver):
    """The README's own lines, run as they stand against the pretend PayRam."""
    names = {}
    exec(BLOCKS["views.py"], names)
    request = rf.post("/")
    request.user = type("User", (), {"order_set": type(order).objects, "is_authenticated": True})()
    response = names["PayOrder"].as_view()(request, pk=order.pk)
    payment = Payment.objects.get()
    assert (response.status_code, response["Location"]) == (303, payment.url)
    payram.pay(payment)
    assert status_of(order) == "paid"


@pytest.mark.django_db
def test_the_receiver_marks_no_order_of_another_model(payram, order, receiver):
    """F90: the same key."""
    other = SlugOrder.objects.create(pk=str(order.pk))
    payram.pay(open_payment(other, amount=1, email="buyer@example.org"))
    assert status_of(order) == "new"


@pytest.mark.django_db
def test_the_receiver_is_content_with_a_payment_without_an_order(payram, receiver):
    """F90."""
    payment = payram.pay(open_payment(amount=1, email="buyer@example.org"))
    assert (payment.is_paid, payment.undelivered) == (True, [])


@pytest.mark.django_db
def test_the_receiver_takes_no_old_link_for_a_cart_that_has_grown(payram, order, receiver):
    """F90: 49.99 for 4,999."""
    payment = open_payment(order, amount=order.total, email=order.email)
    type(order).objects.update(total=4999)
    assert payram.pay(payment).is_paid
    assert status_of(order) == "new"


@pytest.mark.django_db
def test_the_receiver_sends_no_order_back_when_it_is_told_again(payram, order, receiver):
    """F90."""
    payment = payram.pay(open_payment(order, amount=order.total, email=order.email))
    assert status_of(order) == "paid"
    type(order).objects.update(status="shipped")
    notify_again(payment)
    assert status_of(order) == "shipped"


@pytest.mark.parametrize("name", ["README.rst", "CHANGELOG.rst"])
def test_its_markup_is_clean(name):
    docutils.core.publish_doctree((ROOT / name).read_text(), settings_overrides={"report_level": 1, "halt_level": 1})
