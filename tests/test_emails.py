"""E-mail addresses and customer ids in texts that were kept."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from django_payram import emails
from tests.samples import names, sample

BUYER = "buyer@example.org"
ESCAPED = '{"customer_email":"buyer\\u0040example.org"}'


@pytest.mark.parametrize(
    "name", ["customer_email", "customerEmail", "CustomerEmail", "customerEMail", "email", "e-mail", "payer_e_mail"]
)
def test_the_value_of_an_email_field_becomes_empty_however_it_is_spelled(name):
    text = f'{{"a": 1.50, "{name}" : "no address at all", "b":[]}}'
    assert emails.scrub(text) == f'{{"a": 1.50, "{name}" : "", "b":[]}}'


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        (ESCAPED, '{"customer_email":""}'),
        ('{"note":"from buyer@example.org, twice: buyer@example.org"}', '{"note":"from [erased], twice: [erased]"}'),
        ('{"customer":{"email":"x","list":["a@b.org",1]}}', '{"customer":{"email":"","list":["[erased]",1]}}'),
        ('{"to":"Bj\\u00f6rn <bj\\u00f6rn@example.org>"}', '{"to":"Bj\\u00f6rn <[erased]>"}'),
        ('{"buyer@example.org": true}', '{"[erased]": true}'),
        ('[{"customer_email": "cut off in the mid', '[{"customer_email": ""'),
        ('{":": ["a@b.org"]}', '{":": ["[erased]"]}'),
        ('{"email": 7, "x": -1.5e3}', '{"email": "", "x": -1.5e3}'),
        (
            "reference_id=r&customer_email=buyer%40example.org&status=FILLED",
            "reference_id=r&customer_email=[erased]&status=FILLED",
        ),
        (
            "payment_paid: SMTPRecipientsRefused: {'buyer@example.org': (550, b'no')}",
            "payment_paid: SMTPRecipientsRefused: {'[erased]': (550, b'no')}",
        ),
        ("<p>a.b+c@mail.example.org</p>", "<p>[erased]</p>"),
        ("", ""),
        ("3 @ 5, @handle, me@", "3 @ 5, @handle, me@"),
    ],
)
def test_addresses_go_and_every_other_byte_stays(text, scrubbed):
    assert emails.scrub(text) == scrubbed
    assert emails.scrub(scrubbed) == scrubbed


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        ('{"customer_id":"user-7","amount":"7","note":"user-7"}', '{"customer_id":"","amount":"7","note":"user-7"}'),
        ('{"customerID" : "user-7", "customerId":"other"}', '{"customerID" : "", "customerId":"other"}'),
        ('{"customer_id":7}', '{"customer_id":7}'),
        ("customer_id=user-7&amount=7", "customer_id=&amount=7"),
        ("reference_id=user-7&x_customer_id=user-7", "reference_id=user-7&x_customer_id=user-7"),
    ],
)
def test_a_customer_id_goes_only_where_a_field_names_it(text, scrubbed):
    assert emails.scrub(text, customer_ids=["user-7"]) == scrubbed


def test_a_customer_id_may_be_a_number():
    assert emails.scrub('{"customer_id":17,"amount":17}', customer_ids=["17"]) == '{"customer_id":"","amount":17}'


@pytest.mark.parametrize(
    "text", [BUYER, "Buyer@Example.ORG", "buyer%40example.org", "buyer\\u0040example.org", f"<{BUYER}>", f"{BUYER}."]
)
def test_one_persons_address_goes_however_it_is_written(text):
    scrubbed = emails.scrub_person(text, email=BUYER)
    assert scrubbed == text.replace(text.strip("<>."), emails.ERASED)


@pytest.mark.parametrize(
    "other", ["a.buyer@example.org", "buyer@example.org.uk", "buyer@example.organic", "nobuyer@example.org"]
)
def test_other_peoples_addresses_stay(other):
    assert emails.scrub_person(other, email=BUYER) == other
    payload = json.dumps({"customer_email": other})
    assert emails.scrub_person(payload, email=BUYER) == payload


def test_without_a_person_nothing_goes():
    assert emails.scrub_person(f"text of {BUYER}") == f"text of {BUYER}"


@pytest.mark.parametrize("name", [*names("webhook"), *names("status"), *names("create")])
def test_of_payrams_payloads_only_addresses_are_changed(name):
    text = sample(name).decode()
    before, after = json.loads(text), json.loads(emails.scrub(text))
    assert {key for key in before if before[key] != after[key]} <= {"customer_email", "customerEmail"}
    assert "@" not in emails.scrub(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.just(BUYER),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["customer_email", "customerId", "amount", "x"]) | st.text(), inner, max_size=4
        )
    ),
)


def strings(value):
    if isinstance(value, str):
        yield value
    if isinstance(value, dict):
        yield from value
    for inner in value if isinstance(value, list) else value.values() if isinstance(value, dict) else ():
        yield from strings(inner)


@given(value=st.dictionaries(st.text(), JSON, max_size=4), ascii_only=st.booleans())
@example(value={"customer_email": {"x": [BUYER]}, "": "\ud800"}, ascii_only=True)
def test_json_stays_json_of_the_same_shape_and_no_address_is_left(value, ascii_only):
    text = json.dumps(value, ensure_ascii=ascii_only)
    scrubbed = emails.scrub(text)
    assert emails.scrub(scrubbed) == scrubbed
    assert not any(emails.ADDRESS.search(string) for string in strings(json.loads(scrubbed)))
    if not any(emails.ADDRESS.search(string) for string in [text, *strings(value)]) and "email" not in text:
        assert scrubbed == text


@given(text=st.text() | st.text(alphabet='"\\:{}@a', max_size=200))
def test_any_text_can_be_scrubbed(text):
    scrubbed = emails.scrub(text)
    assert emails.scrub(scrubbed) == scrubbed


@given(email=st.emails())
def test_an_address_is_found_in_a_query_and_in_json(email):
    assert email not in emails.scrub_person(json.dumps({"note": f"of {email} !"}), email=email)
    query = urlencode({"customer_email": email, "amount": "5"})
    assert emails.scrub_person(query, email=email) == f"customer_email={emails.ERASED}&amount=5"
