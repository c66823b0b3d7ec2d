"""Judging needs no database, web, queue or HTTP, and no machine learning framework."""

from __future__ import annotations

import json
import subprocess
import sys

FORBIDDEN = {
    "sqlalchemy", "advanced_alchemy", "redis", "dramatiq", "litestar", "streamlit", "twilio", "httpx", "asyncpg",
    "torch", "transformers", "detoxify", "sklearn", "scipy", "pyarrow", "pandas", "backend", "console", "retention",
}  # fmt: skip
PROGRAM = """
import json, sys
from moderation import Content, default_pipeline
verdict = default_pipeline().judge(Content("call +7 701 123 45 67"))
assert verdict.outcome == "mask"
print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""


def test_a_verdict_loads_nothing_that_it_must_not() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)

    assert FORBIDDEN & set(json.loads(done.stdout)) == set()
