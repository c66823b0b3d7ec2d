"""The door for libraries without types: imported when first needed, `Any` from here on."""

from __future__ import annotations

import importlib
from typing import Any


def untyped(name: str) -> Any:
    """Return the module `name`. Raises ImportError as `import` would."""
    return importlib.import_module(name)
