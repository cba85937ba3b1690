"""Paying in the shop, as a customer sees it."""

from __future__ import annotations
