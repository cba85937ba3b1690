"""The setting ``PAYRAM``, read late and in one place: a dict of projects, as ``DATABASES`` is one of databases.

Reading it yields either frozen values or problems. ``manage.py check`` lists the problems; using a broken project
raises ImproperlyConfigured with the same words.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from django_payram.options import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SETTING = "PAYRAM"
DEFAULT_PROJECT = "default"
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class Project:
    """One PayRam project and how to deal with it. Keys are left out of its repr."""

    name: str
    base_url: str
    api_keys: tuple[str, ...] = field(repr=False)
    webhook_keys: tuple[str, ...] = field(repr=False)
    confirm_webhooks: bool
    require_signature: bool
    timeout: tuple[float, float]
    deadline: float
    checkout_hosts: tuple[str, ...]
    shortfall_percent: float
    enabled: bool
    customer_id_prefix: str

    @property
    def api_key(self) -> str:
        """The key that signs our own calls."""
        return self.api_keys[0]

    @property
    def accepted_keys(self) -> tuple[str, ...]:
        """Every key that a webhook may carry."""
        return self.api_keys + self.webhook_keys

    @property
    def host(self) -> str:
        """The host name of the base URL."""
        return urlsplit(self.base_url).hostname or ""


class Problem(NamedTuple):
    """Something wrong with the setting: which check reports it, where it is, and what to do."""

    check: str
    message: str
    hint: str


def project(name: str = DEFAULT_PROJECT) -> Project:
    """Return the named project. Raises ImproperlyConfigured, naming the option, when it cannot be used."""
    found = _find(name)
    if isinstance(found, str):
        raise ImproperlyConfigured(found)
    return found


def _find(name: str) -> Project | str:
    """Return the project, or what is wrong with it. Raises nothing, so that no error report shows the options."""
    declared = _declared()
    if name not in declared:
        known = ", ".join(sorted(map(str, declared))) or "none"
        return f"{SETTING} has no project {name!r}. It has: {known}."
    for problem in _project_problems(name, declared[name]):
        return f"{problem.message} {problem.hint}"
    return _project(name, declared[name])


def projects() -> list[Project]:
    """Return every declared project. Raises ImproperlyConfigured for the first that cannot be used."""
    return [project(name) for name in _declared()]


def problems() -> Iterator[Problem]:
    """Yield everything that is wrong with the setting."""
    try:
        declared = _declared()
    except ImproperlyConfigured as exc:
        yield Problem("E001", str(exc), f"Add {SETTING} to your settings, as the README shows.")
        return
    for name, options in declared.items():
        yield from _project_problems(name, options)
    yield from _shared_keys(declared)


def redact(text: str) -> str:
    """Return ``text`` without any key of any project, fit for a log, an error or a row."""
    keys = set().union(*map(_all_keys, _declared_or_none().values()))
    # The longest first: a key that begins with another one must not leave its end behind.
    for key in sorted(keys, key=len, reverse=True):
        text = text.replace(key, "[key]")
    return text


def _declared() -> Mapping[str, Mapping[str, object]]:
    value = getattr(settings, SETTING, None)
    if value is None:
        raise ImproperlyConfigured(f"The setting {SETTING} is missing.")
    if not isinstance(value, dict) or not value:
        raise ImproperlyConfigured(f"The setting {SETTING} must be a dict with at least one project.")
    return value


def _declared_or_none() -> Mapping[str, Mapping[str, object]]:
    try:
        return _declared()
    except ImproperlyConfigured:
        return {}


def _read(options: Mapping[str, object], name: str) -> object:
    option = OPTIONS[name]
    return option.read(options.get(name, option.default))


def _project(name: str, options: Mapping[str, object]) -> Project:
    values = {option.lower(): _read(options, option) for option in OPTIONS if option not in NOT_KEPT}
    values["api_keys"] = values.pop("api_key")
    return Project(name=name, **cast("dict[str, Any]", values))


NOT_KEPT = frozenset({"ALLOW_HTTP"})
"""Read by the checks alone."""


def _project_problems(name: object, options: object) -> Iterator[Problem]:
    place = f"{SETTING}[{name!r}]"
    if not isinstance(name, str) or not 0 < len(name) <= 64:
        yield Problem("E001", f"{place} is not a name.", "Name projects with strings of up to 64 characters.")
        return
    if not isinstance(options, dict):
        yield Problem("E001", f"{place} must be a dict of options.", "See the README for the options.")
        return
    for unknown in sorted(set(map(str, options)) - set(OPTIONS)):
        known = ", ".join(OPTIONS)
        yield Problem("E002", f"{place} has the unknown option {unknown!r}.", f"Options are: {known}.")
    for option_name, option in OPTIONS.items():
        try:
            _read(options, option_name)
        except ValueError as exc:
            message = f"{place}[{option_name!r}] {exc}."
            yield Problem(option.check, message, f"Correct {option_name} in your settings.")
    yield from _plain_http(place, options)


def _plain_http(place: str, options: Mapping[str, object]) -> Iterator[Problem]:
    """Over http anyone on the way can read the key, which can also pay out."""
    base_url = options.get("BASE_URL")
    if not isinstance(base_url, str) or not base_url.startswith("http://"):
        return
    if options.get("ALLOW_HTTP") is not True and not is_local(base_url):
        message = f"{place}['BASE_URL'] uses http, which shows the key to everyone on the way."
        yield Problem("E003", message, "Use https, or set ALLOW_HTTP to True for a network you trust.")


def is_local(url: str) -> bool:
    """Return whether ``url`` points at this machine."""
    try:
        return urlsplit(url).hostname in LOCAL_HOSTS
    except ValueError:
        return False


def _all_keys(options: object) -> set[str]:
    if not isinstance(options, dict):
        return set()
    found: set[str] = set()
    for name in ("API_KEY", "WEBHOOK_KEYS"):
        value = options.get(name)
        given = [value] if isinstance(value, str) else value
        if isinstance(given, list | tuple):
            found.update(key for key in given if isinstance(key, str) and key.strip())
    return found


def _shared_keys(declared: Mapping[str, object]) -> Iterator[Problem]:
    owners: dict[str, str] = {}
    for name, options in declared.items():
        for key in _all_keys(options):
            owner = owners.setdefault(key, name)
            if owner != name:
                yield Problem(
                    "E006",
                    f"{SETTING}[{owner!r}] and {SETTING}[{name!r}] share a key.",
                    "Give each project its own key: the key tells which project a webhook belongs to.",
                )
