"""What our views answer, told to drf-spectacular where a shop has it."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

from django_payram.views.serializers import ProblemSerializer

if TYPE_CHECKING:
    from collections.abc import Callable

Method = TypeVar("Method", bound="Callable[..., Any]")


def answers(request: Any = None, **responses: Any) -> Callable[[Method], Method]:
    """Describe a method of a view: the serializer of its body, and by ``status_201`` those of its answers.

    Each finds nothing for an address that is not known, and has a throttle.
    """
    if find_spec("drf_spectacular") is None:
        return lambda method: method
    extend = import_module("drf_spectacular.utils").extend_schema
    responses = {"status_404": ProblemSerializer, "status_429": ProblemSerializer, **responses}
    by_status = {int(name.removeprefix("status_")): serializer for name, serializer in responses.items()}
    described: Callable[[Method], Method] = extend(request=request, responses=by_status)
    return described
