"""What the shipped pipeline must reach on the public sets; the sets are not part of the product."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from moderation import Pipeline
from moderation.evaluate import SetError, benign, cost, evasion, hate, is_caught, main, read, table, toxicity

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"


@pytest.fixture(scope="module")
def data() -> Path:
    if not (DATA / "eval").is_dir():
        pytest.skip("the evaluation sets are not beside the checkout (../shared/data/eval)")
    return DATA


def test_everyday_ride_chat_raises_no_alarm(pipeline: Pipeline, data: Path) -> None:
    figures = benign(pipeline, data)

    assert figures["benign_ride"]["beyond_mask"] < 0.005  # type: ignore[operator]
    assert figures["benign_ride"]["urgent"] <= 0.001  # type: ignore[operator]
    assert figures["benign_assistant"]["beyond_mask"] < 0.005  # type: ignore[operator]


def test_toxicity_is_told_on_the_public_half(pipeline: Pipeline, data: Path) -> None:
    assert toxicity(pipeline, data, ["jigsaw_test"])["jigsaw_test"]["auc"] >= 0.95  # type: ignore[operator]


def test_neutral_mentions_of_identity_pass(pipeline: Pipeline, data: Path) -> None:
    figures = hate(pipeline, data)

    assert figures["identity_templates"]["caught_neutral"] < 0.01  # type: ignore[operator]
    assert figures["hatecheck"]["caught_neutral_identity"] < 0.05  # type: ignore[operator]


def test_disguises_cost_less_than_five_points_of_recall(pipeline: Pipeline, data: Path) -> None:
    disguises = ("leet", "homoglyph_cyrillic", "zero_width", "spaced", "repeated", "mixed")
    figures = evasion(pipeline, data, disguises)

    for disguise in disguises:
        assert figures[f"evasion {disguise}"]["drop_points"] < 5, disguise  # type: ignore[operator]


def test_a_verdict_is_cheap(pipeline: Pipeline) -> None:
    # The target is 100 us; the bound is loose because other work may share the machine.
    assert cost(pipeline, rounds=20)["cpu_us_mean"] < 250  # type: ignore[operator]


def test_caught_means_that_a_person_hears_of_it(pipeline: Pipeline) -> None:
    from moderation import Content

    assert not is_caught(pipeline.judge(Content("hello")))
    assert not is_caught(pipeline.judge(Content("call 87011234567")))
    assert is_caught(pipeline.judge(Content("I will kill you")))


def test_the_command_prints_a_table_or_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--cost"]) == 0
    assert "cpu_us_mean" in capsys.readouterr().out
    assert main(["--cost", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cost"]["verdicts"] > 0
    assert "set" in table({"set": {"auc": 0.5, "rows": 2}})


def test_a_set_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SetError, match=r"none\.parquet"):
        read(tmp_path, "none", ["text"])
    assert main(["--data", str(tmp_path)]) == 2
    assert "jigsaw_test.parquet" in capsys.readouterr().err
