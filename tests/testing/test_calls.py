"""In tests, a call to a PayRam that is not on this machine is refused with a sentence."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from requests.adapters import HTTPAdapter

from django_payram.exceptions import PayramUnavailable
from django_payram.gateway import reach
from django_payram.gateway.responses import NoAnswer
from django_payram.payments import open_payment
from django_payram.testing import calls_only_to

ROOT = Path(__file__).parents[2]
ELSEWHERE = "https://pay.example.invalid"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _as_in_a_shop():
    """This suite allows all hosts."""
    with calls_only_to():
        yield


def ask_for_money():
    return open_payment(amount=20, email="a@example.org")


@pytest.fixture
def elsewhere(settings):
    settings.PAYRAM = {"default": {"BASE_URL": ELSEWHERE, "API_KEY": "a-key-of-a-real-server"}}


def test_a_payram_elsewhere_is_not_called(elsewhere):
    with pytest.raises(
        PayramUnavailable, match=r"PayRam at pay\.example\.invalid, which is not on this machine"
    ) as failure:
        ask_for_money()
    assert "a-key-of" not in str(failure.value)
    assert "The fixture payram" in str(failure.value)


def test_a_proxy_on_this_machine_leads_elsewhere(elsewhere, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with pytest.raises(PayramUnavailable, match="not on this machine"):
        ask_for_money()


def test_threads_are_no_way_out(elsewhere):
    def work():
        reach.check(ELSEWHERE)

    with ThreadPoolExecutor(1) as pool, pytest.raises(NoAnswer):
        pool.submit(work).result()


def test_a_call_that_others_answer_goes_nowhere(elsewhere, monkeypatch):
    """``responses`` takes the place of this method."""

    def answer(*args, **kwargs):
        raise ConnectionError

    monkeypatch.setattr(HTTPAdapter, "send", answer)
    with pytest.raises(PayramUnavailable):
        ask_for_money()


@pytest.mark.parametrize("hosts", [("pay.example.invalid",), ("*",)])
def test_hosts_can_be_allowed(elsewhere, hosts):
    with calls_only_to(*hosts), pytest.raises(PayramUnavailable) as failure:
        ask_for_money()
    assert "not on this machine" not in str(failure.value)
    with pytest.raises(PayramUnavailable, match="not on this machine"):
        ask_for_money()


@pytest.mark.parametrize("host", ["localhost", "shop.localhost", "127.0.0.1", "127.0.0.2", "[::1]"])
def test_this_machine_has_many_names(host):
    reach.check(f"http://{host}:8001/api")


@pytest.mark.parametrize("host", ["localhost.example.com", "127.0.0.1.example.com", "10.0.0.1", "notlocalhost", ""])
def test_others_are_not_this_machine(host):
    with pytest.raises(NoAnswer):
        reach.check(f"http://{host}/api")


@pytest.mark.once
@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ([], "not on this machine"),
        (["-o", "payram_hosts=*"], "PayramUnavailable"),
        (["-o", "payram_hosts=other.invalid pay.example.invalid"], "PayramUnavailable"),
        (["-p", "no:django_payram"], "PayramUnavailable"),
    ],
)
def test_it_is_switched_off_by_an_option(pytester, monkeypatch, options, answer):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    # The database of the tests around this one is in use, and what surrounds them says nothing here.
    for name in ("DATABASE_URL", "SURROUNDINGS"):
        monkeypatch.delenv(name, raising=False)
    pytester.makepyfile(
        """
        import pytest
        from django_payram.payments import open_payment

        @pytest.mark.django_db
        def test_it(settings):
            settings.PAYRAM = {"default": {"BASE_URL": "https://pay.example.invalid", "API_KEY": "a-key-of-a-server"}}
            open_payment(amount=20, email="a@example.org")
        """
    )
    result = pytester.runpytest_subprocess("--ds=tests.settings", "--no-migrations", "-p", "no:cacheprovider", *options)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"*{answer}*"])


def test_a_shop_calls_whom_it_likes(monkeypatch):
    # Undone here: the fixture of this module comes to its end before monkeypatch does.
    with monkeypatch.context() as patch:
        patch.setattr(reach, "allowed", None)
        reach.check(ELSEWHERE)
