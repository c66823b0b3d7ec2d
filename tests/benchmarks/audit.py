"""The log: how fast entries are appended and sequenced, and how fast it is verified."""

from __future__ import annotations

import importlib
import inspect
import msgspec

from tests.benchmarks.stacks import Ground
