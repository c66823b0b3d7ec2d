"""The bell rings wherever Valkey is: over a unix socket, with a password, through TLS."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import ipaddress
import shutil
import ssl
import subprocess
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from backend.supervisor import valkey
from backend.supervisor.process import ChildSpec, start_arguments
from tests.backend.realtime.test_bus import ear


@pytest.fixture(scope="module")
def guarded() -> Generator[Path]:
    """The unix socket of a Valkey that asks for a password and has no port."""
    directory = Path("/tmp") / f"tripwarden-guarded-{uuid4().hex[:8]}"
    directory.mkdir()
    # As root the engine runs as a user of the system, and makes its socket here.
    directory.chmod(0o777)
    prepared = valkey.prepare(directory)
    spec: ChildSpec = prepared.spec()
    path = directory / "bell.sock"
    own = ["--port", "0", "--unixsocket", str(path), "--unixsocketperm", "777", "--requirepass", "secret"]
    spec = dataclasses.replace(spec, command=[*spec.command, *own])
    spec.prepare()
    command, options = start_arguments(spec)
    with (directory / "log").open("ab") as log:
        child = subprocess.Popen(command, stdout=log, stderr=log, **options)
    for _ in range(500):
        if path.exists():
            break
        time.sleep(0.01)
    yield path
    child.kill()
    child.wait()
    shutil.rmtree(directory)


async def test_it_rings_over_a_unix_socket_with_a_password(guarded: Path) -> None:
    url = f"unix://:secret@{guarded}"
    async with ear(url) as one, ear(url) as other:
        one.bus.ring((other.own,), b"ring")
        assert await other.hears(b"ring")


async def test_without_the_password_it_is_refused_and_tried_again(guarded: Path) -> None:
    async with ear(f"unix://{guarded}") as refused:
        assert not refused.bus.connected


def _certificate(directory: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    kind, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (directory / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, kind, plain))
    (directory / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "cert.pem", directory / "key.pem")
    return context


@asynccontextmanager
async def wrapped(redis_url: str, context: ssl.SSLContext) -> AsyncGenerator[int]:
    """The port of a TLS front of Valkey."""
    port = int(redis_url.rsplit(":", 1)[1].split("/")[0])

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.close()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(carry(reader, back), carry(there, writer))

    server = await asyncio.start_server(take, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def test_it_rings_through_tls_and_only_to_whom_the_certificate_names(redis_url: str, tmp_path: Path) -> None:
    async with wrapped(redis_url, _certificate(tmp_path)) as port:
        url = f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={tmp_path / 'cert.pem'}"
        async with ear(url) as one, ear(url) as other:
            one.bus.ring((other.own,), b"ring")
            assert await other.hears(b"ring")
        async with ear(f"rediss://127.0.0.1:{port}/0") as wary:
            assert not wary.bus.connected
