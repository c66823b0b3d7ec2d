"""Second opinion: a Detoxify checkpoint out of a local folder, through the `detoxify` package, never from the network.

`<models_dir>/<name>/` holds one `*.ckpt` in Detoxify's format (`config` and `state_dict`) and, beside it, the
configuration and tokenizer files of its base model (`config.json`, `vocab.txt` or `tokenizer.json` ...).
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from moderation.codes import HEADS
from moderation.untyped import untyped

Fault = Literal["package_missing", "weights_missing", "checkpoint_bad"]

# Detoxify's own renaming of the Jigsaw columns, so that all its models speak of the same labels.
_NAMES = {"toxic": "toxicity", "identity_hate": "identity_attack", "severe_toxic": "severe_toxicity"}
_BATCH = 16


class DetoxifyUnavailableError(RuntimeError):
    """There is no second opinion to be had; `code` says why, the text says what to do."""

    def __init__(self, code: Fault, message: str) -> None:
        super().__init__(message)
        self.code: Fault = code


class DetoxifyOpinion:
    """One loaded model. Not for the send path: about 100 ms a message on one core for a BERT-base."""

    def __init__(self, models_dir: str | Path, name: str) -> None:
        """Load `<models_dir>/<name>`. Raises DetoxifyUnavailableError."""
        folder = Path(models_dir).resolve() / name
        checkpoint = _checkpoint_in(folder)
        # Before the first import: transformers must not ask the hub for what is not in the folder.
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        self._model = _load(checkpoint, folder)
        self.name = f"detoxify-{name}"

    def predict(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """Return label -> probability for each text, in order; texts longer than the model are cut."""
        answers: list[dict[str, float]] = []
        for start in range(0, len(texts), _BATCH):
            batch = list(texts[start : start + _BATCH])
            columns: dict[str, Any] = self._model.predict(batch)
            # A batch of one comes back as bare numbers.
            rows: dict[str, list[float]] = {
                label: [got] if isinstance(got, float) else list(got)
                for label, got in columns.items()
                if label in HEADS
            }
            answers.extend({label: row[number] for label, row in rows.items()} for number in range(len(batch)))
        return answers


def _checkpoint_in(folder: Path) -> Path:
    found = sorted(folder.glob("*.ckpt"))
    if len(found) != 1:
        raise DetoxifyUnavailableError(
            "weights_missing",
            f"{folder} must hold one *.ckpt, and holds {len(found)}; copy the checkpoint and its tokenizer there",
        )
    if not (folder / "config.json").is_file():
        raise DetoxifyUnavailableError("weights_missing", f"{folder} lacks config.json and the base model's tokenizer")
    return found[0]


def _load(checkpoint: Path, folder: Path) -> Any:
    try:
        torch, detoxify = untyped("torch"), untyped("detoxify").detoxify
    except ImportError as error:
        raise DetoxifyUnavailableError(
            "package_missing", f"{error.name or error} is not installed; `pip install tripwarden[detoxify]` brings it"
        ) from error
    try:
        # weights_only: a checkpoint is data, it must not be able to run code here.
        stored = torch.load(checkpoint, map_location="cpu", weights_only=True)
        # The stored model_type names a hub repository; a path keeps transformers on this machine.
        arguments = stored["config"]["arch"]["args"] | {"model_type": str(folder)}
        classes = stored["config"]["dataset"]["args"]["classes"]
        model, tokenizer = detoxify.get_model_and_tokenizer(**arguments, state_dict=stored["state_dict"])
    except (pickle.UnpicklingError, OSError, KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise DetoxifyUnavailableError("checkpoint_bad", f"{checkpoint}: {type(error).__name__}: {error}") from error
    longest = int(getattr(model.config, "max_position_embeddings", 512))
    tokenizer.model_max_length = min(int(tokenizer.model_max_length), longest)
    # Detoxify's own __init__ would load the file again, and run what is pickled in it.
    opinion = detoxify.Detoxify.__new__(detoxify.Detoxify)
    opinion.model, opinion.tokenizer, opinion.device = model, tokenizer, "cpu"
    opinion.class_names = [_NAMES.get(label, label) for label in classes]
    return opinion
