"""The test kit for unittest: test cases with a pretend PayRam of their own."""

from __future__ import annotations

import unittest
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from django.test import TestCase

from django_payram.gateway import reach
from django_payram.testing.calls import calls_only_to
from django_payram.testing.payram import running_payram

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django_payram.testing.payram import PretendPayram


class PayramMixin(unittest.TestCase):
    """Put it before a test case of Django's: each test has a pretend PayRam as ``self.payram``.

    It is project ``default`` of the setting ``PAYRAM`` from ``setUp`` on, so a ``setUp`` of yours calls that of this
    class first; ``setUpTestData`` comes before it. ``payram_options`` are those of
    :class:`django_payram.sandbox.Sandbox`. Calls to a PayRam that is not on this machine are refused, as
    :func:`calls_only_to` does, from ``setUpClass`` on.
    """

    payram_options: Mapping[str, Any] = {}
    payram: PretendPayram

    @classmethod
    def setUpClass(cls) -> None:
        """Refuse calls to a PayRam elsewhere until the last test of the class is over."""
        if reach.allowed is None:
            contexts = ExitStack()
            cls.addClassCleanup(contexts.close)
            contexts.enter_context(calls_only_to())
        super().setUpClass()

    def setUp(self) -> None:
        """Run the pretend PayRam until the test is over."""
        super().setUp()
        contexts = ExitStack()
        self.addCleanup(contexts.close)
        self.payram = contexts.enter_context(running_payram(**self.payram_options))


class PayramTestCase(PayramMixin, TestCase):
    """Django's ``TestCase`` with a pretend PayRam as ``self.payram``: see :class:`PayramMixin`."""
