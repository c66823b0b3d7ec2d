"""One file a page; each has `show(desk)`."""

__all__: list[str] = []
