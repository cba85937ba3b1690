"""Parts of the admin's pages."""

from __future__ import annotations

import calendar
from datetime import date, datetime
from typing import Any

from django import template
from django.contrib.admin.templatetags.admin_list import date_hierarchy
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_payram.models import Payment

register = template.Library()


class PaidDates:
    """Stands for the list in Django's own date hierarchy, which would read every payment to learn the dates there are.

    The dates offered lie between the first and the last payment, which an index tells; on some nothing may be paid.
    """

    def __init__(self, changelist: Any) -> None:
        self.date_hierarchy, self.model = changelist.date_hierarchy, changelist.model
        self.params, self.get_query_string = changelist.params, changelist.get_query_string
        self.queryset = self
        rows = Payment.objects.paid().order_by("paid_at").values_list("paid_at", flat=True)
        self.first, self.last = rows.first(), rows.last()

    def aggregate(self, **_minimum_and_maximum: object) -> dict[str, datetime | None]:
        """Return the times of the first and the last payment."""
        return {"first": self.first, "last": self.last}

    def datetimes(self, _name: str, kind: str) -> list[date]:
        """Return the years, the months of the chosen year, or the days of the chosen month."""
        if self.first is None or self.last is None:
            return []
        first, last = _local_date(self.first), _local_date(self.last)
        year, month = (
            int(self.params.get(f"{self.date_hierarchy}__{part}", default))
            for part, default in (("year", first.year), ("month", first.month))
        )
        if kind == "year":
            return [date(each, 1, 1) for each in range(first.year, last.year + 1)]
        if kind == "month":
            days, first = [date(year, each, 1) for each in range(1, 13)], first.replace(day=1)
        else:
            days = [date(year, month, each + 1) for each in range(calendar.monthrange(year, month)[1])]
        return [day for day in days if first <= day <= last]


def _local_date(moment: datetime) -> date:
    return (timezone.localtime(moment) if timezone.is_aware(moment) else moment).date()


@register.inclusion_tag("admin/date_hierarchy.html")
def payram_paid_dates(changelist: Any) -> dict[str, Any] | None:
    """Show the dates on which something may have been paid."""
    shown: dict[str, Any] | None = date_hierarchy(PaidDates(changelist))  # type: ignore[arg-type] # stands for it
    return shown


@register.simple_tag
def payram_waiting() -> str:
    """Return how many payments wait for a person, in words."""
    count = Payment.objects.needing_review().count()
    if not count:
        return _("No payments need you")
    return ngettext("%(count)d payment needs you", "%(count)d payments need you", count) % {"count": count}
