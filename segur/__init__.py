"""segur-sandbox: a sandbox of the French national health services a DUI must talk to."""

__version__ = "0.1.0"
