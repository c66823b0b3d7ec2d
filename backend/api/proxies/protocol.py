"""uvicorn's two protocols, made to know the client behind a proxy: `scope["client"]` is then the client everywhere."""

from __future__ import annotations

from typing import Any, cast

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from backend.api.proxies.header import HeaderError, read_header
from backend.api.proxies.trust import Trust
from backend.settings import ApiSettings

log = structlog.get_logger()


class ProxiedHttp(HttpToolsProtocol):
    """Outermost: it takes the PROXY header away before anybody counts or reads a byte."""

    trust: Trust
    proxy_protocol = False
    #: What has come of a PROXY header that is not whole; None when none is awaited.
    _header: bytes | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        # A trusted proxy has to say it: were it optional, its clients could say it in its stead.
        if self.proxy_protocol and self.client is not None and self.trust.holds(self.client[0]):
            self._header = b""

    def data_received(self, data: bytes) -> None:
        if self._header is not None and not self.transport.is_closing():
            data = self._take_header(self._header + data)
        if data and not self.transport.is_closing():
            super().data_received(data)

    def _take_header(self, data: bytes) -> bytes:
        """What follows the header; nothing while it is not whole, or when the connection had to be closed."""
        try:
            source = read_header(data)
        except HeaderError as error:
            log.warning("proxy.header_refused", peer=(self.client or ("?",))[0], error=str(error))
            self._header = b""
            self.transport.close()
            return b""
        if source is None:
            self._header = data
            return b""
        self._header = None
        if source.address is not None:
            self.client = (source.address, source.port)
        return data[source.size :]

    def on_headers_complete(self) -> None:
        if self.client is not None:
            address = self.trust.client_of(self.client[0], self.scope["headers"])
            if address != self.client[0]:
                self.scope["client"] = (address, 0)
        super().on_headers_complete()


class ProxiedSocket(WebSocketsSansIOProtocol):
    """The client of a socket is the client of the request that asked for it."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        before = transport.get_protocol()
        if isinstance(before, ProxiedHttp):
            self.client = before.scope["client"]


def behind_proxies(
    api: ApiSettings, http: type[HttpToolsProtocol], socket: type[WebSocketsSansIOProtocol]
) -> tuple[type[HttpToolsProtocol], type[WebSocketsSansIOProtocol]]:
    """Both protocols for an api behind the proxies of its settings; as they are where it stands alone."""
    if not api.trusted_proxies:
        return http, socket
    own = {"trust": Trust(api.trusted_proxies), "proxy_protocol": api.proxy_protocol}
    proxied = type(http.__name__, (ProxiedHttp, http), own)
    return cast("Any", proxied), cast("Any", type(socket.__name__, (ProxiedSocket, socket), {}))
