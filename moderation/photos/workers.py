"""Workers on this side: starts them, hands them photos, ends them when they are late, dead or worn."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import msgspec

from moderation.photos.errors import PHOTO_CODES, PhotoError
from moderation.photos.header import Header, read_header
from moderation.photos.limits import Limits
from moderation.photos.wire import MAX_FRAME_BYTES, Looked, receive_frame, send_frame

_PROGRAM = (sys.executable, "-I", "-m", "moderation.photos.worker")
# One photo, one thread. Where libraries lie may be told by the environment; nothing else of it concerns a worker.
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
_PASSED_ON = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_END_S = 5.0
_MAX_REPORT_BYTES = 4096


class Worker:
    """One process. Raises PhotoError (`photo_failed`) if it does not start."""

    def __init__(self, limits: Limits, program: Sequence[str]) -> None:
        self._limits = limits
        self.photos = 0
        self._busy = False
        self._link, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = _start([*program, msgspec.json.encode(limits).decode()], theirs)
            except OSError:
                self._link.close()
                raise PhotoError("photo_failed", "the process that reads photos cannot be started") from None
        try:
            receive_frame(self._link, time.monotonic() + limits.start_s, _MAX_REPORT_BYTES)
        except (EOFError, OSError, ValueError):
            self.end()
            raise PhotoError("photo_failed", "the process that reads photos did not start") from None

    def look(self, data: bytes) -> tuple[Looked, bytes]:
        """Return the worker's report and the clean JPEG. Raises PhotoError; then it may be `worn`."""
        self.photos += 1
        self._busy = True
        deadline = time.monotonic() + self._limits.wall_s
        try:
            send_frame(self._link, data, deadline)
            looked = msgspec.json.decode(receive_frame(self._link, deadline, _MAX_REPORT_BYTES), type=Looked)
            jpeg = receive_frame(self._link, deadline)
        except TimeoutError:
            self.end()
            raise PhotoError("photo_out_of_time") from None
        except (ValueError, msgspec.DecodeError):
            self.end()
            raise PhotoError("photo_failed", "the process that reads photos talks nonsense") from None
        except (EOFError, OSError):
            raise PhotoError(self._cause_of_death()) from None
        self._busy = False
        if looked.error is not None:
            raise PhotoError(looked.error if looked.error in PHOTO_CODES else "photo_failed", looked.detail)
        if not self._likely(looked, jpeg):
            self.end()
            raise PhotoError("photo_failed", "the process that reads photos talks nonsense")
        return looked, jpeg

    @property
    def worn(self) -> bool:
        """Whether it should get no more photos; not while half an answer, to another photo, may still be on its way."""
        ended = self._process.returncode is not None
        return ended or self._busy or self.photos >= self._limits.photos_per_worker

    def end(self) -> None:
        """Kill the process and wait for its end."""
        self._link.close()
        self._process.kill()
        self._process.wait()

    def _likely(self, looked: Looked, jpeg: bytes) -> bool:
        """Whether the answer is what a worker answers that nobody has taken over."""
        try:
            header = read_header(jpeg, msgspec.structs.replace(self._limits, max_bytes=MAX_FRAME_BYTES))
        except PhotoError:
            return False
        small = max(looked.width, looked.height) <= self._limits.clean_side
        return header == Header("JPEG", looked.width, looked.height) and small and bool(looked.pdq)

    def _cause_of_death(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_S)
        code = self._process.returncode
        self.end()
        return "photo_out_of_time" if code == -signal.SIGXCPU else "photo_failed"


def _start(command: Sequence[str], link: socket.socket) -> subprocess.Popen[bytes]:
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return subprocess.Popen(
        command,
        stdin=link.fileno(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=_ENVIRONMENT | passed,
        cwd="/",
        start_new_session=True,
    )


class Workers:
    """A few workers, started when first needed; safe for threads, which wait for one another. Close it after use."""

    def __init__(self, limits: Limits | None = None, count: int = 1, program: Sequence[str] = _PROGRAM) -> None:
        self.limits = limits or Limits()
        self._program = program
        self._places: queue.LifoQueue[Worker | None] = queue.LifoQueue()
        self._count = count
        for _ in range(count):
            self._places.put(None)

    def look(self, data: bytes) -> tuple[Looked, bytes]:
        """Return what a worker says of a photo, and the clean JPEG. Blocks: at most three times `wall_s` and a start.

        Raises PhotoError.
        """
        read_header(data, self.limits)
        try:
            worker = self._places.get(timeout=2 * self.limits.wall_s)
        except queue.Empty:
            raise PhotoError("photo_busy") from None
        try:
            if worker is None:
                worker = Worker(self.limits, self._program)
            try:
                return worker.look(data)
            except PhotoError as error:
                if error.code == "photo_out_of_memory":
                    worker.end()  # its heap is full of holes now
                raise
        finally:
            if worker is not None and worker.worn:
                worker.end()
                worker = None
            self._places.put(worker)

    def close(self) -> None:
        """End all workers; those at work first finish their photo."""
        for _ in range(self._count):
            worker = self._places.get()
            if worker is not None:
                worker.end()
            self._places.put(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
