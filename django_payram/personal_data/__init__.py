"""What is stored of one customer: telling it, erasing it, and forgetting what is old. Money, states and times stay.

Texts need no search: payloads, errors and notes are cleaned when they are stored (``gateway.redaction``). What says who
a customer is stands in four columns: ``customer_email``, ``customer_id`` and ``metadata`` of a payment, and
``customer_id`` of a webhook that was kept because its reference is not known.
"""

from __future__ import annotations
