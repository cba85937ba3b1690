"""When the managers were last mailed about payments that need a person."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class ReviewMail(models.Model):
    """One row, which several processes agree by."""

    ONLY: ClassVar[int] = 1
    """The key of the row."""

    sent_at = models.DateTimeField(null=True, editable=False)
    is_wanted = models.BooleanField(default=False, editable=False)
    """Whether a payment has come under review since. Written in the transaction that says so: times cannot tell."""
