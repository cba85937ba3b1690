"""Views that are imported when somebody first asks for them."""

from __future__ import annotations

from functools import cached_property
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase
    from rest_framework.views import APIView


class OnDemandView:
    """A view of the REST framework, which a shop's start need not import: it brings requests along.

    It has the attributes by which Django's middleware and writers of schemas know a view.
    """

    csrf_exempt = True
    login_required = False
    initkwargs: Mapping[str, Any] = MappingProxyType({})

    def __init__(self, module: str, name: str) -> None:
        self._module, self.__name__ = module, name

    @cached_property
    def cls(self) -> type[APIView]:
        """The class of the view."""
        found: type[APIView] = getattr(import_module(self._module), self.__name__)
        return found

    @property
    def view_class(self) -> type[APIView]:
        """The same, under Django's name."""
        return self.cls

    @cached_property
    def _view(self) -> Any:
        return self.cls.as_view()

    def __call__(self, request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        """Answer the request."""
        answer: HttpResponseBase = self._view(request, **kwargs)
        return answer
