"""A photo in, a verdict and a clean photo out."""

from __future__ import annotations

from time import perf_counter
from types import TracebackType
from typing import Self

import msgspec

from moderation.codes import FAILED
from moderation.content import Context
from moderation.decide import Ruling, apply_tiers
from moderation.photos.bank import Bank
from moderation.photos.wire import MODEL_NAME, Looked
from moderation.photos.workers import Workers
from moderation.policy import Policy, load_policy
from moderation.verdict import SignalHit, Verdict

_NO_CONTEXT = Context()
_PDQ_BITS = 256


class JudgedPhoto(msgspec.Struct, frozen=True):
    """`clean` is the JPEG to keep and to show, never the bytes that came; `pdq` (64 hex digits) and `quality` (0..100)
    are what a bank of known photos is made of."""

    verdict: Verdict
    clean: bytes
    width: int
    height: int
    pdq: str
    quality: int


class PhotoPipeline:
    """Judges photos by one policy; safe for threads. Close it (or use `with`): its workers are processes."""

    def __init__(self, policy: Policy | None = None, bank: Bank | None = None, workers: Workers | None = None) -> None:
        self.policy = policy or load_policy()
        self.model = MODEL_NAME
        self._bank = bank or Bank()
        self._workers = workers or Workers()

    def judge(self, data: bytes, context: Context = _NO_CONTEXT) -> JudgedPhoto:
        """Judge the bytes of a photo. Blocks. Raises PhotoError, with a code, for what is no photo that we take."""
        begun = perf_counter()
        looked, clean = self._workers.look(data)
        hits, ruling = self._hits(looked), Ruling()
        labels: dict[str, float] = {}
        if looked.nsfw is None:
            hits.append(SignalHit(f"{FAILED}.photo_nsfw", 1.0))
            ruling.fail(self.policy.document.failure.safety)
        else:
            labels["nsfw"] = looked.nsfw
        apply_tiers(ruling, hits, {}, self.policy.rules(context.market, None))
        verdict = Verdict(
            outcome=ruling.outcome,
            flags=ruling.flags(),
            labels=labels,
            signals=tuple(hits),
            policy=self.policy.name,
            model=self.model,
            ms=(perf_counter() - begun) * 1000,
            reason=ruling.reason if ruling.outcome == "reject" else None,
        )
        return JudgedPhoto(verdict, clean, looked.width, looked.height, looked.pdq, looked.quality)

    def _hits(self, looked: Looked) -> list[SignalHit]:
        matches = self._bank.find(bytes.fromhex(looked.pdq), looked.quality)
        hits = [SignalHit(f"photo_known_{each.label}", 1 - each.distance / _PDQ_BITS) for each in matches]
        if looked.nsfw is not None:
            hits.append(SignalHit("photo_nsfw", looked.nsfw))
        return hits

    def close(self) -> None:
        """End the workers."""
        self._workers.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
