"""`tripwarden settings`: every setting, its value here, its default and its meaning."""

from __future__ import annotations

import json
from pathlib import Path

from backend.cli.arguments import parser, read_settings
from backend.settings import Settings, describe, flat


def run(argv: list[str], data_dir: Path | None) -> int:
    """Print a table, or with `--json` the effective settings as one flat object."""
    options = parser("settings")
    options.add_argument("--json", action="store_true", help="one flat JSON object")
    options.add_argument("--show-secrets", action="store_true", help="print passwords and keys, too")
    chosen = options.parse_args(argv)
    values = flat(read_settings(data_dir), show_secrets=chosen.show_secrets)
    if chosen.json:
        print(json.dumps(values, indent=2, default=str))
    else:
        print("\n\n".join(_entries(values)))
    return 0


def _entries(values: dict[str, object]) -> list[str]:
    defaults = flat(Settings(), show_secrets=True)
    return [
        f"{name} = {_shown(values[key])}"
        + (f"   (default {_shown(defaults[key])})" if values[key] != defaults[key] else "")
        + f"\n    {spec.doc} {_first_upper(spec.right)}."
        for name, key, spec in describe()
    ]


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value) or "(unset)"


def _first_upper(text: str) -> str:
    return text[:1].upper() + text[1:] if text.startswith(("a ", "all ", "one ", "debug")) else f"Such as: {text}"
