"""The options of a PayRam project. Each is one field of ``Project``: how it is read, its default, and its check."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from django.utils.module_loading import import_string

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Rates = Callable[[str], Decimal]

LONGEST_DEADLINE = 50
"""Seconds. A call must have ended before its attempt counts as crashed, or a second click makes a second link, and
before the claim ends on the payment that it asks about."""

LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


class Secret(str):
    """A key, or a signature made with it, that does not show itself: error reports print what frames hold."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'[key]'"


def sealed(setting: object) -> object:
    """Return the setting with secrets in the place of its keys. What is no dict is returned as it is."""
    if not isinstance(setting, dict):
        return setting
    return {name: _secret(value) if name in SECRET_OPTIONS else sealed(value) for name, value in setting.items()}


def _secret(value: object) -> object:
    if isinstance(value, str):
        return Secret(value)
    return [*map(_secret, value)] if isinstance(value, list | tuple) else value


def is_local(url: str) -> bool:
    """Return whether ``url`` points at this machine."""
    try:
        return urlsplit(url).hostname in LOCAL_HOSTS
    except ValueError:
        return False


MOST_TEXT = 200


# Each reader takes the value as written and returns it as used, or raises ValueError with what is allowed.


def _base_url(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be the address of your PayRam server, such as https://pay.example.com")
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError as exc:
        raise ValueError("is not a web address") from exc
    # The scheme in lower case only, as the checks look for it.
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
    return tuple(map(Secret, given))


def _api_keys(value: object) -> tuple[str, ...]:
    keys = _keys(value if value is not None else "")
    if not keys:
        raise ValueError("is an empty list, so PayRam cannot be asked")
    return keys


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be True or False")  # noqa: TRY004
    return value


def _number(value: object, allowed: str, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ValueError(f"must be a number {allowed}")
    return value


def _seconds(value: object, *, most: int = 600) -> float:
    return _number(value or -1, f"of seconds above 0 and up to {most}", 0, most)


def _deadline(value: object) -> float:
    return _seconds(value, most=LONGEST_DEADLINE)


def _timeout(value: object) -> tuple[float, float]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError("must be a pair of seconds: connect, read")
    return _seconds(value[0]), _seconds(value[1])


def _line(value: object) -> str:
    if not isinstance(value, str) or not value.isprintable() or len(value) > MOST_TEXT:
        raise ValueError(f"must be one line of text of at most {MOST_TEXT} characters")
    return value.strip()


def _shop_url(value: object) -> str:
    return _base_url(value) if value else ""


def _percent(value: object) -> float:
    return _number(value, "from 0 to 100", 0, 100)


def _dollars(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not Decimal(value).is_finite() or value < 0:
        raise ValueError("must be a number of US dollars from 0, an int or a Decimal")
    return Decimal(value)


def _rates(value: object) -> Rates | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError("must be the dotted path of a function, such as django_payram.rates.djmoney")  # noqa: TRY004
    try:
        rates = import_string(value)
    except ImportError as exc:
        raise ValueError(f"cannot be imported: {exc}") from exc
    if not callable(rates):
        raise ValueError("must name a function: currency code to US dollars per unit, a Decimal")  # noqa: TRY004
    return cast("Rates", rates)


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


def _option(read: Callable[[object], object], *, default: Any = MISSING, name: str = "", check: str = "E005") -> Any:
    """Declare an option: how it is read, its default, and the check that reports it.

    Its name in the setting is that of the field in capital letters, unless another one is given.
    """
    return field(default=default, repr=check != "E004", metadata={"read": read, "name": name, "check": check})


@dataclass(frozen=True)
class Project:
    """One PayRam project and how to deal with it. Keys are left out of its repr."""

    name: str
    base_url: str = _option(_base_url, check="E003")
    api_keys: tuple[str, ...] = _option(_api_keys, name="API_KEY", check="E004")
    """The first signs our own calls."""
    webhook_keys: tuple[str, ...] = _option(_keys, default=(), check="E004")
    confirm_webhooks: bool = _option(_flag, default=True)
    require_signature: bool = _option(_flag, default=False)
    timeout: tuple[float, float] = _option(_timeout, default=(5, 15))
    """Seconds to connect, seconds to read."""
    deadline: float = _option(_deadline, default=30)
    """Seconds for a whole call."""
    checkout_hosts: tuple[str, ...] = _option(_hosts, default=())
    shortfall_percent: float = _option(_percent, default=3)
    shortfall_usd: Decimal = _option(_dollars, default=Decimal(10))  # noqa: RUF009 - declares a field, as the others
    """The tolerance for what a filled payment may lack is the smaller of both."""
    rates: Rates | None = _option(_rates, default=None)  # noqa: RUF009 - declares a field, as the others
    """US dollars per unit of a currency, by its code."""
    enabled: bool = _option(_flag, default=True)
    allow_http: bool = _option(_flag, default=False)
    customer_id_prefix: str = _option(_prefix, default="")
    shop_name: str = _option(_line, default="")
    """What customers call the shop."""
    shop_url: str = _option(_shop_url, default="")
    """The address of the shop, such as ``https://shop.example.com``: for links where there is no request, in mails."""
    contact: str = _option(_line, default="")
    """Where customers ask: an e-mail address, a web address, or a telephone number."""

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


OPTIONS = MappingProxyType({one.metadata["name"] or one.name.upper(): one for one in fields(Project) if one.metadata})
"""The field of each option, by its name in the setting."""

SECRET_OPTIONS = frozenset(name for name, one in OPTIONS.items() if not one.repr)


def read_option(options: Mapping[str, object], name: str) -> Any:
    """Return an option's value as it is used. Raises ValueError with what is allowed."""
    declared = OPTIONS[name]
    default = None if declared.default is MISSING else declared.default
    return declared.metadata["read"](options.get(name, default))
