"""The second opinion, with the real package and a small checkpoint that is made here."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from moderation import cli_main
from moderation.classifiers.detoxify_adapter import DetoxifyOpinion, DetoxifyUnavailableError

LABELS = ["toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"]
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "you", "are", "kind", "rude", "hello", "car", "the"]


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`<dir>/tiny`: a random two-layer BERT as a Detoxify checkpoint whose model_type names a hub repository."""
    pytest.importorskip("detoxify", reason="the extra `detoxify` is not installed")
    torch = pytest.importorskip("torch", reason="the extra `detoxify` is not installed")
    from transformers import BertConfig, BertForSequenceClassification

    folder = tmp_path_factory.mktemp("models") / "tiny"
    folder.mkdir()
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=24,
        num_labels=len(LABELS),
    )
    torch.manual_seed(1)
    model = BertForSequenceClassification(config)
    arguments = {
        "model_type": "bert-base-uncased",
        "model_name": "BertForSequenceClassification",
        "tokenizer_name": "BertTokenizer",
        "num_classes": len(LABELS),
    }
    stored = {
        "config": {"arch": {"args": arguments}, "dataset": {"args": {"classes": LABELS}}},
        "state_dict": model.state_dict(),
    }
    torch.save(stored, folder / "tiny.ckpt")
    # As on the hub: the base model's configuration knows nothing of the number of labels.
    base = config.to_dict()
    for key in ("id2label", "label2id", "num_labels", "architectures"):
        base.pop(key, None)
    (folder / "config.json").write_text(json.dumps(base | {"model_type": "bert"}))
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    return folder.parent


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """Every attempt to connect fails and is remembered."""
    tried: list[object] = []

    def refuse(self: socket.socket, address: object) -> None:
        tried.append(address)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    yield tried
    assert tried == []


@pytest.fixture
def opinion(models_dir: Path, no_network: list[object]) -> DetoxifyOpinion:
    return DetoxifyOpinion(models_dir, "tiny")


def test_each_text_gets_all_labels_under_the_common_names(opinion: DetoxifyOpinion) -> None:
    answers = opinion.predict(["you are kind", "you are rude", "hello"])

    assert len(answers) == 3
    assert all(
        set(answer) == {"toxicity", "severe_toxicity", "obscene", "threat", "insult", "identity_attack"}
        for answer in answers
    )
    assert all(0.0 < score < 1.0 for answer in answers for score in answer.values())


def test_the_scores_are_those_of_the_checkpoint(opinion: DetoxifyOpinion, models_dir: Path) -> None:
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

    stored = torch.load(models_dir / "tiny" / "tiny.ckpt", weights_only=True)
    config = BertConfig.from_pretrained(models_dir / "tiny", num_labels=len(LABELS))
    model = BertForSequenceClassification(config)
    model.load_state_dict(stored["state_dict"])
    model.eval()
    inputs = BertTokenizer.from_pretrained(models_dir / "tiny")("you are rude", return_tensors="pt")
    with torch.no_grad():
        expected = torch.sigmoid(model(**inputs).logits)[0].tolist()

    (answer,) = opinion.predict(["you are rude"])

    assert list(answer.values()) == pytest.approx(expected, abs=1e-5)


def test_a_batch_says_what_single_texts_say(opinion: DetoxifyOpinion) -> None:
    texts = ["you are kind", "the car", "hello hello hello", "rude"] * 5
    together = opinion.predict(texts)
    alone = [opinion.predict([text])[0] for text in texts]

    assert [list(answer.values()) for answer in together] == [
        pytest.approx(list(answer.values()), abs=1e-4) for answer in alone
    ]


def test_no_texts_no_answers_and_a_long_text_is_cut(opinion: DetoxifyOpinion) -> None:
    assert opinion.predict([]) == []
    assert len(opinion.predict(["you are rude " * 200])) == 1


def test_weights_that_are_not_there_are_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(DetoxifyUnavailableError) as caught:
        DetoxifyOpinion(tmp_path, "original")

    assert caught.value.code == "weights_missing"
    assert "original" in str(caught.value)


def test_a_file_that_is_no_checkpoint_is_called_bad(models_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "broken.ckpt").write_bytes(b"nothing like it")

    with pytest.raises(DetoxifyUnavailableError) as caught:
        DetoxifyOpinion(tmp_path, "broken")

    assert caught.value.code == "checkpoint_bad"


def test_a_checkpoint_cannot_run_code(models_dir: Path, tmp_path: Path) -> None:
    import torch

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "sprung",))  # type: ignore[return-value]

    folder = tmp_path / "trap"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    torch.save({"config": Trap(), "state_dict": {}}, folder / "trap.ckpt")

    with pytest.raises(DetoxifyUnavailableError):
        DetoxifyOpinion(tmp_path, "trap")

    assert not (tmp_path / "sprung").exists()


def test_a_missing_package_is_said_to_be_missing(models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "detoxify", None)

    with pytest.raises(DetoxifyUnavailableError) as caught:
        DetoxifyOpinion(models_dir, "tiny")

    assert caught.value.code == "package_missing"
    assert "tripwarden[detoxify]" in str(caught.value)


def test_the_command_puts_the_opinion_beside_the_verdict(
    models_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = tmp_path / "lines.jsonl"
    lines.write_text('{"text": "you are kind"}\n{"text": "the car"}\n')
    assert cli_main([str(lines), "--opinion", "tiny", "--models", str(models_dir)]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["outcome"] for answer in answers] == ["allow", "allow"]
    for answer in answers:
        assert answer["opinion"]["model"] == "detoxify-tiny"
        assert set(answer["opinion"]["labels"]) >= {"toxicity", "threat"}


def test_the_command_says_where_a_missing_model_belongs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = tmp_path / "lines.jsonl"
    lines.write_text("")
    assert cli_main([str(lines), "--opinion", "nowhere", "--models", str(tmp_path)]) == 2
    assert str(tmp_path / "nowhere") in capsys.readouterr().err
