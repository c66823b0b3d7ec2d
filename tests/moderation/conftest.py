"""The shipped pipeline, built once, and short ways to ask it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from moderation import Content, Context, Pipeline, Verdict, default_pipeline

Codes = Callable[[str], set[str]]
Judge = Callable[..., Verdict]


@pytest.fixture(scope="session")
def pipeline() -> Pipeline:
    return default_pipeline()


@pytest.fixture(scope="session")
def judge(pipeline: Pipeline) -> Judge:
    def judge(text: str, **context: object) -> Verdict:
        return pipeline.judge(Content(text), Context(**context))  # type: ignore[arg-type]

    return judge


@pytest.fixture(scope="session")
def codes(pipeline: Pipeline) -> Codes:
    """The codes of all signals that a text raises."""

    def codes(text: str) -> set[str]:
        return {hit.code for hit in pipeline.judge(Content(text)).signals}

    return codes
