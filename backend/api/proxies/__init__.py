"""Behind a balancer: whose word on a client's address counts, for requests and sockets, over HTTP and plain TCP."""

from backend.api.proxies.header import HeaderError, Source, read_header
from backend.api.proxies.protocol import behind_proxies
from backend.api.proxies.trust import Trust

__all__ = ["HeaderError", "Source", "Trust", "behind_proxies", "read_header"]
