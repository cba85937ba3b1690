"""Oscar's checkout with PayRam as its way to pay: an app for the place of ``oscar.apps.checkout`` in INSTALLED_APPS."""
