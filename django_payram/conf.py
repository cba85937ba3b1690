"""The setting ``PAYRAM``, read late and in one place: a dict of projects, as ``DATABASES`` is one of databases.

Reading it yields either frozen values or problems. ``manage.py check`` lists the problems; using a broken project
raises ImproperlyConfigured with the same words.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

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
    declared = _declared()
    if name not in declared:
        known = ", ".join(sorted(map(str, declared))) or "none"
        raise ImproperlyConfigured(f"{SETTING} has no project {name!r}. It has: {known}.")
    for problem in _project_problems(name, declared[name]):
        raise ImproperlyConfigured(f"{problem.message} {problem.hint}")
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


# Each reader takes the value as written and returns it as used, or raises ValueError with what is allowed.


def _base_url(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be the address of your PayRam server, such as https://pay.example.com")
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError as exc:
        raise ValueError("is not a web address") from exc
    # The scheme in lower case only, as _plain_http and the checks look for it.
    if not value.startswith(("https://", "http://")) or not parts.hostname or value != value.strip():
        raise ValueError("must start with https:// and name a host")
    if parts.username is not None or "?" in value or "#" in value:
        raise ValueError("must not hold a user name, a query or a fragment")
    if parts.path.rstrip("/").endswith("/api/v1"):
        raise ValueError("must not end with /api/v1, which is added to it")
    return value.rstrip("/")


def _keys(value: object) -> tuple[str, ...]:
    given = (value,) if isinstance(value, str) else value
    if not isinstance(given, list | tuple):
        raise ValueError("must be a string, or a list of strings during a rotation")  # noqa: TRY004
    for key in given:
        if not isinstance(key, str) or not key.strip():
            raise ValueError("holds a blank key, which would match nothing")
        if not key.isascii() or not key.isprintable() or key != key.strip():
            raise ValueError("holds a key with white space around it or characters that no key has")
    return tuple(given)


def _api_keys(value: object) -> tuple[str, ...]:
    keys = _keys(value if value is not None else "")
    if not keys:
        raise ValueError("is an empty list, so PayRam cannot be asked")
    return keys


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be True or False")  # noqa: TRY004
    return value


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 600:
        raise ValueError("must be a number of seconds above 0 and up to 600")
    return value


def _timeout(value: object) -> tuple[float, float]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError("must be a pair of seconds: connect, read")
    return _seconds(value[0]), _seconds(value[1])


def _percent(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
        raise ValueError("must be a number from 0 to 100")
    return value


def _hosts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError("must be a list of host names")  # noqa: TRY004
    for host in value:
        if not isinstance(host, str) or not host or "/" in host or ":" in host:
            raise ValueError("must hold host names only, without scheme, port and path")
    return tuple(host.lower() for host in value)


def _prefix(value: object) -> str:
    if not isinstance(value, str) or len(value) > 32 or not value.isprintable():
        raise ValueError("must be a string of up to 32 printable characters")
    return value


class Option(NamedTuple):
    """One option: its default as one would write it, how it is read, and which check reports it."""

    default: object
    read: Callable[[object], object]
    check: str


OPTIONS: Mapping[str, Option] = MappingProxyType(
    {
        "BASE_URL": Option(None, _base_url, "E003"),
        "API_KEY": Option(None, _api_keys, "E004"),
        "WEBHOOK_KEYS": Option([], _keys, "E004"),
        "CONFIRM_WEBHOOKS": Option(True, _flag, "E005"),
        "REQUIRE_SIGNATURE": Option(False, _flag, "E005"),
        "TIMEOUT": Option((5, 15), _timeout, "E005"),
        "DEADLINE": Option(30, _seconds, "E005"),
        "CHECKOUT_HOSTS": Option([], _hosts, "E005"),
        "SHORTFALL_PERCENT": Option(3, _percent, "E005"),
        "ENABLED": Option(True, _flag, "E005"),
        "ALLOW_HTTP": Option(False, _flag, "E005"),
        "CUSTOMER_ID_PREFIX": Option("", _prefix, "E005"),
    }
)


def _read(options: Mapping[str, object], name: str) -> object:
    option = OPTIONS[name]
    return option.read(options.get(name, option.default))


def _project(name: str, options: Mapping[str, object]) -> Project:
    values = {option: _read(options, option) for option in OPTIONS}
    return Project(
        name=name,
        base_url=values["BASE_URL"],  # type: ignore[arg-type]
        api_keys=values["API_KEY"],  # type: ignore[arg-type]
        webhook_keys=values["WEBHOOK_KEYS"],  # type: ignore[arg-type]
        confirm_webhooks=values["CONFIRM_WEBHOOKS"],  # type: ignore[arg-type]
        require_signature=values["REQUIRE_SIGNATURE"],  # type: ignore[arg-type]
        timeout=values["TIMEOUT"],  # type: ignore[arg-type]
        deadline=values["DEADLINE"],  # type: ignore[arg-type]
        checkout_hosts=values["CHECKOUT_HOSTS"],  # type: ignore[arg-type]
        shortfall_percent=values["SHORTFALL_PERCENT"],  # type: ignore[arg-type]
        enabled=values["ENABLED"],  # type: ignore[arg-type]
        customer_id_prefix=values["CUSTOMER_ID_PREFIX"],  # type: ignore[arg-type]
    )


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
