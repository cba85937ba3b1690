"""The tutorial and the README are followed literally, in an empty folder, with servers for the shop and the sandbox."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
import requests

from tests.docs.pages import ROOT, blocks, named

PATIENCE = 60
LOGIN = {"username": "owner", "password": "correct horse"}


@contextmanager
def process(folder, environment, *arguments, until):
    """Run manage.py as a child, until the pattern stands in what it writes."""
    command = [sys.executable, "-u", "manage.py", *arguments]
    log = folder / f"{arguments[0]}.log"
    with log.open("w") as out:
        child = subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=subprocess.STDOUT)
    try:
        wait(lambda: re.search(until, log.read_text()) or child.poll() is not None)
        assert child.poll() is None, log.read_text()
        yield
    finally:
        child.terminate()
        child.wait()


def wait(condition):
    ends = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < ends
        time.sleep(0.05)
    return found


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class Shop:
    """The tutorial's project in a folder of its own."""

    def __init__(self, folder):
        self.folder, self.port, self.payram = folder, free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "PAYRAM"))}
        secrets = {"DJANGO_SUPERUSER_PASSWORD": LOGIN["password"], "PAYRAM_API_KEY": "a-key-of-the-environment"}
        self.environment = {**kept, **secrets, "PYTHONPATH": str(ROOT)}
        self.browser = requests.Session()

    def run(self, *arguments, codes=(0,)):
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in codes, done.stdout + done.stderr
        return done.stdout + done.stderr

    def write(self, name, text):
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        # The page's ports may be taken on this machine.
        text = text.replace(":8001", f":{self.payram}") + "\n"
        file.write_text(file.read_text() + text if name == "mysite/settings.py" else text)

    def migrate(self):
        """Make the tables and the account."""
        self.run("manage.py", "makemigrations", "shop")
        self.run("manage.py", "migrate")
        account = ("--username", LOGIN["username"], "--email", "owner@example.org")
        self.run("manage.py", "createsuperuser", "--noinput", *account)

    def sandbox(self, *options):
        addresses = ("--webhook-url", f"{self.url}/payram/webhook/", "--success-url", f"{self.url}/payram/return/")
        arguments = ("payram_sandbox", "--port", str(self.payram), *addresses, *options)
        return process(self.folder, self.environment, *arguments, until="listens on")

    def server(self):
        arguments = ("runserver", "--noreload", str(self.port))
        return process(self.folder, self.environment, *arguments, until="Starting .*development server")

    def post(self, path, *, form, **fields):
        """Send the form on the page ``form`` to ``path``."""
        page = self.browser.get(self.url + form).text
        fields["csrfmiddlewaretoken"] = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[1]
        return self.browser.post(self.url + path, data=fields)

    def log_in(self):
        answer = self.post("/admin/login/?next=/admin/", form="/admin/login/", **LOGIN)
        assert "Site administration" in answer.text

    def add_order(self):
        page, fields = "/admin/shop/order/add/", {"email": "buyer@example.org", "total": "12.50", "status": "new"}
        answer = self.post(page, form=page, user="1", **fields)
        assert "was added successfully" in answer.text

    def press(self, page, **button):
        """Press a button of the sandbox's page, and return what comes."""
        token = re.search(r'name="form_token" value="([\w-]+)"', page.text)[1]
        return self.browser.post(page.url, data={"form_token": token, **button})

    def pay(self, order):
        page = self.post(f"/orders/{order}/pay/", form="/")
        assert page.url.startswith(f"http://127.0.0.1:{self.payram}/")
        coin = re.search(r'name="coin" value="([\w-]+)"', page.text)[1]
        page = self.press(page, coin=coin, do="choose")
        assert "Pay in full" in page.text
        return self.press(page, do="pay")

    def status(self, order):
        return re.search(rf"Order {order}: [\d.]+ USD, (\w+)", self.browser.get(self.url).text)[1]


TUTORIAL = named("docs/tutorial.rst")
SHELL = ("a project", "the database", "polling", "the tools", "the tests", "the check", "the doctor")
COMMANDS = [line.split() for name in SHELL for line in TUTORIAL[name].splitlines()]


@pytest.fixture
def shop(tmp_path):
    shop = Shop(tmp_path)
    shop.run("-m", "django", "startproject", "mysite", ".")
    shop.run("manage.py", "startapp", "shop")
    return shop


def test_the_commands_of_the_page_are_these():
    assert [" ".join(command) for command in COMMANDS] == [
        "python -m venv .venv && . .venv/bin/activate",
        "pip install django_payram",
        "django-admin startproject mysite .",
        "python manage.py startapp shop",
        "python manage.py makemigrations shop",
        "python manage.py migrate",
        "python manage.py createsuperuser",
        "python manage.py payram_sandbox",
        "python manage.py payram_resync --state OPEN",
        'pip install "django_payram[testing]"',
        "python -m pytest",
        "python manage.py check --deploy",
        "python manage.py payram_doctor --public-url https://your.shop",
    ]


def test_the_tutorial_leads_from_an_empty_folder_to_a_paid_order(shop):
    for name, text in TUTORIAL.items():
        if "/" in name:
            shop.write(name, text)
    shop.migrate()
    with shop.server():
        with shop.sandbox():
            shop.log_in()
            shop.add_order()
            assert shop.status(1) == "new"
            page = shop.pay(1)
            wait(lambda: shop.status(1) == "paid")
            back = re.search(r'href="([^"]+)"[^>]*>\s*Return to the shop', page.text)[1]
            shop.run(*TUTORIAL["the doctor"].replace("https://your.shop", shop.url).split()[1:])
            assert "12.50 USD have been paid" in shop.browser.get(back.replace("&amp;", "&")).text
        with shop.sandbox("--no-webhooks"):
            shop.add_order()
            shop.pay(2)
            assert shop.status(2) == "new"
            shop.run(*TUTORIAL["polling"].split()[1:])
            assert shop.status(2) == "paid"


def test_every_file_is_named_for_the_reader():
    files = [block for block in blocks("docs/tutorial.rst") if "." in block.name]
    assert len(files) == 9
    assert [block.caption for block in files] == [block.name for block in files]


def test_the_tests_of_the_page_pass(shop):
    for name, text in TUTORIAL.items():
        if "/" in name:
            shop.write(name, text)
    shop.write("pytest.ini", TUTORIAL["pytest.ini"])
    shop.run("manage.py", "makemigrations", "shop")
    shop.run(*TUTORIAL["the tests"].split()[1:], "-p", "no:cacheprovider")


def test_the_check_before_going_live_names_the_sandbox(shop):
    for name, text in TUTORIAL.items():
        if "/" in name:
            shop.write(name, text)
    # From Django 6.1 on, the mails of a new project, which are only printed, are an error before deploying.
    said = shop.run(*TUTORIAL["the check"].split()[1:], codes=(0, 1))
    assert "django_payram.W005" in said


def test_the_five_steps_of_the_readme_do_in_a_new_project(shop):
    """With the sandbox, as the README says; the model and the list of orders are the tutorial's."""
    steps = named("README.rst")
    for name in ("shop/models.py", "shop/admin.py", "shop/templates/shop/order_list.html"):
        shop.write(name, TUTORIAL[name])
    address = '"http://127.0.0.1:8001"'
    own = 'INSTALLED_APPS += ["shop"]\nLOGIN_URL = "admin:login"\n'
    shop.write("mysite/settings.py", own + steps["settings.py"].replace('"https://pay.example.com"', address))
    orders = TUTORIAL["shop/views.py"].partition("class PayOrder")[0]
    shop.write("shop/views.py", orders + steps["views.py"])
    own = "from django.contrib import admin\nfrom shop.views import OrderList\n"
    others = 'urlpatterns += [path("admin/", admin.site.urls), path("", OrderList.as_view())]'
    shop.write("mysite/urls.py", f"{own}urlpatterns = []\n{steps['urls.py']}\n{others}")
    shop.write("shop/payram_receivers.py", steps["payram_receivers.py"])
    shop.migrate()
    with shop.server(), shop.sandbox():
        refused = shop.browser.get(f"{shop.url}/orders/1/pay/")
        assert "/admin/login/" in refused.url
        shop.log_in()
        shop.add_order()
        shop.pay(1)
        wait(lambda: shop.status(1) == "paid")
        shop.run("manage.py", "payram_doctor")
