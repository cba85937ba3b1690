"""The setting ``PAYRAM``, and what around it concerns PayRam: the words of ``manage.py check``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from django_payram import checks, conf
from django_payram.doctor.findings import Finding, Level

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_payram.doctor.findings import Scope

# The checks that warn, by the name of the finding. What they say of receivers stands under its own heading.
SURROUNDINGS = (
    ("ssl-redirect", checks.check_ssl_redirect),
    ("short-key", checks.check_short_keys),
)


def soundness(_scope: Scope) -> Iterator[Finding]:
    """Yield every problem of the setting, or that there is none. One broken project stops the webhooks of all."""
    problems = list(conf.problems())
    for problem in problems:
        yield Finding("settings", Level.PROBLEM, f"{problem.message} {problem.hint}")
    if not problems:
        yield Finding("settings", Level.OK, _("The setting PAYRAM is sound."))


def surroundings(_scope: Scope) -> Iterator[Finding]:
    """Yield what ``manage.py check --deploy`` warns about."""
    for name, check in SURROUNDINGS:
        for message in check():
            yield Finding(name, Level.WARNING, f"{message.msg} {message.hint}")


def enabled(scope: Scope) -> Iterator[Finding]:
    """Yield the projects that are switched off."""
    for project in scope.projects:
        if not project.enabled:
            text = _("This project takes no new payments. Set ENABLED to True when it should; old ones still settle.")
            yield Finding("enabled", Level.WARNING, text, project.name)
