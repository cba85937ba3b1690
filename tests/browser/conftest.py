"""One browser and one demo for all tests of this folder.

Everything ends with this package: a browser left open would keep an event loop running in the main thread, and
Django refuses its database to tests where it sees one.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.browser import demo as machinery
from tests.browser.measurements import ErrorLog
from tests.browser.page_objects import Clerk, Customer

HERE = Path(__file__).parent
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PATIENCE = 12_000

HOW_TO_GET_IT = (
    "There is no browser at {path}: apt install chromium, or set CHROMIUM=/path to a Chromium or Chrome that is there."
)


def pytest_collection_modifyitems(items):
    """Mark every test of this folder."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)


def find_chromium(environ):
    """Return where the browser is; without one, skip with advice, or fail where CI=true."""
    path = environ.get("CHROMIUM", "/usr/bin/chromium")
    if Path(path).is_file():
        return path
    refuse = pytest.fail if environ.get("CI", "").lower() == "true" else pytest.skip
    return refuse(HOW_TO_GET_IT.format(path=path))


@pytest.fixture(scope="package")
def chromium():
    path = find_chromium(os.environ)
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def demo(chromium, tmp_path_factory):
    with machinery.demo(tmp_path_factory.mktemp("demo")) as running:
        yield running


@pytest.fixture(scope="package")
def unused_address():
    with machinery.unused_address() as nowhere:
        yield nowhere


@pytest.fixture(scope="package")
def shop_without_payram(demo, unused_address):
    """The address of the same shop, whose PayRam does not answer."""
    with machinery.another_shop(demo, name="without-payram", payram=unused_address) as address:
        yield address


@pytest.fixture(scope="package")
def library_shop(demo, unused_address):
    """The same with the library's own templates: it learns of payments by the webhooks that the first shop gets."""
    settings = "tests.browser.library_templates"
    with machinery.another_shop(demo, name="library", settings=settings, payram=unused_address) as address:
        yield address


@pytest.fixture
def browse(chromium):
    """Open a fresh context; when the test is over, nothing unexpected may have gone wrong in it."""
    opened = []

    def open_context(**options):
        context = chromium.new_context(**options)
        context.set_default_timeout(PATIENCE)
        opened.append((context, ErrorLog(context)))
        return opened[-1]

    yield open_context
    for context, _errors in opened:
        context.close()
    assert [error for _context, errors in opened for error in errors.unexpected] == []


@pytest.fixture
def customer(browse, demo):
    context, _errors = browse()
    return Customer(context.new_page(), shop=demo.shop)


@pytest.fixture(scope="package")
def admin_login(chromium, demo):
    """The cookies of somebody who logged in with the password that the demo printed."""
    context = chromium.new_context()
    Clerk(context.new_page(), shop=demo.shop).log_in(demo.password)
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def clerk(browse, demo, admin_login):
    context, _errors = browse(storage_state=admin_login)
    return Clerk(context.new_page(), shop=demo.shop)
