"""Settings: read from the environment, then validated into frozen groups. A wrong one stops the start.

Order of precedence: the environment, then what `tripwarden up` wrote about its embedded engines into
`<data dir>/runtime.json`, then the default.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, cast

from backend.errors import ProblemError

PREFIX = "TRIPWARDEN_"


class SettingError(ProblemError):
    """A setting that is wrong: its name, its fault and what would be right."""

    def __init__(self, name: str, fault: str, right: str) -> None:
        self.name, self.fault, self.right = name, fault, right
        super().__init__("setting_invalid", f"{name}: {fault}. Right would be: {right}.")


def default_data_dir() -> Path:
    """`/var/lib/tripwarden` as root (its parents are open to all), else `~/.local/share/tripwarden`."""
    if os.geteuid() == 0:
        return Path("/var/lib/tripwarden")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "tripwarden"


@dataclass(frozen=True, kw_only=True)
class Spec:
    """One setting: how to read it, what it means, whether it is a secret."""

    read: Callable[[str], Any]
    right: str
    doc: str
    secret: bool = False


def _integer(low: int, high: int) -> Callable[[str], int]:
    def read(raw: str) -> int:
        value = int(raw)
        if not low <= value <= high:
            raise ValueError
        return value

    return read


def _number(low: float, high: float) -> Callable[[str], float]:
    def read(raw: str) -> float:
        value = float(raw)
        if not low <= value <= high:
            raise ValueError
        return value

    return read


def _flag(raw: str) -> bool:
    return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[raw.lower()]


def _url(*schemes: str) -> Callable[[str], str]:
    def read(raw: str) -> str:
        if not raw or raw.split("://", 1)[0] not in schemes or "://" not in raw:
            raise ValueError
        return raw

    return read


def _words(raw: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in raw.split(",") if part.strip())


def _setting(default: Any, read: Callable[[str], Any], right: str, doc: str, *, secret: bool = False) -> Any:
    spec = Spec(read=read, right=right, doc=doc, secret=secret)
    if callable(default):
        return field(default_factory=default, metadata={"spec": spec})
    return field(default=default, metadata={"spec": spec})


def _count(default: int, low: int, high: int, doc: str) -> int:
    return cast("int", _setting(default, _integer(low, high), f"a whole number from {low} to {high}", doc))


def _amount(default: float, low: float, high: float, doc: str) -> float:
    return cast("float", _setting(default, _number(low, high), f"a number from {low} to {high}", doc))


def _text(default: str, doc: str, *, secret: bool = False) -> str:
    return cast("str", _setting(default, str, "a text", doc, secret=secret))


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """Where this installation keeps its files."""

    dir: Path = _setting(
        default_data_dir, Path, "a directory", "Data directory: keys, embedded engines, media."
    )


@dataclass(frozen=True, kw_only=True)
class DatabaseSettings:
    """PostgreSQL. Unset: `tripwarden up` starts an embedded one."""

    url: str = _setting(
        "",
        _url("postgresql", "postgres"),
        "postgresql://user:password@host:port/name",
        "PostgreSQL to use.",
        secret=True,
    )
    pool_size: int = _count(
        8, 1, 200, "Connections a process keeps to PostgreSQL for sends, and again for the rest."
    )
    statement_timeout_ms: int = _count(10_000, 100, 600_000, "A statement that takes longer is cancelled.")


@dataclass(frozen=True, kw_only=True)
class RedisSettings:
    """Valkey or Redis. Unset: `tripwarden up` starts an embedded one."""

    url: str = _setting(
        "", _url("redis", "rediss", "unix"), "redis://host:port/0", "Valkey or Redis to use.", secret=True
    )


@dataclass(frozen=True, kw_only=True)
class ApiSettings:
    """The HTTP and WebSocket edge."""

    host: str = _text("127.0.0.1", "Address that the api listens on.")
    port: int = _count(8000, 0, 65535, "Port that the api listens on.")
    public_url: str = _setting(
        "", _url("http", "https"), "https://chat.example.com", "How providers reach the api for callbacks."
    )
    max_body_bytes: int = _count(256 * 1024, 1024, 64 * 1024 * 1024, "Largest body of a JSON call.")


@dataclass(frozen=True, kw_only=True)
class TokenSettings:
    """Who may call: JSON Web Tokens, signed with a key file of ours or checked against a JWKS."""

    key_file: str = _text(
        "", "Ed25519 key (PEM) that signs and checks tokens; default: one is made in the data directory."
    )
    jwks_url: str = _setting(
        "",
        _url("http", "https"),
        "https://id.example.com/jwks.json",
        "Check tokens against this JWKS instead.",
    )
    algorithms: tuple[str, ...] = _setting(
        ("EdDSA",), _words, "EdDSA,ES256", "Signature algorithms that are accepted."
    )
    audience: str = _text("tripwarden", "The `aud` that a token must carry.")
    issuer: str = _text("tripwarden", "The `iss` that a token must carry.")


@dataclass(frozen=True, kw_only=True)
class KeySettings:
    """Keys for content at rest."""

    root_file: str = _text(
        "", "Root key that wraps the key-encryption keys (0600); default: one is made in the data directory."
    )


@dataclass(frozen=True, kw_only=True)
class ChatSettings:
    """Rules of the trip chat."""

    closing_grace_s: int = _count(900, 0, 86_400, "Writing stays open this long after the end of a trip.")
    content_max_chars: int = _count(2_000, 1, 20_000, "Longest message, in code points.")


@dataclass(frozen=True, kw_only=True)
class LimitSettings:
    """Rates and sizes that protect the service."""

    messages_per_s: float = _amount(10, 0.1, 10_000, "Messages a second of one user, sustained.")
    messages_burst: int = _count(20, 1, 10_000, "Messages of one user at once.")
    requests_per_s: float = _amount(50, 1, 100_000, "Requests a second of one address, sustained.")
    requests_per_s_loopback: float = _amount(
        2_000, 1, 100_000, "Requests a second of a loopback address, sustained."
    )
    sockets_per_user: int = _count(10, 1, 1_000, "Open sockets of one user.")
    socket_queue_bytes: int = _count(
        256 * 1024, 4096, 16 * 1024 * 1024, "Frames that may wait for one slow client, in bytes."
    )
    socket_queue_frames: int = _count(512, 8, 100_000, "Frames that may wait for one slow client.")
    frame_bytes: int = _count(64 * 1024, 1024, 1024 * 1024, "Largest frame that a client may send.")


@dataclass(frozen=True, kw_only=True)
class TwilioSettings:
    """The telephone. Without an account `tripwarden up` starts a simulator that behaves like it."""

    account_sid: str = _text("", "Twilio account (AC...).")
    auth_token: str = _text("", "Its auth token.", secret=True)
    auth_token_next: str = _text("", "The second auth token while tokens are rotated.", secret=True)
    from_number: str = _text("", "Number that calls and texts come from, E.164.")
    api_base: str = _setting(
        "", _url("http", "https"), "http://127.0.0.1:9100", "Where the Twilio API is, if not at Twilio."
    )


@dataclass(frozen=True, kw_only=True)
class ConsoleSettings:
    """The console's process."""

    port: int = _count(8501, 0, 65535, "Port that the console listens on.")
    api_url: str = _setting(
        "", _url("http", "https"), "http://127.0.0.1:8000", "Where the console finds the api."
    )


@dataclass(frozen=True, kw_only=True)
class ModerationSettings:
    """The judge."""

    policy_file: str = _text("", "Policy (TOML) instead of the shipped one.")
    models_dir: str = _text(
        "", "Directory with optional second-opinion models; default: `models` in the data directory."
    )


@dataclass(frozen=True, kw_only=True)
class AuditSettings:
    """The log that cannot be rewritten unnoticed."""

    origin: str = _text("tripwarden.local/audit", "Origin line of checkpoints: names this log to the world.")
    key_file: str = _text(
        "", "Ed25519 key that signs checkpoints; default: one is made in the data directory."
    )
    interval_ms: int = _count(150, 20, 60_000, "How often waiting entries are sequenced.")


@dataclass(frozen=True, kw_only=True)
class LogSettings:
    """What the processes say."""

    level: str = _setting(
        "info",
        lambda raw: {"debug": "debug", "info": "info", "warning": "warning", "error": "error"}[raw.lower()],
        "debug, info, warning or error",
        "Least severity that is written.",
    )
    json: bool = _setting(True, _flag, "true or false", "One JSON object a line; false: for the eye.")


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
    console: ConsoleSettings = field(default_factory=ConsoleSettings)
    moderation: ModerationSettings = field(default_factory=ModerationSettings)
    audit: AuditSettings = field(default_factory=AuditSettings)
    log: LogSettings = field(default_factory=LogSettings)


def describe() -> list[tuple[str, str, Spec]]:
    """Every setting as (environment name, key in `settings --json`, spec), in order."""
    rows: list[tuple[str, str, Spec]] = []
    for group in fields(Settings):
        for item in fields(cast("Any", group.default_factory)):
            key = f"{group.name}_{item.name}"
            rows.append((PREFIX + key.upper(), key, item.metadata["spec"]))
    return rows


def load(env: Mapping[str, str] | None = None, *, data_dir: Path | None = None) -> Settings:
    """Read and validate all settings. Raises `SettingError` for the first that is wrong."""
    env = os.environ if env is None else env
    known = {name for name, _, _ in describe()}
    for name in env:
        if name.startswith(PREFIX) and name not in known:
            raise SettingError(
                name, "there is no such setting", "one of those that `tripwarden settings` lists"
            )
    where = data_dir or Path(env.get(PREFIX + "DATA_DIR") or default_data_dir())
    values = {
        **_runtime(where),
        **{n: v for n, v in env.items() if n in known and v != ""},
        PREFIX + "DATA_DIR": str(where),
    }
    groups = {
        group.name: _group(group.name, cast("Any", group.default_factory), values) for group in fields(Settings)
    }
    settings = Settings(**groups)
    _check_groups(settings)
    return settings


def _runtime(data_dir: Path) -> dict[str, str]:
    """What a running `tripwarden up` says of its engines; empty when it does not run here."""
    path = data_dir / "runtime.json"
    try:
        return {
            PREFIX + key.upper(): str(value)
            for key, value in json.loads(path.read_text())["settings"].items()
        }
    except (FileNotFoundError, PermissionError):
        return {}
    except (ValueError, KeyError, TypeError) as error:
        raise SettingError(
            str(path), f"cannot be read ({error})", "a file that `tripwarden up` wrote; remove it"
        ) from error


def _group(name: str, kind: Any, values: Mapping[str, str]) -> Any:
    chosen: dict[str, Any] = {}
    for item in fields(kind):
        env_name = PREFIX + f"{name}_{item.name}".upper()
        if env_name not in values:
            continue
        spec: Spec = item.metadata["spec"]
        try:
            chosen[item.name] = spec.read(values[env_name])
        except (ValueError, KeyError) as error:
            shown = "the given value" if spec.secret else repr(values[env_name])
            raise SettingError(env_name, f"{shown} is not right", spec.right) from error
    return kind(**chosen)


def _check_groups(settings: Settings) -> None:
    """A half-configured group is an error at start, not at the first emergency."""
    twilio = settings.twilio
    needed = {
        "ACCOUNT_SID": twilio.account_sid,
        "AUTH_TOKEN": twilio.auth_token,
        "FROM_NUMBER": twilio.from_number,
    }
    if any(needed.values()):
        for name, value in needed.items():
            if not value:
                raise SettingError(
                    f"{PREFIX}TWILIO_{name}",
                    "is missing while others of its group are set",
                    "all three or none",
                )
    allowed = {"EdDSA", "ES256", "ES384", "RS256", "PS256", "HS256"}
    if not settings.token.algorithms or not set(settings.token.algorithms) <= allowed:
        raise SettingError(
            f"{PREFIX}TOKEN_ALGORITHMS", "names an algorithm that is not accepted", ", ".join(sorted(allowed))
        )


def flat(settings: Settings, *, show_secrets: bool = False) -> dict[str, Any]:
    """The effective settings by their keys, as `tripwarden settings --json` prints them."""
    shown: dict[str, Any] = {}
    for group in fields(Settings):
        value = getattr(settings, group.name)
        for item in fields(value):
            raw = getattr(value, item.name)
            hidden = item.metadata["spec"].secret and raw and not show_secrets
            shown[f"{group.name}_{item.name}"] = (
                "***" if hidden else str(raw) if isinstance(raw, Path) else raw
            )
    return shown
