"""Apps that record or cache what changes in a shop, really installed: ``tox -e audit-apps``. Needs Redis."""
