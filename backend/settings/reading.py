"""Read, then validate. A wrong setting stops the start with its name, its fault and what would be right.

Order of precedence: the environment, then what `tripwarden up` wrote about its embedded engines into
`<data dir>/runtime.json`, then the default.
"""

from __future__ import annotations

import difflib
import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

from backend.settings.groups import Settings, default_data_dir
from backend.settings.spec import PREFIX, SettingError, Spec


def describe() -> list[tuple[str, str, Spec]]:
    """Every setting as (environment name, key in `settings --json`, spec), in order."""
    rows: list[tuple[str, str, Spec]] = []
    for group in fields(Settings):
        for item in fields(cast("Any", group.default_factory)):
            key = f"{group.name}_{item.name}"
            rows.append((PREFIX + key.upper(), key, item.metadata["spec"]))
    return rows


def load(env: Mapping[str, str] | None = None, *, data_dir: Path | None = None, with_runtime: bool = True) -> Settings:
    """Read and validate all settings. Raises `SettingError` for the first that is wrong.

    `with_runtime=False` leaves out what a running `tripwarden up` says of its engines. Names that are not known
    are ignored here; `unknown_settings` finds them.
    """
    env = os.environ if env is None else env
    known = {name for name, _, _ in describe()}
    where = (data_dir or Path(env.get(PREFIX + "DATA_DIR") or default_data_dir())).expanduser().absolute()
    values = {
        **(_runtime(where) if with_runtime else {}),
        **{name: value for name, value in env.items() if name in known and value != ""},
        PREFIX + "DATA_DIR": str(where),
    }
    groups = {group.name: _group(group.name, cast("Any", group.default_factory), values) for group in fields(Settings)}
    settings = Settings(**groups)
    _check_groups(settings)
    return settings


def unknown_settings(env: Mapping[str, str] | None = None) -> list[tuple[str, str | None]]:
    """Names in the environment that look like settings and are none, each with the nearest that is one."""
    env = os.environ if env is None else env
    known = {name.removeprefix(PREFIX): name for name, _, _ in describe()}
    strange = sorted(name for name in env if name.startswith(PREFIX) and name not in known.values())
    nearest = {name: difflib.get_close_matches(name.removeprefix(PREFIX), known, 1) for name in strange}
    return [(name, known[near[0]] if near else None) for name, near in nearest.items()]


def is_running(data_dir: Path) -> bool:
    """Whether a `tripwarden up` runs on this directory: it holds a lock that the kernel drops when it dies."""
    try:
        handle = os.open(data_dir / "up.lock", os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


def _runtime(data_dir: Path) -> dict[str, str]:
    """What a running `tripwarden up` says of its engines; empty when none runs here, whatever it left behind."""
    path = data_dir / "runtime.json"
    if not is_running(data_dir):
        return {}
    try:
        written: dict[str, Any] = json.loads(path.read_text())["settings"]
        return {PREFIX + key.upper(): str(value) for key, value in written.items()}
    except (FileNotFoundError, PermissionError):
        return {}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
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
    if settings.api.proxy_protocol and not settings.api.trusted_proxies:
        raise SettingError(
            f"{PREFIX}API_TRUSTED_PROXIES",
            "is missing while the PROXY protocol is on: nobody would be believed",
            "the addresses of the balancers",
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
            hidden = item.metadata["spec"].secret and not show_secrets
            shown[f"{group.name}_{item.name}"] = _hidden(raw) if hidden else str(raw) if isinstance(raw, Path) else raw
    return shown


def _hidden(secret: str) -> str:
    """`***`; of an address only its password, so that a person sees where it points."""
    if not secret:
        return ""
    scheme, found, rest = secret.partition("://")
    credentials, at, place = rest.rpartition("@")
    if not found or "?" in rest:
        return "***"
    user = credentials.partition(":")[0]
    return f"{scheme}://{user}:***@{place}" if at else secret
