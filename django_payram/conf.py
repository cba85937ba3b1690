"""The setting ``PAYRAM``, read late and in one place: a dict of projects, as ``DATABASES`` is one of databases.

Reading it yields either frozen values or problems. ``manage.py check`` lists the problems; using a broken project
raises ImproperlyConfigured with the same words.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from django_payram.options import OPTIONS, SECRET_OPTIONS, sealed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SETTING = "PAYRAM"
DEFAULT_PROJECT = "default"

SHORTEST_KEY = 16
"""Characters of a key that nobody guesses, and that stands in no text by chance."""
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
    return _usable(_find(name, _declared()))


def projects() -> list[Project]:
    """Return every declared project. Raises ImproperlyConfigured for the first that cannot be used."""
    return [_usable(found) for found in _all()]


def _all() -> list[Project | str]:
    declared = _declared()
    return [_find(name, declared) for name in declared]


def _usable(found: Project | str) -> Project:
    # Whatever raises must not hold the options: error reports show what frames hold.
    if isinstance(found, str):
        raise ImproperlyConfigured(found)
    return found


def _find(name: str, declared: Mapping[str, Mapping[str, object]]) -> Project | str:
    """Return the project, or what is wrong with it. Raises nothing, so that no error report shows the options."""
    if name not in declared:
        known = ", ".join(sorted(map(str, declared)))
        return f"{SETTING} has no project {name!r}. It has: {known}."
    # Read anew only when something was changed, in place or not: a webhook needs its project three times.
    written, kept = _frozen(declared[name]), _kept.get(name)
    if kept is None or kept[0] != written:
        kept = _kept[name] = written, _checked(name, declared[name])
    return kept[1]


_kept: dict[str, tuple[object, Project | str]] = {}
"""By project: its options as they were written when it was last read, and what came of that."""


def _frozen(value: object) -> object:
    """Return a copy to compare with, in which 1 is not True."""
    if isinstance(value, dict):
        return tuple((key, _frozen(inside)) for key, inside in value.items())
    if isinstance(value, list | tuple):
        return type(value), tuple(map(_frozen, value))
    return type(value), value


def _checked(name: str, options: Mapping[str, object]) -> Project | str:
    for problem in _project_problems(name, options):
        return f"{problem.message} {problem.hint}"
    return _project(name, options)


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


def names() -> list[str]:
    """Return the names of all declared projects, usable or not."""
    return [str(name) for name in _declared_or_none()]


def redact(text: str, *, shortest: int = 1) -> str:
    """Return ``text`` without any project's keys of at least so many characters, fit for a log, an error or a row."""
    keys = {key for options in _declared_or_none().values() for key in _all_keys(options) if len(key) >= shortest}
    # The longest first: a key that holds another one must not leave its end behind.
    for key in sorted(keys, key=len, reverse=True):
        text = text.replace(key, "[key]")
    return text


def quoted(text: str, limit: int) -> str:
    """Return a stranger's words for a log or a page: without keys, control characters and line ends, and not too long.

    They are cut only once the keys are out: half a key is a key no redaction finds.
    """
    return "".join(letter if letter.isprintable() else " " for letter in redact(text))[:limit]


def redact_bytes(body: bytes) -> bytes:
    """Return ``body`` without any key of any project; a stranger may say one.

    The body has yet to be read: a key so short that it may be part of a name or an amount stays until then.
    """
    return redact(body.decode("latin-1"), shortest=SHORTEST_KEY).encode("latin-1")


def _declared() -> Mapping[str, Mapping[str, object]]:
    value = sealed(getattr(settings, SETTING, None))
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
    values: dict[str, Any] = {option.lower(): _read(options, option) for option in OPTIONS if option not in NOT_KEPT}
    values["api_keys"] = values.pop("api_key")
    return Project(name=name, **values)


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
    for name in SECRET_OPTIONS:
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
