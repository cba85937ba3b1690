"""The code on the page for shops on django-oscar."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "oscar.rst"


def block(name):
    """Return the code of a block by its name."""
    found = re.search(rf"^   :name: {re.escape(name)}\n\n((?:   .*\n|\n)+)", PAGE.read_text(), re.MULTILINE)
    return textwrap.dedent(found[1]).strip()
