"""Verifying a log: pure, offline, by what it holds and whom one trusts: a key, and checkpoints kept elsewhere.

What is known of a leaf comes from three sides: the leaf itself, its hash in a tile, and the checkpoints, whose
signatures make them the side to believe. Where tiles and checkpoints agree, every leaf that differs is named. Where
leaves and checkpoints agree, the tile is. Where neither agrees, the checkpoints bound the stretch that was rewritten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from backend.audit.gaps import ProducerCounts
from backend.audit.leaf import Leaf, check_leaf, leaf_hash
from backend.audit.merkle import HASH_BYTES
from backend.audit.note import Checkpoint, NoteError, VerifierKey
from backend.audit.report import Report
from backend.audit.tiles import Tile
from backend.audit.verify_tree import LeafHashes, check_against_tiles, check_tiles, kept_hashes


@dataclass(frozen=True, kw_only=True)
class Anchors:
    """What leaves are held against."""

    tiles: Mapping[Tile, bytes]
    notes: Sequence[str]
    """Checkpoints that the log itself keeps."""
    kept_elsewhere: Sequence[str] = ()
    """Checkpoints that the verifier brought along; the log cannot have changed them."""
    state: tuple[int, bytes] | None = None
    """(size, root) that the sequencer left."""
    keys_destroyed: int | None = None
    """How many audit keys are destroyed; None where that is not known."""
    settled_before: str = "9999"
    """RFC 3339: younger numbers may still be on the way. Default: nothing is."""
    may_lag: bool = False
    """Whether entries after the newest checkpoint are in order: a running log signs once a second."""


@dataclass
class LogCheck:
    """Takes the entries of a log in the order of their indexes, then judges them. One use."""

    key: VerifierKey
    report: Report = field(default_factory=Report)
    _hashes: LeafHashes = field(default_factory=LeafHashes)
    _producers: ProducerCounts = field(default_factory=ProducerCounts)

    def add(self, index: int, data: bytes) -> Leaf | None:
        """The entry at `index`. Returns its leaf, None where it cannot be read."""
        self._hashes.put(index, leaf_hash(data), self.report)
        try:
            leaf = check_leaf(data)
        except ValueError as error:
            self.report.add("tampered", "leaf_unreadable", f"entry {index} is no leaf of this log: {error}", index)
            return None
        if leaf.log != self.key.name:
            self.report.add("tampered", "leaf_foreign", f"entry {index} is one of the log {leaf.log}", index)
        self._producers.add(leaf, index)
        return leaf

    def add_waiting(self, data: bytes) -> None:
        """A leaf that still waits for its place: its number has arrived."""
        try:
            self._producers.add(check_leaf(data), None)
        except ValueError as error:
            self.report.add("tampered", "waiting_unreadable", f"a waiting entry is no leaf: {error}")

    def finish(self, anchors: Anchors) -> Report:
        """Judge; returns the report."""
        checkpoints = self._opened(anchors)
        sizes = [checkpoint.tree_size for checkpoint in checkpoints]
        size = max([len(kept_hashes(anchors.tiles)) // HASH_BYTES, *sizes])
        self._hashes.fill(size, anchors.tiles, self.report)
        trusted = check_against_tiles(self._hashes, anchors.tiles, checkpoints, self.report)
        check_tiles(trusted, anchors.tiles, self.report)
        self._check_state(anchors.state, trusted)
        self._check_signed(checkpoints, len(trusted), anchors.may_lag)
        self._producers.finish(self.report, anchors.settled_before)
        self._check_destroyed(anchors.keys_destroyed)
        self.report.counts.update(
            {"entries": len(self._hashes), "checkpoints": len(checkpoints), "producers": len(self._producers)}
        )
        if self._producers.lost:
            self.report.counts["lost numbers"] = self._producers.lost
        return self.report

    def _opened(self, anchors: Anchors) -> list[Checkpoint]:
        """Checkpoints whose signature holds, by size; two roots for one size are a fork."""
        opened: dict[int, Checkpoint] = {}
        for note in (*anchors.kept_elsewhere, *anchors.notes):
            try:
                checkpoint = self.key.open(note)
            except NoteError as error:
                self.report.add("tampered", "checkpoint_unsigned", f"a checkpoint does not hold: {error}")
                continue
            before = opened.setdefault(checkpoint.tree_size, checkpoint)
            if before.root_hash != checkpoint.root_hash:
                text = f"two signed checkpoints of {checkpoint.tree_size} entries have different roots"
                self.report.add("tampered", "checkpoint_fork", text)
        return [opened[size] for size in sorted(opened)]

    def _check_state(self, state: tuple[int, bytes] | None, trusted: LeafHashes) -> None:
        if state is None:
            return
        size, root = state
        if size != len(trusted):
            self.report.add("tampered", "state_size", f"the state names {size} entries, there are {len(trusted)}")
        elif root != trusted.roots([size])[size]:
            self.report.add("tampered", "state_root", f"the state of {size} entries names another root")

    def _check_destroyed(self, destroyed: int | None) -> None:
        known = self._producers.keys_destroyed
        if destroyed is not None and destroyed > known:
            text = f"{destroyed} audit keys are destroyed, the log knows of {known}: somebody destroyed evidence"
            self.report.add("tampered", "key_destroyed", text)
        elif destroyed is not None and destroyed < known:
            text = f"the log knows of {known} destroyed audit keys, only {destroyed} are: erased words may be back"
            self.report.add("incomplete", "key_revived", text)

    def _check_signed(self, checkpoints: Sequence[Checkpoint], total: int, may_lag: bool) -> None:
        signed = checkpoints[-1].tree_size if checkpoints else 0
        if not total and not checkpoints:
            self.report.add("note", "empty", "the log is empty: nothing speaks for it and nothing against it")
        if signed < total:
            which = f"entry {signed} stands" if signed == total - 1 else f"entries {signed} to {total - 1} stand"
            text = f"{which} under no checkpoint"
            self.report.add("note" if may_lag and signed else "incomplete", "unsigned_tail", text)
