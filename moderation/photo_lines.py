"""The `{"image": path}` lines of the command: read the file, judge it, put the clean photo where it is wanted."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from types import TracebackType
from typing import Self

from moderation.content import Context
from moderation.photos import Bank, JudgedPhoto, Limits, PhotoError, PhotoPipeline, Workers
from moderation.policy import Policy


class PhotoLines:
    """Judges photos by their paths; the worker starts with the first of them. Use it with `with`."""

    def __init__(self, policy: Policy | None = None, bank: Bank | None = None, clean_to: Path | None = None) -> None:
        self._limits = Limits()
        self._pipeline = PhotoPipeline(policy, bank, Workers(self._limits))
        self._clean_to = clean_to

    def judge(self, path: str, line: int, context: Context) -> tuple[JudgedPhoto, dict[str, object]]:
        """Return the judged photo and what the answer tells of it. Raises PhotoError."""
        judged = self._pipeline.judge(read_photo(path, self._limits.max_bytes), context)
        about: dict[str, object] = {
            "width": judged.width,
            "height": judged.height,
            "pdq": judged.pdq,
            "quality": judged.quality,
        }
        if self._clean_to is not None:
            target = self._clean_to / f"{line:06d}.jpg"
            target.write_bytes(judged.clean)
            about["clean"] = str(target)
        return judged, about

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pipeline.close()


def read_photo(path: str, most: int) -> bytes:
    """Return at most `most` + 1 bytes of a regular file: one too many is enough to be refused.

    Raises PhotoError (`photo_unreadable`); never waits for a pipe or a device.
    """
    try:
        # Not blocking: to open a pipe that nobody writes to would wait for ever.
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(number, "rb") as file:
            if not stat.S_ISREG(os.fstat(number).st_mode):
                raise PhotoError("photo_unreadable", "not a regular file")
            return file.read(most + 1)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "that is no name of a file"
        raise PhotoError("photo_unreadable", f"the file cannot be read: {why}") from None
