"""Judges what travellers write: content in, verdict out. A pure library: no database, web, queue or HTTP."""

from __future__ import annotations

from moderation.assembly import default_pipeline, reassemble
from moderation.command import cli_main
from moderation.content import Content, Context, Mark, Recent, SenderRole, Turn
from moderation.conversation.base import marks_of
from moderation.normalise import fingerprint
from moderation.pipeline import Pipeline
from moderation.policy import Policy, PolicyError, load_policy, parse_policy
from moderation.shadow import Shadow
from moderation.verdict import SignalHit, Verdict

__all__ = [
    "Content",
    "Context",
    "Mark",
    "Pipeline",
    "Policy",
    "PolicyError",
    "Recent",
    "SenderRole",
    "Shadow",
    "SignalHit",
    "Turn",
    "Verdict",
    "cli_main",
    "default_pipeline",
    "fingerprint",
    "load_policy",
    "marks_of",
    "parse_policy",
    "reassemble",
]
