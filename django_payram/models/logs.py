"""What a record of a log carries beside its words, for whoever collects logs by fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID

    from django_payram.models.payment import Payment


def log_fields(
    payment: Payment | None = None, *, token: UUID | str = "", reference: str = "", project: str = ""
) -> dict[str, str]:
    """Return the ``extra`` of a record about ``payment``, or about what is known of it: text, and nothing secret.

    What is not known is blank. ``reference`` counts as long as the payment has none.
    """
    if payment is not None:
        token, reference, project = payment.token, payment.reference or reference, payment.project
    return {"payment": str(token), "reference": reference, "project": project}
