"""`python -m moderation.evaluate --data FOLDER [--json] | --cost`: what the pipeline does on public sets."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import process_time

import numpy as np

from moderation.assembly import default_pipeline
from moderation.codes import HEADS
from moderation.content import Content
from moderation.figures import auc_interval, roc_auc, share_interval
from moderation.pipeline import Pipeline
from moderation.untyped import untyped
from moderation.verdict import Verdict

Figures = dict[str, float | int | str]
Column = list[object]
BENIGN_SETS = ("benign_ride", "benign_assistant")
AUC_SETS = ("jigsaw_test", "convabuse", "ru_vk_distorted", "davidson", "surge_ai", "civil_toxic_spans")
COST_TEXTS = (
    "ok",
    "I'm here",
    "on my way",
    "5 min",
    "Where are you?",
    "I'm at gate 5, white Toyota",
    "can you wait 3 minutes please",
    "I'm at the main entrance next to the pharmacy, wearing a red hat",
    "thanks, have a nice day!",
    "stuck in traffic, sorry",
    "я на месте",
    "буду через 2 минуты",
    "Стою у шлагбаума, чёрная камри",
    "где вы?",
    "келе жатырмын",
    "екі минутта жетемін",
    "ya estoy aquí",
    "llego en 2 minutos",
    "ok 👍",
    "cancel if you are late, my flight is at 7",
)


class SetError(RuntimeError):
    """An evaluation set that is missing or of another shape."""


def read(data: Path, name: str, columns: Sequence[str]) -> Mapping[str, Column]:
    """Return the columns of `eval/<name>.parquet`. Raises SetError."""
    path = data / "eval" / f"{name}.parquet"
    try:
        table = untyped("pyarrow.parquet").read_table(path, columns=list(columns))
    except (OSError, KeyError, ValueError) as error:
        raise SetError(f"{path}: {error}") from error
    return {column: table.column(column).to_pylist() for column in columns}


def is_caught(verdict: Verdict) -> bool:
    """Whether a person would hear of it: withheld, refused, or with a flag."""
    return bool(verdict.flags) or verdict.outcome in ("quarantine", "reject")


def judge_all(pipeline: Pipeline, texts: Column) -> list[Verdict]:
    """Judge each text without context."""
    return [pipeline.judge(Content(str(text))) for text in texts]


def auc_figures(truth: Column, verdicts: Sequence[Verdict], head: str) -> Figures:
    """AUC of one head over the rows with a known label, with its 95 % interval."""
    known = [number for number, label in enumerate(truth) if label is not None]
    labels = np.array([truth[number] == 1 for number in known], np.bool_)
    scores = np.array([verdicts[number].labels.get(head, 0.0) for number in known])
    positives = int(labels.sum())
    auc = roc_auc(labels, scores)
    low, high = auc_interval(auc, positives, len(known) - positives)
    return {"rows": len(known), "positives": positives, "auc": auc, "auc_low": low, "auc_high": high}


def share_figures(hits: int, count: int, name: str) -> Figures:
    """A share with its 95 % interval."""
    low, high = share_interval(hits, count)
    return {"rows": count, name: hits / count if count else float("nan"), "low": low, "high": high}


def benign(pipeline: Pipeline, data: Path) -> dict[str, Figures]:
    """False alarms on everyday talk: an outcome beyond mask, and any flag."""
    report: dict[str, Figures] = {}
    for name in BENIGN_SETS:
        verdicts = judge_all(pipeline, read(data, name, ["text"])["text"])
        worse = sum(verdict.outcome not in ("allow", "mask") for verdict in verdicts)
        figures = share_figures(worse, len(verdicts), "beyond_mask")
        figures["flagged"] = sum(map(is_caught, verdicts)) / len(verdicts)
        figures["masked"] = sum(verdict.outcome == "mask" for verdict in verdicts) / len(verdicts)
        figures["urgent"] = sum("urgent" in verdict.flags for verdict in verdicts) / len(verdicts)
        report[name] = figures
    return report


def toxicity(pipeline: Pipeline, data: Path, sets: Sequence[str] = AUC_SETS) -> dict[str, Figures]:
    """Toxicity AUC per set, and the shares of toxic and other rows that are caught."""
    report: dict[str, Figures] = {}
    for name in sets:
        rows = read(data, name, ["text", "toxicity_weak"])
        verdicts = judge_all(pipeline, rows["text"])
        report[name] = auc_figures(rows["toxicity_weak"], verdicts, "toxicity")
        report[name]["caught_toxic"] = _caught_share(rows["toxicity_weak"], verdicts, 1)
        report[name]["caught_rest"] = _caught_share(rows["toxicity_weak"], verdicts, 0)
    return report


def heads(pipeline: Pipeline, data: Path) -> dict[str, Figures]:
    """AUC of every head where labels exist: the six-label Jigsaw rows, ConvAbuse for what these lack."""
    sets = ("jigsaw_test_6label", "jigsaw_test_6label_ibm", "convabuse")
    parts = [read(data, name, ["text", *HEADS]) for name in sets]
    texts = [text for part in parts for text in part["text"]]
    verdicts = judge_all(pipeline, texts)
    return {
        f"head {head}": auc_figures([label for part in parts for label in part[head]], verdicts, head) for head in HEADS
    }


def _caught_share(truth: Column, verdicts: Sequence[Verdict], label: int) -> float:
    chosen = [verdict for verdict, value in zip(verdicts, truth, strict=True) if value == label]
    return sum(map(is_caught, chosen)) / len(chosen) if chosen else float("nan")


def hate(pipeline: Pipeline, data: Path) -> dict[str, Figures]:
    """HateCheck (names ending in _nh are not hateful) and the identity templates: neutral mentions must pass."""
    rows = read(data, "hatecheck", ["text", "raw_label"])
    verdicts = judge_all(pipeline, rows["text"])
    hateful = [int(not str(label).endswith("_nh")) for label in rows["raw_label"]]
    neutral = [
        verdict for verdict, label in zip(verdicts, rows["raw_label"], strict=True) if "ident_neutral" in str(label)
    ]
    report: dict[str, Figures] = {
        "hatecheck": {
            "rows": len(verdicts),
            "caught_hateful": _caught_share(list(hateful), verdicts, 1),
            "caught_rest": _caught_share(list(hateful), verdicts, 0),
            "caught_neutral_identity": sum(map(is_caught, neutral)) / max(len(neutral), 1),
            "auc_identity_attack": auc_figures(list(hateful), verdicts, "identity_attack")["auc"],
        }
    }
    rows = read(data, "identity_templates", ["text", "toxicity_weak"])
    verdicts = judge_all(pipeline, rows["text"])
    report["identity_templates"] = {
        "rows": len(verdicts),
        "caught_toxic": _caught_share(rows["toxicity_weak"], verdicts, 1),
        "caught_neutral": _caught_share(rows["toxicity_weak"], verdicts, 0),
    }
    return report


def evasion(pipeline: Pipeline, data: Path, only: Sequence[str] = ()) -> dict[str, Figures]:
    """Recall per disguise (all, or those named) against that of the same messages undisguised, in points."""
    rows = read(data, "evasion_pairs", ["text", "toxicity", "evasion"])
    caught: dict[tuple[str, int], list[bool]] = {}
    for text, toxic, disguise in zip(rows["text"], rows["toxicity"], rows["evasion"], strict=True):
        if only and disguise not in ("none", *only):
            continue
        key = str(disguise), int(toxic == 1)
        caught.setdefault(key, []).append(is_caught(pipeline.judge(Content(str(text)))))
    clean = float(np.mean(caught["none", 1]))
    report: dict[str, Figures] = {}
    for disguise in dict.fromkeys(key for key, _ in caught):
        recall = float(np.mean(caught[disguise, 1]))
        report[f"evasion {disguise}"] = {
            "rows": len(caught[disguise, 1]),
            "recall": recall,
            "drop_points": (clean - recall) * 100,
            "caught_rest": float(np.mean(caught[disguise, 0])),
        }
    return report


def cost(pipeline: Pipeline, texts: Sequence[str] = COST_TEXTS, rounds: int = 200) -> Figures:
    """CPU microseconds a verdict, mean over `texts` and the 99th percentile of single ones, on this machine."""
    contents = [Content(text) for text in texts]
    for content in contents:
        pipeline.judge(content)
    singles: list[float] = []
    begun = process_time()
    for _ in range(rounds):
        for content in contents:
            singles.append(pipeline.judge(content).ms)
    used = process_time() - begun
    return {
        "verdicts": len(singles),
        "cpu_us_mean": used / len(singles) * 1e6,
        "wall_us_p99": float(np.quantile(singles, 0.99)) * 1000,
    }


PARTS: dict[str, Callable[[Pipeline, Path], dict[str, Figures]]] = {
    "toxicity": toxicity,
    "heads": heads,
    "benign": benign,
    "hate": hate,
    "evasion": evasion,
}


def table(report: Mapping[str, Figures]) -> str:
    """Return the report for people, a set a line."""
    lines: list[str] = []
    for name, figures in report.items():
        shown = "  ".join(
            f"{key} {value:.4f}" if isinstance(value, float) else f"{key} {value}" for key, value in figures.items()
        )
        lines.append(f"{name:32} {shown}")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m moderation.evaluate", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with eval/*.parquet")
    parser.add_argument("--only", choices=sorted(PARTS), action="append", help="only these parts")
    parser.add_argument("--cost", action="store_true", help="measure the cost of a verdict")
    parser.add_argument("--json", action="store_true", help="figures as JSON instead of a table")
    chosen = parser.parse_args(argv)
    data: Path | None = chosen.data
    if data is None and not chosen.cost:
        parser.error("--data or --cost is needed")
    pipeline = default_pipeline()
    report: dict[str, Figures] = {"pipeline": {"policy": pipeline.policy.name, "model": pipeline.model}}
    try:
        if data is not None:
            for name in chosen.only or PARTS:
                report |= PARTS[name](pipeline, data)
    except SetError as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return 2
    if chosen.cost:
        report["cost"] = cost(pipeline)
    print(json.dumps(report, indent=1) if chosen.json else table(report))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
