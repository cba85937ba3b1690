"""Rows to look at, in lists that stay quick whatever their number: nothing is counted or looked through to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.core.paginator import Paginator
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from django_payram.admin.words import word
from django_payram.models import Payment, Review, Status

if TYPE_CHECKING:
    from typing import Any

    from django.db.models import QuerySet
    from django.http import HttpRequest

LISTED = 1_000
"""Rows that can be leafed through. Older ones are found by searching and filtering."""


class BoundedPaginator(Paginator):  # type: ignore[type-arg] # not generic at run time
    """Pages of the first rows of a list; the rest of a long one is neither counted nor shown."""

    @cached_property
    def count(self) -> int:
        """The number of rows, as far as they can be leafed through."""
        return min(self._seen, LISTED)

    @property
    def is_cut(self) -> bool:
        """Whether there are more rows."""
        return self._seen > LISTED

    @cached_property
    def _seen(self) -> int:
        # Without the order, so that the database may take whichever rows are nearest.
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment] # a list of the admin is one of rows
        return rows.order_by()[: LISTED + 1].count()


class ProjectFilter(admin.SimpleListFilter):
    """The projects that there are payments of. Django's own filter would read every row to find them."""

    title = _("project")
    parameter_name = "project__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002 - Django's
        """Return the names; the filter is shown when there are two."""
        names = Payment.objects.projects()
        return [(name, name) for name in names] if len(names) > 1 else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002 - Django's
        """Return the chosen project's rows."""
        return queryset if self.value() is None else queryset.filter(project=self.value())


class StatusFilter(admin.SimpleListFilter):
    """Where payments stand."""

    title = _("status")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:  # noqa: ARG002 - Django's
        """Return every status there is."""
        return [(status.value, word(status)) for status in Status]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002 - Django's
        """Return the payments that have the chosen one."""
        chosen = self.value()
        return queryset.with_status(chosen) if chosen in Status.values else queryset  # type: ignore[attr-defined]


class ReviewFilter(admin.SimpleListFilter):
    """What needs a person, for whatever reason or for one."""

    title = _("needs review")
    parameter_name = "review"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:  # noqa: ARG002 - Django's
        """Return every reason there is."""
        return [("any", _("Any reason")), *Review.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002 - Django's
        """Return the payments under review for the chosen one."""
        if self.value() in Review.values:
            # Both conditions: the index of reviews leaves out the payments that are under none.
            return queryset.filter(review=self.value(), review__gt="")
        return queryset.needing_review() if self.value() == "any" else queryset  # type: ignore[attr-defined]


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows to look at: no add, no change, no delete."""

    show_full_result_count = False
    paginator = BoundedPaginator
    actions_selection_counter = True

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - Django's signature
        """Payments come from the shop's checkout."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Money and state are PayRam's to say."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """What was paid is never deleted."""
        return False
