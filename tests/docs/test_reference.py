"""The reference leaves nothing out: tables are compared with the code, and what is generated is all that there is."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
from itertools import pairwise

import docutils.nodes
import pytest
from django.core.management import get_commands
from django.db.models import TextChoices
from django.urls import get_resolver

from django_payram import exceptions, models, payments, signals, testing, urls, views
from django_payram.conf.options import OPTIONS
from django_payram.models.states import Review, State, Status
from django_payram.payments import open_payment
from django_payram.testing import PretendPayram
from tests.docs.pages import DOCS, ROOT, first_cells, named, section, table, tree

REFERENCE = DOCS / "reference"
TEMPLATES = ROOT / "django_payram" / "templates" / "django_payram"


def text_of(name):
    return (REFERENCE / f"{name}.rst").read_text()


def generated(name):
    """Return the names that a page has the documentation of, generated from docstrings, by the name of the module."""
    found = re.findall(r"^ *\.\. (?:py:)?(currentmodule|auto\w+):: (\S+)$", text_of(name), re.MULTILINE)
    return {one.rpartition(".")[2] for kind, one in found if kind not in {"currentmodule", "automodule"}}


def test_it_lists_every_option_with_its_default():
    rows = table(section("docs/reference/settings.rst", "Options"))
    assert [name for name, _default, _text in rows] == list(OPTIONS)
    for name, default, _text in rows:
        expected = OPTIONS[name].default
        if expected is dataclasses.MISSING:
            assert default == "required"
        else:
            written = ast.literal_eval(default)
            assert (tuple(written) if isinstance(written, list) else written) == expected


def test_it_lists_every_check():
    listed = first_cells(section("docs/reference/settings.rst", "Checks"))
    source = (ROOT / "django_payram" / "conf" / "checks.py").read_text()
    assert set(listed) == {f"django_payram.{id_}" for id_ in re.findall(r"\b[EW]\d{3}\b", source)}
    assert listed == sorted(listed)


def test_it_has_every_signal_in_the_order_in_which_they_are_sent():
    directives = re.findall(r"^\.\. autodata:: (\w+)$", text_of("signals"), re.MULTILINE)
    assert directives == list(signals.SIGNALS)


def test_it_has_every_verb():
    verbs = set(payments.__all__)
    # What it is made of has no signature: a sentence speaks of it.
    assert generated("payments") == verbs - {"arefresh"}
    assert "``arefresh(payment)``" in text_of("payments")


def test_every_argument_of_open_payment_is_explained():
    explained = inspect.getdoc(open_payment)
    assert [name for name in inspect.signature(open_payment).parameters if f"``{name}``" not in explained] == []


def test_it_has_every_error():
    assert ".. automodule:: django_payram.exceptions\n   :members:" in text_of("payments")
    errors = {name for name, kind in vars(exceptions).items() if isinstance(kind, type)}
    assert len(errors) == 7
    assert all(getattr(exceptions, name).__doc__ for name in errors)


def test_it_has_every_view_that_a_shop_subclasses_with_all_its_methods():
    page = generated("checkout")
    assert (
        {"CheckoutView", "AsyncCheckoutView", "CheckoutAPIView", "remember"}
        <= page
        <= {*dir(views.CheckoutView), *page}
    )
    methods = {name for name in dir(views.CheckoutView) if name.startswith("get_")}
    assert methods == {name for name in page if name.startswith("get_")}


def test_it_has_every_model_and_every_word():
    page = generated("models")
    for name in ("Payment", "PaymentQuerySet", "PaymentsRelation", "PaymentEvent", "Refund"):
        assert name in page
    words = {name for name, one in vars(models).items() if isinstance(one, type) and issubclass(one, TextChoices)}
    assert words == {"State", "Status", "Review", "Source", "Outcome"} <= page


@pytest.mark.parametrize("words", [State, Review])
def test_every_state_and_every_reason_for_review_is_explained(words):
    """The sentence after a member is its documentation."""
    body = ast.parse(inspect.getsource(words)).body[0].body[1:]
    explained = [
        first.targets[0].id
        for first, second in pairwise(body)
        if isinstance(first, ast.Assign) and isinstance(second, ast.Expr)
    ]
    assert explained == [word.name for word in words]


def test_the_statuses_are_words_for_people():
    assert len(Status) == 11
    assert all(status.label for status in Status)


@pytest.mark.django_db
def test_the_nouns_are_there(order):
    exec(named("docs/reference/models.rst")["payments of an order"], {"order": order})


def test_the_relation_is_declared_so():
    assert "    payments = PaymentsRelation()" in named("docs/reference/models.rst")["the relation"]
    assert isinstance(models.Payment.objects.none(), models.PaymentQuerySet)


@pytest.mark.django_db
def test_the_view_leads_to_payram(payram, order):
    source = named("docs/reference/payments.rst")["a view"]
    names = {"redirect": lambda url: url, "order": order}
    exec("def view():\n" + re.sub("^", "    ", source, flags=re.MULTILINE), names)
    assert names["view"]() == models.Payment.objects.get().url


@pytest.mark.django_db
def test_the_decisions_are_taken(payram, order):
    payment = open_payment(order, amount=order.total, email=order.email)
    other = type(order).objects.create()
    source = named("docs/reference/payments.rst")["decisions"]
    lines = source.splitlines()
    exec("\n".join(lines[:3]), names := {"payment": payment, "order": other})
    exec(lines[3], names)
    payram.pay(payment)
    exec(lines[4], names)
    payment.refresh_from_db()
    assert (payment.order, payment.withdrawn_at is None, str(payment.refunded_usd)[:5]) == (other, False, "49.99")


def test_it_names_every_command():
    ours = {name for name, app in get_commands().items() if app == "django_payram"}
    titles = " ".join(title.astext() for title in tree("docs/reference/commands.rst").findall(docutils.nodes.title))
    assert set(re.findall(r"payram_[a-z]+", titles)) == ours
    for command in ours:
        assert f"manage.py {command}" in text_of("commands")


def test_it_lists_every_address():
    listed = {name.partition("payram/")[2] for name in first_cells(tree("docs/reference/addresses.rst"))}
    routes = {str(pattern.pattern) for pattern in urls.urlpatterns}
    assert listed == {route.replace("<uuid:token>", "<token>") for route in routes if route.endswith("/")}
    assert {route for route in routes if not route.endswith("/")} == {"webhook", "return"}
    assert get_resolver().namespace_dict["payram"][0] == "payram/"


def test_it_lists_every_template_with_its_own_blocks():
    _head, *rows = table(tree("docs/reference/templates.rst"))
    listed = {name: set(re.findall(r"\w+", its_blocks)) for name, its_blocks, _text in rows}
    assert listed == {
        path.name: set(re.findall(r"{% block (\w+) %}", path.read_text())) for path in TEMPLATES.glob("*.html")
    }
    mails = {path.name for path in TEMPLATES.glob("*.txt")}
    named_mails = re.findall(r"``(\w+_mail)``", text_of("templates"))
    assert mails == {f"{mail}{ending}" for mail in named_mails for ending in (".txt", "_subject.txt")}


def test_it_has_the_whole_test_kit():
    assert generated("testing") == {*testing.__all__, "PaymentFactory", "Sandbox"}


def test_the_verbs_of_testing_are_there():
    listed = " ".join(first_cells(tree("docs/howto/testing.rst")))
    verbs = {name for name, one in vars(PretendPayram).items() if callable(one) and not name.startswith("_")}
    assert verbs - {"setting"} == set(re.findall(r"(\w+)\(", listed))
