"""The command behind `python -m moderation` and `tripwarden moderate`: JSON lines in, verdicts out, in order."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, TextIO

import msgspec
from msgspec import Meta

from moderation.assembly import default_pipeline
from moderation.classifiers.detoxify_adapter import DetoxifyOpinion, DetoxifyUnavailableError
from moderation.content import Content, Context, Recent, SenderRole
from moderation.normalise import fingerprint
from moderation.photo_lines import PhotoLines
from moderation.photos import BankError, PhotoError, load_bank
from moderation.pipeline import Pipeline
from moderation.policy import PolicyError, load_policy
from moderation.verdict import Verdict

MAX_LINE_BYTES = 1_000_000


class RecentLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An earlier message of the same sender; its text is fingerprinted here."""

    at: float
    text: str


class ContextLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The fields of Context as they stand in a line."""

    market: str = "default"
    sender_role: SenderRole = "driver"
    template: bool = False
    now: float = 0.0
    recent: Annotated[list[RecentLine], Meta(max_length=1000)] = []


class Line(msgspec.Struct, frozen=True):
    """One line: a text with what is known around it, or the path of an image. Other members are passed over."""

    text: str | None = None
    lang: str | None = None
    context: ContextLine = ContextLine()
    image: str | None = None


class LineError(Exception):
    """A line that cannot be judged: stable code, plain words, and the column (from 1) where that can be told."""

    def __init__(self, code: str, message: str, column: int | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.column = code, message, column


def cli_main(argv: Sequence[str] | None = None) -> int:
    """Run the command with `argv`; returns the exit code: 0, 1 if any line was bad, 2 if nothing could be judged."""
    parser = argparse.ArgumentParser(
        prog="moderate",
        description='Judge JSON lines {"text", "lang"?, "context"?} or {"image"}; write one verdict a line, in order.',
    )
    parser.add_argument("file", nargs="?", type=Path, help="JSON lines to read instead of standard input")
    parser.add_argument("--policy", type=Path, help="policy file (TOML) instead of the shipped one")
    parser.add_argument("--opinion", metavar="NAME", help="add the labels of this Detoxify model as a second opinion")
    parser.add_argument("--models", type=Path, default=Path("models"), help="folder of such models (default: ./models)")
    parser.add_argument("--bank", type=Path, help="file of known photos")
    parser.add_argument("--clean-to", type=Path, metavar="DIR", help="write each photo's clean JPEG to DIR/<line>.jpg")
    chosen = parser.parse_args(argv)
    try:
        policy = load_policy(chosen.policy)
        pipeline = default_pipeline(policy)
        opinion = DetoxifyOpinion(chosen.models, chosen.opinion) if chosen.opinion else None
        bank = load_bank(chosen.bank) if chosen.bank else None
        if chosen.clean_to is not None and not chosen.clean_to.is_dir():
            raise NotADirectoryError(20, "is not a directory", str(chosen.clean_to))
        with contextlib.ExitStack() as stack:
            photos = stack.enter_context(PhotoLines(policy, bank, chosen.clean_to))
            lines = sys.stdin.buffer if chosen.file is None else stack.enter_context(chosen.file.open("rb"))
            return run(lines, sys.stdout, pipeline, opinion, photos)
    except (PolicyError, BankError, DetoxifyUnavailableError) as error:
        print(f"moderate: {error}", file=sys.stderr)
    except OSError as error:
        print(f"moderate: {error.filename}: {error.strerror}", file=sys.stderr)
    return 2


def run(
    stdin_lines: Iterable[str | bytes],
    out: TextIO,
    pipeline: Pipeline | None = None,
    opinion: DetoxifyOpinion | None = None,
    photos: PhotoLines | None = None,
) -> int:
    """Judge each line and write one line for it to `out`, in order; returns 1 if any line was bad, else 0.

    Photos are judged by `photos`; without it by the shipped policy and no bank.
    """
    judge = (pipeline or default_pipeline()).judge
    bad = 0
    with contextlib.ExitStack() as stack:
        photos = photos or stack.enter_context(PhotoLines())
        for number, line in enumerate(stdin_lines, 1):
            try:
                answer = msgspec.json.encode(_judge_any(line, number, judge, opinion, photos))
            except LineError as error:
                bad = 1
                fault = {"code": error.code, "message": error.message, "line": number}
                if error.column is not None:
                    fault["column"] = error.column
                answer = msgspec.json.encode({"error": fault})
            out.write(answer.decode() + "\n")
            out.flush()
    return bad


def _judge_any(
    line: str | bytes,
    number: int,
    judge: Callable[[Content, Context], Verdict],
    opinion: DetoxifyOpinion | None,
    photos: PhotoLines,
) -> dict[str, object]:
    read = _parse(line)
    if read.image is None:
        return _judge_text(read, judge, opinion)
    try:
        judged, about = photos.judge(read.image, number, _context(read))
    except PhotoError as error:
        raise LineError(error.code, error.message) from None
    return as_json(judged.verdict) | {"photo": about}


def _judge_text(
    read: Line, judge: Callable[[Content, Context], Verdict], opinion: DetoxifyOpinion | None
) -> dict[str, object]:
    """Return the answer to a text; a second opinion stands beside the verdict and changes nothing of it."""
    if read.text is None:
        raise LineError("bad_line", 'neither "text" nor "image" is there', 1)
    answer = as_json(judge(Content(read.text, read.lang), _context(read)))
    if opinion is not None:
        labels = {label: round(score, 4) for label, score in opinion.predict([read.text])[0].items()}
        answer["opinion"] = {"model": opinion.name, "labels": labels}
    return answer


def _context(read: Line) -> Context:
    given = read.context
    recent = [Recent(each.at, fingerprint(each.text)) for each in given.recent]
    return Context(given.market, given.sender_role, given.template, given.now, recent)


def as_json(verdict: Verdict) -> dict[str, object]:
    """Return the verdict as the output line has it; numbers rounded, a reason and mask spans only if there are."""
    answer: dict[str, object] = {
        "outcome": verdict.outcome,
        "flags": verdict.flags,
        "labels": {label: round(score, 4) for label, score in verdict.labels.items()},
        "signals": verdict.signals,
        "policy": verdict.policy,
        "model": verdict.model,
        "ms": round(verdict.ms, 3),
    }
    if verdict.reason:
        answer["reason"] = verdict.reason
    if verdict.mask_spans:
        answer["mask_spans"] = verdict.mask_spans
    return answer


def _parse(line: str | bytes) -> Line:
    raw = line if isinstance(line, bytes) else line.encode("utf-8", "surrogateescape")
    if len(raw) > MAX_LINE_BYTES:
        raise LineError("line_too_long", f"{len(raw)} bytes; at most {MAX_LINE_BYTES} are read", MAX_LINE_BYTES + 1)
    try:
        raw.decode()
        return msgspec.json.decode(raw, type=Line)
    except UnicodeDecodeError as error:
        raise LineError("bad_line", "not UTF-8", error.start + 1) from error
    except msgspec.ValidationError as error:
        raise LineError("bad_line", str(error), _column_of(raw, str(error))) from error
    except msgspec.DecodeError as error:
        raise LineError("bad_line", str(error), _byte_of(str(error), raw)) from error


def _byte_of(message: str, raw: bytes) -> int:
    """Msgspec says "(byte N)" when the JSON is malformed and nothing when it is cut short: then it ends too early."""
    _, found, rest = message.partition("(byte ")
    at = int(rest.split(")", 1)[0]) if found else len(raw.rstrip())
    return len(raw[:at].decode("utf-8", "replace")) + 1


def _column_of(raw: bytes, message: str) -> int:
    """Where the faulty field's name stands; column 1 if the fault is of the whole line."""
    _, found, path = message.partition("`$")
    name = path.rstrip("`").rsplit(".", 1)[-1].split("[")[0] if found and "." in path else ""
    if "unknown field `" in message:
        name = message.split("unknown field `", 1)[1].split("`", 1)[0]
    at = raw.find(b'"' + name.encode() + b'"') if name else -1
    return len(raw[:at].decode("utf-8", "replace")) + 1 if at >= 0 else 1
