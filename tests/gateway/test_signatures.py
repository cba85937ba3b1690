"""Whose webhook it is: the signature decides, else the key; a blank one is nobody's."""

from __future__ import annotations

import pytest
from django.http import HttpRequest
from django.http.request import HttpHeaders

from django_payram import conf
from django_payram.conf import Project
from django_payram.gateway.signatures import NotAuthenticated, authenticate, proofs, signature
from tests.samples import sample

KEY = "00112233445566778899aabbccddeeff"
OTHER_KEY = "ffeeddccbbaa99887766554433221100"
BODY = sample("webhook/v8-signed")
SIGNED = "6dfb344684d2d950da54cb0d8659fcadf477721a0eaa05bf6ef7d8e92341aa1b"
PING_SIGNED = "fcfa694299b40b2eadfb9ffa845e0d8bd6eceb381704b05760877251cbb8c65d"

NOTHING = "Neither the header API-Key nor X-Payram-Signature arrived."
WRONG_KEY = "The header API-Key fits no project."
WRONG_SIGNATURE = "The header X-Payram-Signature fits no project."
NO_SIGNATURE = "The header X-Payram-Signature is required and did not arrive, or there was no body to sign."


def project(name="default", *keys, **options):
    return Project(
        **{
            "name": name,
            "base_url": "https://pay.example.com",
            "api_keys": keys or (KEY,),
            "webhook_keys": (),
            "confirm_webhooks": True,
            "require_signature": False,
            "timeout": (5, 15),
            "deadline": 30,
            "checkout_hosts": (),
            "shortfall_percent": 3,
            "enabled": True,
            "customer_id_prefix": "",
            **options,
        }
    )


STRICT = project(require_signature=True)


def refused(projects, headers, body=BODY, **options):
    with pytest.raises(NotAuthenticated) as caught:
        authenticate(projects, headers, body, **options)
    return str(caught.value)


# --- signatures ------------------------------------------------------------------------------


def test_the_signature_is_the_documented_one():
    assert len(BODY) == 601
    assert signature(KEY, BODY) == SIGNED
    assert signature(KEY, sample("other/ping")) == PING_SIGNED


@pytest.mark.parametrize(
    "written", [f"sha256={SIGNED}", SIGNED, SIGNED.upper(), f"SHA256={SIGNED.upper()}", f"  sha256={SIGNED} "]
)
def test_a_signature_fits_in_every_spelling_that_was_seen(written):
    ours = project()
    assert authenticate([ours], {"X-Payram-Signature": written, "API-Key": KEY}, BODY) is ours
    assert authenticate([ours], {"X-Payram-Signature": written}, BODY) is ours


@pytest.mark.parametrize(
    "written",
    [
        "",
        "sha256=",
        f"sha1={SIGNED}",
        SIGNED[:-1],
        f"{SIGNED}0",
        f"0{SIGNED[1:]}",
        f"sha256=sha256={SIGNED}",
        PING_SIGNED,
        KEY,
        "\u0661" * 64,
        "\ud800",
    ],
)
def test_a_signature_that_does_not_fit_is_refused_whatever_the_key(written):
    """Row 17 of the decisions: the signature decides."""
    assert refused([project()], {"X-Payram-Signature": written, "API-Key": KEY}) == WRONG_SIGNATURE


def test_a_signature_covers_every_byte_of_the_body():
    headers = {"X-Payram-Signature": SIGNED}
    assert refused([project()], headers, BODY + b"\n") == WRONG_SIGNATURE
    assert refused([project()], headers, BODY.replace(b"49.99", b"49.98", 1)) == WRONG_SIGNATURE
    assert refused([project()], headers, b"") == WRONG_SIGNATURE


def test_a_signature_with_another_key_is_refused():
    assert refused([project("default", OTHER_KEY)], {"X-Payram-Signature": SIGNED}) == WRONG_SIGNATURE


def test_a_signature_satisfies_a_project_that_requires_one():
    assert authenticate([STRICT], {"X-Payram-Signature": f"sha256={SIGNED}"}, BODY) is STRICT


def test_a_signature_that_can_cover_nothing_leaves_it_to_the_key():
    """Row 17: a GET without a body."""
    ours = project()
    headers = {"X-Payram-Signature": signature(OTHER_KEY, b""), "API-Key": KEY}
    assert authenticate([ours], headers, b"", signable=False) is ours
    assert refused([ours], {"X-Payram-Signature": signature(KEY, b"")}, b"", signable=False) == NOTHING
    assert refused([STRICT], headers, b"", signable=False) == NO_SIGNATURE


# --- keys --------------------------------------------------------------------------------------


def test_a_key_fits_in_whatever_case_its_header_comes():
    """F15."""
    ours = project()
    for name in ("HTTP_API_KEY", "HTTP_API_Key"):
        request = HttpRequest()
        request.META[name] = KEY
        assert authenticate([ours], HttpHeaders(request.META), b"") is ours


@pytest.mark.parametrize("written", [OTHER_KEY, KEY[:-1], KEY + "0", KEY.upper(), f"{KEY} ", "\u20ac", "\ud800", "?"])
def test_another_key_is_refused(written):
    """F57."""
    assert refused([project()], {"API-Key": written}) == WRONG_KEY


@pytest.mark.parametrize(
    "headers", [{}, {"API-Key": ""}, {"API-Key": " \t"}, {"Authorization": KEY}, {"X-API-Key": KEY}]
)
def test_a_missing_or_blank_key_is_nobodys(headers):
    """F40, F52: not even of a project whose own key is blank."""
    assert refused([project()], headers) == NOTHING
    assert refused([project("blank", ""), project("space", " \t")], headers) == NOTHING


def test_a_key_that_is_a_question_mark_is_not_fitted_by_what_cannot_be_encoded():
    assert refused([project("default", "k")], {"API-Key": "\ud800"}) == WRONG_KEY


def test_a_key_alone_does_not_suffice_where_a_signature_is_required():
    assert refused([STRICT], {"API-Key": KEY}) == NO_SIGNATURE


def test_a_project_that_requires_a_signature_does_not_bar_another():
    ours = project("us", OTHER_KEY)
    assert authenticate([STRICT, ours], {"API-Key": OTHER_KEY}, BODY) is ours
    assert refused([STRICT, ours], {"API-Key": KEY}) == WRONG_KEY


@pytest.mark.parametrize("options", [{"webhook_keys": ("w" * 32,)}, {"api_keys": ("a" * 32, "w" * 32)}])
def test_every_listed_key_fits(options):
    """F41: a key is rotated in mid-payment."""
    ours = project(**options)
    assert authenticate([ours], {"API-Key": "w" * 32}, BODY) is ours
    assert authenticate([ours], {"X-Payram-Signature": signature("w" * 32, BODY)}, BODY) is ours
    assert authenticate([ours], {"API-Key": ours.api_key}, BODY) is ours


def test_a_key_beyond_ascii_can_sign():
    assert len(signature("schl\xfcssel", b"body")) == 64


def test_the_key_identifies_the_project():
    """F48: several shops, one webhook URL."""
    eu, us = project("eu", KEY), project("us", OTHER_KEY)
    for order in ([eu, us], [us, eu], iter([eu, us])):
        listed = list(order)
        assert authenticate(iter(listed), {"API-Key": OTHER_KEY}, BODY) is us
        assert authenticate(iter(listed), {"API-Key": KEY}, BODY) is eu
        assert authenticate(iter(listed), {"X-Payram-Signature": signature(OTHER_KEY, BODY)}, BODY) is us


def test_of_two_projects_that_share_a_key_the_first_is_taken():
    eu, us = project("eu"), project("us")
    assert authenticate([eu, us], {"API-Key": KEY}, BODY) is eu
    assert authenticate([us, eu], {"X-Payram-Signature": SIGNED}, BODY) is us


def test_without_a_project_nothing_is_accepted():
    assert refused([], {"X-Payram-Signature": SIGNED}) == WRONG_SIGNATURE
    assert refused([], {"API-Key": KEY}) == NO_SIGNATURE


def test_no_message_shows_what_was_expected_or_given():
    """F42."""
    said = {NOTHING, WRONG_KEY, WRONG_SIGNATURE, NO_SIGNATURE}
    assert refused([project()], {"API-Key": OTHER_KEY, "X-Payram-Signature": "0" * 64}) in said
    assert refused([project()], {"API-Key": OTHER_KEY}) in said


def test_the_projects_of_the_setting_are_what_is_asked(settings):
    settings.PAYRAM = {"shop": {"BASE_URL": "https://pay.example.com", "API_KEY": KEY}}
    assert authenticate(conf.projects(), {"API-Key": KEY}, BODY).name == "shop"


def test_the_proofs_of_a_request_are_its_two_headers_and_do_not_show_themselves(rf):
    request = rf.post("/", headers={"API-Key": "the key", "X-Payram-Signature": "sha256=0", "X-Other": "x"})
    given = proofs(request)
    assert given == {"API-Key": "the key", "X-Payram-Signature": "sha256=0"}
    assert "the key" not in repr(given)
    assert proofs(rf.post("/")) == {}
