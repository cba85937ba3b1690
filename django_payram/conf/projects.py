"""The setting ``PAYRAM``: a dict of projects, as ``DATABASES`` is one of databases. It is read when it is used.

Reading it yields either frozen values or problems. ``manage.py check`` lists the problems; using a broken project
raises ImproperlyConfigured with the same words.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from django_payram.conf.options import OPTIONS, SECRET_OPTIONS, Project, is_local, read_option, sealed

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTING = "PAYRAM"
DEFAULT_PROJECT = "default"

EXAMPLE = f'{SETTING} is a dict of projects: {SETTING} = {{"{DEFAULT_PROJECT}": {{"BASE_URL": ..., "API_KEY": ...}}}}'
"""For whoever names the options without the project."""

SHORTEST_KEY = 16
"""Characters of a key that nobody guesses, and that stands in no text by chance."""


class Problem(NamedTuple):
    """Something wrong with the setting: which check reports it, where it is, and what to do."""

    check: str
    message: str
    hint: str


def project(name: str = DEFAULT_PROJECT) -> Project:
    """Return the named project. Raises ImproperlyConfigured, naming the option, when it cannot be used."""
    return _usable(_find(name))


def projects() -> list[Project]:
    """Return every declared project. Raises ImproperlyConfigured for the first that cannot be used."""
    return [_usable(_find(name)) for name in _declared()]


def names() -> list[str]:
    """Return the names of all declared projects, usable or not."""
    return [str(name) for name in _declared_or_none()]


def all_keys() -> tuple[str, ...]:
    """Return every key of every project, usable or not, the longest first: one may be a part of another."""
    return _reading().keys


def problems() -> Iterator[Problem]:
    """Yield everything that is wrong with the setting."""
    try:
        declared = _declared()
    except ImproperlyConfigured as exc:
        yield Problem("E001", str(exc), f"Add {SETTING} to your settings, as the README shows.")
        return
    for name, options in declared.items():
        yield from _problems_of(name, options)
    yield from _shared_keys(declared)


@dataclass(frozen=True)
class _Reading:
    """What was last read: the setting, its copy with sealed keys, and what came of each project."""

    setting: object = field(repr=False)
    declared: object
    found: dict[str, Project | str]

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Every key that is declared: each text of each webhook is searched for them."""
        declared = self.declared if isinstance(self.declared, dict) else {}
        found = {key for options in declared.values() for key in _keys_of(options)}
        return tuple(sorted(found, key=len, reverse=True))


_last = _Reading(None, None, {})


def _reading() -> _Reading:
    # override_settings and the like put another object in its place; the same one is read once. Kept as one object, so
    # that no thread sees half of it. The setting itself is in no variable: error reports show what frames hold.
    global _last  # noqa: PLW0603 - a cache of one
    last = _last
    if getattr(settings, SETTING, None) is not last.setting:
        last = _last = _Reading(getattr(settings, SETTING, None), sealed(getattr(settings, SETTING, None)), {})
    return last


def _declared() -> dict[str, Any]:
    declared = _reading().declared
    if declared is None:
        raise ImproperlyConfigured(f"The setting {SETTING} is missing.")
    if not isinstance(declared, dict) or not declared:
        raise ImproperlyConfigured(f"The setting {SETTING} must be a dict with at least one project.")
    return declared


def _declared_or_none() -> dict[str, Any]:
    try:
        return _declared()
    except ImproperlyConfigured:
        return {}


def _find(name: str) -> Project | str:
    """Return the project, or what is wrong with it. Raises nothing, so that no error report shows the options."""
    declared, found = _declared(), _reading().found
    if name not in declared:
        known = ", ".join(sorted(map(str, declared)))
        return f"{SETTING} has no project {name!r}. It has: {known}."
    if name not in found:
        found[name] = _read(name, declared[name])
    return found[name]


def _read(name: str, options: Any) -> Project | str:
    for problem in _problems_of(name, options):
        return f"{problem.message} {problem.hint}"
    return Project(name, **{one.name: read_option(options, option) for option, one in OPTIONS.items()})


def _usable(found: Project | str) -> Project:
    # Whatever raises must not hold the options: error reports show what frames hold.
    if isinstance(found, str):
        raise ImproperlyConfigured(found)
    return found


def _problems_of(name: object, options: object) -> Iterator[Problem]:
    place = f"{SETTING}[{name!r}]"
    if not isinstance(name, str) or not 0 < len(name) <= 64:
        yield Problem("E001", f"{place} is not a name.", "Name projects with strings of up to 64 characters.")
        return
    if not isinstance(options, dict):
        yield Problem("E001", f"{place} must be a dict of options.", EXAMPLE)
        return
    for unknown in sorted(set(map(str, options)) - set(OPTIONS)):
        known = ", ".join(OPTIONS)
        yield Problem("E002", f"{place} has the unknown option {unknown!r}.", f"Options are: {known}.")
    for option, declared in OPTIONS.items():
        try:
            read_option(options, option)
        except ValueError as exc:
            message = f"{place}[{option!r}] {exc}."
            yield Problem(declared.metadata["check"], message, f"Correct {option} in your settings.")
    yield from _plain_http(place, options)


def _plain_http(place: str, options: dict[str, object]) -> Iterator[Problem]:
    """Over http anyone on the way can read the key, which can also pay out."""
    base_url = options.get("BASE_URL")
    if not isinstance(base_url, str) or not base_url.startswith("http://"):
        return
    if options.get("ALLOW_HTTP") is not True and not is_local(base_url):
        message = f"{place}['BASE_URL'] uses http, which shows the key to everyone on the way."
        yield Problem("E003", message, "Use https, or set ALLOW_HTTP to True for a network you trust.")


def _keys_of(options: object) -> set[str]:
    found: set[str] = set()
    for name in SECRET_OPTIONS if isinstance(options, dict) else ():
        value = options.get(name)  # type: ignore[attr-defined] # only of a dict
        given = [value] if isinstance(value, str) else value
        if isinstance(given, list | tuple):
            found.update(key for key in given if isinstance(key, str) and key.strip())
    return found


def _shared_keys(declared: dict[str, object]) -> Iterator[Problem]:
    owners: dict[str, str] = {}
    for name, options in declared.items():
        for key in _keys_of(options):
            owner = owners.setdefault(key, name)
            if owner != name:
                yield Problem(
                    "E006",
                    f"{SETTING}[{owner!r}] and {SETTING}[{name!r}] share a key.",
                    "Give each project its own key: the key tells which project a webhook belongs to.",
                )
