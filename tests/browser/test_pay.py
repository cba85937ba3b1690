"""Paying in the shop, as a customer sees it."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.browser.page_objects import Customer
