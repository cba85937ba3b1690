"""Rows to look at, in lists that stay quick whatever their number: nothing is counted or looked through to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from django_payram.admin.words import word
from django_payram.models import Payment, Review, Status

if TYPE_CHECKING:
    from typing import Any

    from django.db.models import Model, QuerySet
    from django.http import HttpRequest

LISTED = 500
"""Rows that can be leafed through. Older ones are found by searching and filtering."""


class BoundedPaginator(Paginator):  # type: ignore[type-arg] # not generic at run time
    """Pages of the first rows of a list; the rest of a long one is neither counted nor shown."""

    @cached_property
    def count(self) -> int:
        """The number of rows, as far as they can be leafed through."""
        return min(len(self.keys), LISTED)

    @property
    def is_cut(self) -> bool:
        """Whether there are more rows."""
        return len(self.keys) > LISTED

    @cached_property
    def keys(self) -> list[Any]:
        """The primary keys of the rows, in their order, and one more where the list is cut."""
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment] # a list of the admin is one of rows
        return list(rows.values_list("pk", flat=True)[: LISTED + 1])


class QuickChangeList(ChangeList):
    """Django's list, without what it does more than once: to look for the rows, and to make their addresses."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        address = reverse(name, args=["-"], current_app=self.model_admin.admin_site.name)
        self._before, _mark, after = address.rpartition("-")
        self._after = f"{after}?{self.preserved_filters}" if self.preserved_filters else after
        # Django would resolve each row's address to add the filters to it.
        self.preserved_filters = ""

    def get_results(self, request: HttpRequest) -> None:
        """Take the rows of this page by their keys, which are known since the rows were counted."""
        super().get_results(request)
        is_whole = not self.multi_page or (self.show_all and self.can_show_all)
        first = 0 if is_whole else (self.page_num - 1) * self.list_per_page
        last = self.result_count if is_whole else min(first + self.list_per_page, self.result_count)
        keys = self.paginator.keys[first:last]
        found = {row.pk: row for row in self.apply_select_related(self.root_queryset.filter(pk__in=keys))}
        self.result_list = [found[key] for key in keys if key in found]

    def url_for_result(self, result: Model) -> str:
        """Return the address of a row's page."""
        return f"{self._before}{quote(result.pk)}{self._after}"


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

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:  # noqa: ARG002 - Django's
        """Return the class of the list."""
        return QuickChangeList

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - Django's signature
        """Payments come from the shop's checkout."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Money and state are PayRam's to say."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """What was paid is never deleted."""
        return False
