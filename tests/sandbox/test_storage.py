"""The file in which the sandbox's payments survive a restart."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

import pytest

from django_payram.sandbox import CorruptData
from tests.sandbox.helpers import KEY, Shop, make


def test_the_payments_survive_a_restart_and_never_hold_the_key(tmp_path):
    file = tmp_path / "data.json"
    sandbox = make(data=file, send=lambda _: (500, "no"))
    with sandbox.serve():
        shop = Shop(sandbox)
        for number, usd in enumerate((None, 20, "60.5")):
            sandbox.pay(shop.create(customerId=f"order-{number}", invoiceID="INV-1"), usd)
        sandbox.see(shop.create())
        sandbox.deliver_due()
        shop.http.close()
    again = make(data=file)
    assert again.payments() == sandbox.payments()
    assert again.deliveries == sandbox.deliveries
    assert KEY not in file.read_text()
    later = datetime.now(timezone.utc) + timedelta(seconds=3)
    assert [one.attempt for one in again.deliver_due(later)] == [2, 2, 2, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["data.json"]


def test_what_a_crash_left_of_the_last_line_is_forgotten(tmp_path):
    file = tmp_path / "data.json"
    sandbox = make(data=file)
    with sandbox.serve():
        shop = Shop(sandbox)
        reference = shop.create()
        whole = file.read_text()
        sandbox.pay(reference)
        shop.http.close()
    for length in range(len(whole), len(file.read_text())):
        copy = tmp_path / "copy.json"
        copy.write_text(file.read_text()[:length])
        again = make(data=copy)
        assert again.payment(reference).state in {"OPEN", "FILLED"}
        assert copy.read_text().endswith("\n")


def test_a_change_writes_only_itself(tmp_path):
    file = tmp_path / "data.json"
    sandbox = make(data=file)
    with sandbox.serve():
        shop = Shop(sandbox)
        sizes = []
        for _ in range(20):
            shop.create()
            sizes.append(file.stat().st_size)
        shop.http.close()
    assert sizes[19] - sizes[18] < 1.2 * (sizes[1] - sizes[0])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]\n",
        '{"format": 1}\n',
        '{"format": 2}',
        '{"format": 2}\n{"payment": {}}\n',
        '{"format": 2}\n{"other": 1}\n',
    ],
)
def test_a_broken_data_file_is_an_error_that_names_the_file(tmp_path, text):
    file = tmp_path / "data.json"
    file.write_text(text)
    with pytest.raises(CorruptData, match=re.escape(str(file))):
        make(data=file)


def test_a_data_file_in_no_folder_is_an_error_that_names_it(tmp_path):
    file = tmp_path / "nowhere" / "data.json"
    with pytest.raises(CorruptData, match=re.escape(str(file))):
        make(data=file)


def test_a_failed_save_leaves_the_old_file(tmp_path):
    file = tmp_path / "data.json"
    sandbox = make(data=file)
    with sandbox.serve():
        shop = Shop(sandbox)
        shop.create()
        before = file.read_text()
        file.unlink()
        file.mkdir()
        with pytest.raises(OSError, match=re.escape("data.json")):
            sandbox.expire(sandbox.payments()[0].reference)
        shop.http.close()
    assert before.count("reference") > 0
    assert [path.name for path in tmp_path.iterdir()] == ["data.json"]
