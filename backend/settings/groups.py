"""The settings of the product, in frozen groups. `TRIPWARDEN_` + group + name is the environment variable."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from backend.settings.spec import amount, as_flag, as_networks, as_url, as_words, count, setting, text


def default_data_dir() -> Path:
    """`/var/lib/tripwarden` as root (its parents are open to all), else `~/.local/share/tripwarden`."""
    if os.geteuid() == 0:
        return Path("/var/lib/tripwarden")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "tripwarden"


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """Where this installation keeps its files."""

    dir: Path = setting(default_data_dir, Path, "a directory", "Data directory: keys, embedded engines, media.")


#: Connections beyond its size that SQLAlchemy's pool may open for a moment.
POOL_OVERFLOW = 4


@dataclass(frozen=True, kw_only=True)
class DatabaseSettings:
    """PostgreSQL. Unset: `tripwarden up` starts an embedded one."""

    url: str = setting(
        "",
        as_url("postgresql", "postgres"),
        "postgresql://user:password@host:port/name",
        "PostgreSQL to use.",
        secret=True,
    )
    pool_size: int = count(8, 1, 200, "Connections a process keeps to PostgreSQL for sends, and again for the rest.")
    send_lanes: int = count(1, 1, 32, "Connections on which an api process stores messages, several in one commit.")
    send_gather_ms: int = count(
        5, 0, 100, "Least time between two commits of a send lane: under load several messages share one."
    )
    statement_timeout_ms: int = count(10_000, 100, 600_000, "A statement that takes longer is cancelled.")

    @property
    def most_connections(self) -> int:
        """What one process may open: both pools, what the second may add for a moment, the lanes."""
        return 2 * self.pool_size + POOL_OVERFLOW + self.send_lanes


@dataclass(frozen=True, kw_only=True)
class RedisSettings:
    """Valkey or Redis. Unset: `tripwarden up` starts an embedded one."""

    url: str = setting(
        "", as_url("redis", "rediss", "unix"), "redis://host:port/0", "Valkey or Redis to use.", secret=True
    )


@dataclass(frozen=True, kw_only=True)
class ApiSettings:
    """The HTTP and WebSocket edge."""

    host: str = text("127.0.0.1", "Address that the api listens on.")
    port: int = count(8000, 0, 65535, "Port that the api listens on.")
    public_url: str = setting(
        "", as_url("http", "https"), "https://chat.example.com", "How providers reach the api for callbacks."
    )
    max_body_bytes: int = count(256 * 1024, 1024, 64 * 1024 * 1024, "Largest body of a JSON call.")
    trusted_proxies: tuple[str, ...] = setting(
        (),
        as_networks,
        "10.0.0.0/8,192.0.2.7",
        "Balancers: networks whose word on a client's address counts.",
    )
    proxy_protocol: bool = setting(
        False, as_flag, "true or false", "Connections of trusted proxies begin with a PROXY header, v1 or v2."
    )


@dataclass(frozen=True, kw_only=True)
class TokenSettings:
    """Who may call: JSON Web Tokens, signed with a key file of ours or checked against a JWKS."""

    key_file: str = text(
        "", "Ed25519 key (PEM) that signs and checks tokens; default: one is made in the data directory."
    )
    jwks_url: str = setting(
        "",
        as_url("http", "https"),
        "https://id.example.com/jwks.json",
        "Check tokens against this JWKS instead.",
    )
    algorithms: tuple[str, ...] = setting(
        ("EdDSA",), as_words, "EdDSA,ES256", "Signature algorithms that are accepted."
    )
    audience: str = text("tripwarden", "The `aud` that a token must carry.")
    issuer: str = text("tripwarden", "The `iss` that a token must carry.")


@dataclass(frozen=True, kw_only=True)
class KeySettings:
    """Keys for content at rest."""

    root_file: str = text(
        "", "Root key that wraps the key-encryption keys (0600); default: one is made in the data directory."
    )


@dataclass(frozen=True, kw_only=True)
class ChatSettings:
    """Rules of the trip chat."""

    closing_grace_s: int = count(900, 0, 86_400, "Writing stays open this long after the end of a trip.")
    content_max_chars: int = count(2_000, 1, 20_000, "Longest message, in code points.")


@dataclass(frozen=True, kw_only=True)
class LimitSettings:
    """Rates and sizes that protect the service."""

    messages_per_s: float = amount(10, 0.1, 10_000, "Messages a second of one user, sustained.")
    messages_burst: int = count(20, 1, 10_000, "Messages of one user at once.")
    trip_messages_per_s: float = amount(20, 0.1, 10_000, "Messages a second of one trip, sustained.")
    trip_messages_burst: int = count(60, 1, 10_000, "Messages of one trip at once.")
    joins_per_s: float = amount(2, 0.1, 10_000, "Sockets that one user joins a second, sustained.")
    joins_burst: int = count(30, 1, 10_000, "Sockets that one user joins at once.")
    requests_per_s: float = amount(50, 1, 100_000, "Requests a second of one address, sustained.")
    requests_per_s_loopback: float = amount(2_000, 1, 100_000, "Requests a second of a loopback address, sustained.")
    sockets_per_user: int = count(10, 1, 1_000, "Open sockets of one user, over all api processes.")
    socket_queue_bytes: int = count(
        256 * 1024, 4096, 16 * 1024 * 1024, "Frames that may wait for one slow client, in bytes."
    )
    socket_queue_frames: int = count(512, 8, 100_000, "Frames that may wait for one slow client.")
    frame_bytes: int = count(64 * 1024, 1024, 1024 * 1024, "Largest frame that a client may send.")


@dataclass(frozen=True, kw_only=True)
class TwilioSettings:
    """The telephone. Without an account `tripwarden up` starts a simulator that behaves like it."""

    account_sid: str = text("", "Twilio account (AC...).")
    auth_token: str = text("", "Its auth token.", secret=True)
    auth_token_next: str = text("", "The second auth token while tokens are rotated.", secret=True)
    from_number: str = text("", "Number that calls and texts come from, E.164.")
    api_base: str = setting(
        "", as_url("http", "https"), "http://127.0.0.1:9100", "Where the Twilio API is, if not at Twilio."
    )


@dataclass(frozen=True, kw_only=True)
class PushSettings:
    """Push through Firebase Cloud Messaging. Without a credentials file nothing is pushed."""

    credentials_file: str = text("", "JSON key file of the service account of a Firebase project; unset: no push.")
    api_base: str = setting(
        "", as_url("http", "https"), "http://127.0.0.1:9100/fcm", "Where the FCM API is, if not at Google."
    )
    token_url: str = setting(
        "",
        as_url("http", "https"),
        "http://127.0.0.1:9100/fcm/token",
        "Where access tokens come from; default: the `token_uri` of the credentials file.",
    )
    ttl_s: int = count(600, 10, 86_400, "Nobody wants to hear of a message so long after it was sent.")


@dataclass(frozen=True, kw_only=True)
class ConsoleSettings:
    """The console's process."""

    port: int = count(8501, 0, 65535, "Port that the console listens on.")
    api_url: str = setting("", as_url("http", "https"), "http://127.0.0.1:8000", "Where the console finds the api.")
    cookie: str = text("tripwarden_session", "Name of the cookie that keeps a person signed in.")
    secure_cookie: bool = setting(
        False, as_flag, "true or false", "Send that cookie over HTTPS only; true wherever HTTPS is."
    )


@dataclass(frozen=True, kw_only=True)
class ModerationSettings:
    """The judge."""

    policy_file: str = text("", "Policy (TOML) instead of the shipped one.")
    models_dir: str = text(
        "", "Directory with optional second-opinion models; default: `models` in the data directory."
    )


@dataclass(frozen=True, kw_only=True)
class AuditSettings:
    """The log that cannot be rewritten unnoticed."""

    origin: str = text("tripwarden.local/audit", "Origin line of checkpoints: names this log to the world.")
    key_file: str = text("", "Ed25519 key that signs checkpoints; default: one is made in the data directory.")
    interval_ms: int = count(300, 20, 60_000, "How often waiting entries are sequenced.")


@dataclass(frozen=True, kw_only=True)
class LogSettings:
    """What the processes say."""

    level: str = setting(
        "info",
        lambda raw: {"debug": "debug", "info": "info", "warning": "warning", "error": "error"}[raw.lower()],
        "debug, info, warning or error",
        "Least severity that is written.",
    )
    json: bool = setting(True, as_flag, "true or false", "One JSON object a line; false: for the eye.")
    process: str = text("", "Name of this process in its lines; default: its verb.")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All groups. Build it with `load`."""

    data: DataSettings = field(default_factory=DataSettings)
    database: DatabaseSettings = field(default_factory=DatabaseSettings)
    redis: RedisSettings = field(default_factory=RedisSettings)
    api: ApiSettings = field(default_factory=ApiSettings)
    token: TokenSettings = field(default_factory=TokenSettings)
    key: KeySettings = field(default_factory=KeySettings)
    chat: ChatSettings = field(default_factory=ChatSettings)
    limit: LimitSettings = field(default_factory=LimitSettings)
    twilio: TwilioSettings = field(default_factory=TwilioSettings)
    push: PushSettings = field(default_factory=PushSettings)
    console: ConsoleSettings = field(default_factory=ConsoleSettings)
    moderation: ModerationSettings = field(default_factory=ModerationSettings)
    audit: AuditSettings = field(default_factory=AuditSettings)
    log: LogSettings = field(default_factory=LogSettings)
