"""Settings: read from the environment, then validated into frozen groups. A wrong one stops the start."""

from backend.settings.groups import (
    ApiSettings,
    AuditSettings,
    ChatSettings,
    ConsoleSettings,
    DatabaseSettings,
    DataSettings,
    KeySettings,
    LimitSettings,
    LogSettings,
    ModerationSettings,
    PushSettings,
    RedisSettings,
    Settings,
    TokenSettings,
    TwilioSettings,
    default_data_dir,
)
from backend.settings.reading import describe, flat, is_running, load, unknown_settings
from backend.settings.spec import PREFIX, SettingError, Spec

__all__ = [
    "PREFIX",
    "ApiSettings",
    "AuditSettings",
    "ChatSettings",
    "ConsoleSettings",
    "DataSettings",
    "DatabaseSettings",
    "KeySettings",
    "LimitSettings",
    "LogSettings",
    "ModerationSettings",
    "PushSettings",
    "RedisSettings",
    "SettingError",
    "Settings",
    "Spec",
    "TokenSettings",
    "TwilioSettings",
    "default_data_dir",
    "describe",
    "flat",
    "is_running",
    "load",
    "unknown_settings",
]
