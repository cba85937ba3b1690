"""Crypto payments in a Django shop through its own PayRam server."""

__version__ = "0.1.0"
