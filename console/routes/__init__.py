"""Routes of the console's own origin: sign-in, the alarm feed, two small scripts."""

__all__: list[str] = []
