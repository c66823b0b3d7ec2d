"""`tripwarden`: one script, a verb for everything. Each verb is imported only when it is called."""

from backend.cli.entry import main

__all__ = ["main"]
