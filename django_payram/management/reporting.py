"""How a long command tells what it does: lines and a progress bar for a person, JSON on request."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.core.management.base import BaseCommand


class Reporter:
    """Writes one line for each thing that is done. On a terminal a progress bar shows how far the command is.

    ``total`` returns how many ``unit`` there are; it is called only where a bar shows it.
    """

    def __init__(
        self, command: BaseCommand, *, as_json: bool, unit: str, total: Callable[[], int | None] = lambda: None
    ) -> None:
        self._out, self._as_json = command.stdout, as_json
        on_terminal = sys.stderr.isatty() and not as_json
        self._bar = tqdm(total=total() if on_terminal else None, unit=unit, disable=not on_terminal, leave=False)

    def advance(self, number: int = 1) -> int:
        """Move the progress bar by so many, and return the number."""
        self._bar.update(number)
        return number

    def line(self, text: str, **facts: Any) -> None:
        """Write a line: the text, if there is any, or the facts as a JSON object."""
        if self._as_json:
            text = json.dumps(facts)
        if text:
            self._bar.clear()
            self._out.write(text)
            # A reader at the other end of a pipe sees what happens, not what happened an hour ago.
            self._out.flush()

    def close(self, text: str, **facts: Any) -> None:
        """Write the last line, with the sums."""
        self._bar.close()
        self.line(text, **facts)
