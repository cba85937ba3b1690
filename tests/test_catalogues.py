"""The catalogues of translations: whole, well formed, and with the placeholders of the originals."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import django
import polib
import pytest
from django.conf import locale as known
from django.utils.translation import to_locale

import django_payram

LOCALE = Path(django_payram.__file__).parent / "locale"

WHOLE = {"de", "fr", "es", "pt_BR", "it", "nl", "pl", "tr"}
"""Languages of the admin and of errors as well."""
CUSTOMERS = {"uk", "ru", "ar", "fa", "he", "hi", "ja", "ko", "zh_Hans", "zh_Hant", "vi", "id"}
"""Languages of the pages for customers."""

CUSTOMERS_FILES = re.compile(
    r"templates/django_payram/(?!review_mail)|templatetags/payram\.py|views/|models/states\.py|"
    r"contrib/oscar/templates/(oscar/|payram_oscar/(?!dashboard))"
)
PERCENT = re.compile(r"%\([a-z_]+\)[sd]|%[sd%]")


def catalogue(language):
    return polib.pofile(str(LOCALE / language / "LC_MESSAGES" / "django.po"))


def is_for_customers(entry):
    return any(CUSTOMERS_FILES.match(file) for file, _line in entry.occurrences)


def due(language):
    """Return the entries that the language must have."""
    return [entry for entry in catalogue(language) if language in WHOLE or is_for_customers(entry)]


def texts(entry):
    return list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]


def placeholders(text):
    braces = [name for _before, name, _form, _conversion in Formatter().parse(text.replace("%", "%%")) if name]
    return sorted([*PERCENT.findall(text), *braces])


def languages():
    return sorted(WHOLE | CUSTOMERS)


def test_these_are_the_languages():
    assert {path.name for path in LOCALE.iterdir()} == WHOLE | CUSTOMERS
    assert {to_locale(code) for code in known.LANG_INFO} >= WHOLE | CUSTOMERS


@pytest.mark.parametrize("language", languages())
def test_nothing_is_missing_or_in_doubt(language):
    """F98."""
    missing = [entry.msgid for entry in due(language) if not all(texts(entry))]
    assert missing == []
    assert [entry.msgid for entry in catalogue(language) if entry.fuzzy or entry.obsolete] == []


@pytest.mark.parametrize("language", languages())
def test_placeholders_are_those_of_the_original(language):
    for entry in catalogue(language):
        allowed = [placeholders(entry.msgid), placeholders(entry.msgid_plural or entry.msgid)]
        for text in filter(None, texts(entry)):
            # One of a plural may say "one" in a word instead of the number.
            numberless = [[name for name in names if name not in ("%(count)d", "%(count)s")] for names in allowed]
            assert placeholders(text) in [*allowed, *(numberless if entry.msgid_plural else [])], (entry.msgid, text)


@pytest.mark.parametrize("language", languages())
def test_a_plural_has_every_form_of_the_language(language):
    found = catalogue(language)
    count = int(re.search(r"nplurals=(\d)", found.metadata["Plural-Forms"])[1])
    assert all(len(entry.msgstr_plural) == count for entry in found if entry.msgid_plural)


@pytest.mark.parametrize("language", languages())
def test_white_space_and_line_ends_around_a_text_are_those_of_the_original(language):
    for entry in catalogue(language):
        for text in filter(None, texts(entry)):
            assert text[:1].isspace() == entry.msgid[:1].isspace(), entry.msgid
            assert text[-1:].isspace() == entry.msgid[-1:].isspace(), entry.msgid


@pytest.mark.parametrize("language", languages())
def test_the_compiled_catalogue_is_that_of_the_text(language):
    compiled = polib.mofile(str(LOCALE / language / "LC_MESSAGES" / "django.mo"))
    found = {(entry.msgctxt, entry.msgid): texts(entry) for entry in compiled}
    assert found == {(entry.msgctxt, entry.msgid): texts(entry) for entry in catalogue(language).translated_entries()}


@pytest.mark.parametrize("language", languages())
def test_a_page_says_its_language_and_direction(language):
    said = {entry.msgctxt: entry.msgstr for entry in catalogue(language) if entry.msgctxt}
    assert said["code of the language of this catalogue"] == language.replace("_", "-")
    direction = "rtl" if language in {"ar", "fa", "he"} else "ltr"
    assert said["direction of the language of this catalogue: ltr or rtl"] == direction


@pytest.mark.parametrize("language", languages())
def test_no_text_of_djangos_gets_another_translation(language):
    """An app's catalogue is asked before Django's own, for every page of the shop."""
    ours = {(entry.msgctxt, entry.msgid): entry.msgstr for entry in catalogue(language) if entry.msgstr}
    folder = Path(django.__file__).parent
    for path in folder.glob(f"**/locale/{language}/LC_MESSAGES/django.po"):
        for entry in polib.pofile(str(path)):
            translated = ours.get((entry.msgctxt, entry.msgid))
            if translated and entry.msgstr and not entry.fuzzy:
                assert translated == entry.msgstr, (path.relative_to(folder), entry.msgid)
