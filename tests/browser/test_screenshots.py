"""The pictures of the README can be taken at any time."""

from __future__ import annotations

from tests.browser import screenshots


def test_both_pictures_are_taken_and_are_small(chromium, tmp_path):
    into = tmp_path / "images"
    into.mkdir()
    screenshots.take(chromium, tmp_path, into=into)
    sizes = {path.name: path.stat().st_size for path in into.iterdir()}
    assert set(sizes) == {path.name for path in screenshots.IMAGES.iterdir()} == {"status.png", "desk.png"}
    assert max(sizes.values()) < 60_000
