"""Payments of a shop of any size, made in the database: the newest payments first, then older ones.

history(connection, upto=10_000)   payments 1 (the newest) to 10,000, with orders and events
opened(connection, count)          open payments of this moment, that nothing has been measured with yet
"""

from __future__ import annotations

from benchmarks.rows.facts import amount_usd, customer_id, order_of, reference
from benchmarks.rows.history import history, opened, ready

__all__ = ["amount_usd", "customer_id", "history", "opened", "order_of", "ready", "reference"]
