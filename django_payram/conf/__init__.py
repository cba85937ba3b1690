"""The setting ``PAYRAM``: its options, its projects, and what ``manage.py check`` says of them."""

from __future__ import annotations

from django_payram.conf.options import LOCAL_HOSTS, Project, is_local
from django_payram.conf.projects import (
    DEFAULT_PROJECT,
    SETTING,
    SHORTEST_KEY,
    Problem,
    all_keys,
    names,
    problems,
    project,
    projects,
)

__all__ = [
    "DEFAULT_PROJECT",
    "LOCAL_HOSTS",
    "SETTING",
    "SHORTEST_KEY",
    "Problem",
    "Project",
    "all_keys",
    "is_local",
    "names",
    "problems",
    "project",
    "projects",
]
