"""Tokens checked against the keys of an identity provider, over real HTTP."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from backend.accounts import tokens as module
from backend.accounts.keyfile import check_private, write_private
from backend.accounts.tokens import TokenService, subject_id
from backend.clock import MovableClock
from backend.errors import ProblemError
from backend.settings import SettingError, load


class Provider:
    """An identity provider: signs with RSA, serves its public key, counts who asks."""

    def __init__(self) -> None:
        self.key: RSAPrivateKey = generate_private_key(65537, 2048)
        self.asked, self.slow_s = 0, 0.0
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked += 1
                time.sleep(provider.slow_s)
                public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(provider.key.public_key()))
                body = json.dumps({"keys": [{**public, "kid": "one", "use": "sig", "alg": "RS256"}]}).encode()
                self.send_response(200)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/jwks.json"

    def token(self, *, kid: str = "one", key: RSAPrivateKey | None = None, **claims: Any) -> str:
        """A token of this provider, or of somebody who would like to be it."""
        now = datetime.now(UTC)
        body = {"sub": str(uuid4()), "role": "driver", "aud": "rides", "iss": "https://id.example", "iat": now}
        body |= {"exp": now + timedelta(hours=1)} | claims
        return jwt.encode(body, key or self.key, "RS256", headers={"kid": kid})


@pytest.fixture
def provider() -> Generator[Provider]:
    made = Provider()
    thread = threading.Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()


def service(provider: Provider, directory: Path, algorithms: str = "RS256") -> TokenService:
    env = {
        "TRIPWARDEN_TOKEN_JWKS_URL": provider.url,
        "TRIPWARDEN_TOKEN_ALGORITHMS": algorithms,
        "TRIPWARDEN_TOKEN_AUDIENCE": "rides",
        "TRIPWARDEN_TOKEN_ISSUER": "https://id.example",
    }
    return TokenService.from_settings(load(env, data_dir=directory))


def test_a_token_of_the_provider_is_accepted_and_one_of_somebody_else_is_not(
    provider: Provider, tmp_path: Path
) -> None:
    tokens, sub = service(provider, tmp_path), uuid4()
    assert tokens.verify(provider.token(sub=str(sub))).id == sub
    for wrong in (
        provider.token(key=generate_private_key(65537, 2048)),
        provider.token(aud="other"),
        provider.token(iss="https://evil.example"),
        provider.token(kid="two"),
    ):
        with pytest.raises(ProblemError, match="not_authenticated"):
            tokens.verify(wrong)


def test_an_algorithm_that_is_not_on_the_list_is_refused(provider: Provider, tmp_path: Path) -> None:
    with pytest.raises(ProblemError, match="not_authenticated"):
        service(provider, tmp_path, "ES256").verify(provider.token())


def test_invented_key_ids_do_not_make_us_ask_the_provider_each_time(provider: Provider, tmp_path: Path) -> None:
    tokens = service(provider, tmp_path)
    for number in range(20):
        with pytest.raises(ProblemError):
            tokens.verify(provider.token(kid=f"invented-{number}"))
    assert provider.asked <= 2


def test_a_provider_that_is_away_is_unavailable_not_an_open_door(provider: Provider, tmp_path: Path) -> None:
    tokens, token = service(provider, tmp_path), provider.token()
    provider.server.server_close()
    with pytest.raises(ProblemError, match="unavailable"):
        tokens.verify(token)


def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "token.pem"
    write_private(path, b"secret")
    assert path.stat().st_mode & 0o777 == 0o600
    check_private(path)
    path.chmod(0o644)
    with pytest.raises(SettingError, match="can be read by others"):
        check_private(path)


def test_a_subject_that_is_no_uuid_is_always_the_same_one() -> None:
    assert subject_id("dispatcher") == subject_id("dispatcher") != subject_id("Dispatcher")
    known = uuid4()
    assert subject_id(str(known)) == known


def test_a_provider_that_goes_away_later_locks_nobody_out_and_holds_nobody_up(
    provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = service(provider, tmp_path)
    tokens.verify(provider.token())
    monkeypatch.setattr(module, "KEEP_S", -1.0)
    monkeypatch.setattr(module, "LOOK_AGAIN_S", -1.0)
    monkeypatch.setattr(module, "AWAY_AGAIN_S", -1.0)
    provider.slow_s = 3.0
    started = time.monotonic()
    tokens.verify(provider.token())
    assert time.monotonic() - started < 0.25, "a known key waits for nobody"
    with pytest.raises(ProblemError, match="unavailable"):
        tokens.verify(provider.token(kid="two"))
    assert time.monotonic() - started < 1.0


class Counting:
    """Keys that count how often a signature is checked with them."""

    def __init__(self, public: Any) -> None:
        self.public, self.asked = public, 0

    def key_for(self, token: str) -> Any:
        self.asked += 1
        return self.public


def test_a_signature_is_checked_once_and_the_end_of_a_token_every_time() -> None:
    clock, own = MovableClock(datetime.now(UTC)), Ed25519PrivateKey.generate()
    keys = Counting(own.public_key())
    service = TokenService(
        signing_key=own, keys=keys, algorithms=("EdDSA",), audience="rides", issuer="us", clock=clock
    )
    token = service.mint("driver", uuid4(), ttl_s=60)
    assert service.known(token) is None
    assert len({service.verify(token) for _ in range(50)}) == 1
    assert keys.asked == 1
    clock.move(timedelta(seconds=61))
    with pytest.raises(ProblemError) as refused:
        service.verify(token)
    assert (refused.value.code, service.known(token)) == ("token_expired", None)
    forged = token[:-6] + ("AAAAAA" if token[-6:] != "AAAAAA" else "BBBBBB")
    for _ in range(2):
        with pytest.raises(ProblemError, match="not_authenticated"):
            service.verify(forged)
    assert keys.asked == 3, "what was refused is not remembered"
