"""What came in: the overview of a range of dates with its file, and the file of a filtered list."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.handlers.asgi import ASGIRequest
from django.core.validators import MaxValueValidator, MinValueValidator
from django.http import StreamingHttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_payram.admin.chart import bars
from django_payram.admin.words import word
from django_payram.models import Payment
from django_payram.reports.figures import FIRST_DAY, LAST_DAY, Range, bounds, figures, period_of
from django_payram.reports.rows import as_csv, of_payments, of_range

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from django.contrib.admin import ModelAdmin
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from django_payram.reports.rows import Row

PERIODS = {"day": _("Day"), "week": _("Week"), "month": _("Month")}

LINES = 100
"""Lines of a file that are sent at a time."""

ENCODING_MARK = "\ufeff"
"""With this a file begins, so that Excel reads it as UTF-8 and not in the encoding of its country."""

FIRST_SHOWN = timedelta(days=29)
"""The overview begins with the last thirty days."""


DATE_INPUT = forms.DateInput({"type": "date"}, format="%Y-%m-%d")
POSSIBLE = [MinValueValidator(FIRST_DAY), MaxValueValidator(LAST_DAY)]


class RangeForm(forms.Form):
    """Which dates, told how, and of which project."""

    since = forms.DateField(label=_("From"), required=False, widget=DATE_INPUT, validators=POSSIBLE)
    until = forms.DateField(label=_("To"), required=False, widget=DATE_INPUT, validators=POSSIBLE)
    by = forms.ChoiceField(label=_("Grouped by"), required=False, choices=[("", _("What fits")), *PERIODS.items()])
    project = forms.ChoiceField(label=_("Project"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = Payment.objects.projects()
        field: Any = self.fields["project"]
        field.choices = [("", _("All")), *((name, name) for name in names)]
        if len(names) <= 1:
            field.widget = forms.HiddenInput()

    def clean(self) -> dict[str, Any]:
        """Refuse dates in the wrong order."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        since, until = cleaned.get("since"), cleaned.get("until")
        if since and until and since > until:
            self.add_error("until", _("This must not be earlier than the first day."))
        return cleaned


def overview_view(model_admin: ModelAdmin[Payment], request: HttpRequest) -> HttpResponseBase:
    """Show the figures of a range of dates, or send the payments and refunds that they are the sums of."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    today = Range().day_of(timezone.now())
    form = RangeForm(request.GET or {"since": today - FIRST_SHOWN, "until": today})
    if "file" in request.GET and form.is_valid():
        asked = form.cleaned_data
        return _file(request, of_range(Range(asked["since"], asked["until"], asked["project"])))
    request.current_app = model_admin.admin_site.name
    context = {
        **model_admin.admin_site.each_context(request),
        "title": _("What came in"),
        "opts": Payment._meta,  # noqa: SLF001 - the admin's own templates take it
        "form": form,
        "ranges": list(_ranges(today)),
        "media": model_admin.media,
        **(_found(form.cleaned_data) if form.is_valid() else {}),
    }
    return TemplateResponse(request, "admin/django_payram/payment/overview.html", context)


def _ranges(today: date) -> Iterator[tuple[Any, date | None, date | None]]:
    """Yield the ranges that are a click away."""
    month = today.replace(day=1)
    before = month - timedelta(days=1)
    yield _("This month"), month, today
    yield _("Last month"), before.replace(day=1), before
    yield _("This year"), today.replace(month=1, day=1), today
    yield _("All"), None, None


def _found(asked: dict[str, Any]) -> dict[str, Any]:
    of = bounds(Range(asked["since"], asked["until"], asked["project"]))
    by = period_of(of, asked["by"])
    found = figures(of, by=by)
    drawn = bars(found.periods, of, by=by)
    return {
        "of": of,
        "by": PERIODS[by],
        "is_coarser": asked["by"] not in ("", by),
        "found": found,
        "bars": drawn,
        "is_cut": bool(drawn) and min(found.periods, default=LAST_DAY) < drawn[0].first,
        "statuses": [(status, word(status), count) for status, count in found.statuses.items()],
    }


async def _from_thread(parts: Iterator[str]) -> AsyncIterator[str]:
    """Yield the parts one by one. Of an ordinary iterator Django would hold the whole in memory under ASGI."""
    while part := await sync_to_async(lambda: next(parts, ""))():
        yield part


@admin.action(description=_("Download as CSV"))
def download(
    _model_admin: ModelAdmin[Payment], request: HttpRequest, queryset: QuerySet[Payment]
) -> StreamingHttpResponse:
    """Send the chosen payments, or all that the filters leave, with their refunds; few are held in memory at a time."""
    return _file(request, of_payments(queryset.order_by(), zone=Range().zone))


def _file(request: HttpRequest, rows: Iterator[Row]) -> StreamingHttpResponse:
    lines = chain([ENCODING_MARK], as_csv(rows))
    parts = iter(lambda: "".join(islice(lines, LINES)), "")
    content = _from_thread(parts) if isinstance(request, ASGIRequest) else parts
    headers = {"Content-Disposition": 'attachment; filename="payments.csv"', "Cache-Control": "no-store"}
    return StreamingHttpResponse(content, content_type="text/csv; charset=utf-8", headers=headers)
