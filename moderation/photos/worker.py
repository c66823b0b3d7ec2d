"""The process that touches foreign bytes: `python -I -m moderation.photos.worker LIMITS`; standard input is a socket.

Once it has loaded all it needs it shuts itself in: no new file, socket or process, no memory or CPU beyond the limits.
"""

from __future__ import annotations

import io
import math
import resource
import socket
import sys

import msgspec
from PIL import Image

from moderation.photos.clean import as_jpeg, clean_pixels
from moderation.photos.errors import PhotoError
from moderation.photos.header import read_header
from moderation.photos.limits import Limits
from moderation.photos.nsfw import Scorer, load_scorer
from moderation.photos.pdq import pdq
from moderation.photos.wire import Looked, receive_frame, send_frame
from moderation.untyped import untyped

_RESERVE_S = 60


def examine(data: bytes, limits: Limits, score: Scorer) -> tuple[Looked, bytes]:
    """Return what there is to say of a photo, and the clean JPEG. Raises PhotoError."""
    image = clean_pixels(data, read_header(data, limits), limits)
    jpeg = as_jpeg(image, limits)
    bits, quality = pdq(image)
    looked = Looked(width=image.width, height=image.height, pdq=bits.hex(), quality=quality, nsfw=_score(image, score))
    return looked, jpeg


def _score(image: Image.Image, score: Scorer) -> float | None:
    try:
        return score(image)
    except Exception:  # noqa: BLE001 - the judge makes a failure of it, as the policy says
        return None


def main() -> None:
    """Answer photos until the other side is gone."""
    limits = msgspec.json.decode(sys.argv[1], type=Limits)
    with socket.socket(fileno=0) as link:
        score = load_scorer()
        _warm_up(limits, score)
        _shut_in(limits)
        send_frame(link, b"ready")
        while True:
            try:
                data = receive_frame(link)
            except (EOFError, OSError):
                return
            _grant_cpu(limits)
            _answer(link, data, limits, score)


def _answer(link: socket.socket, data: bytes, limits: Limits, score: Scorer) -> None:
    try:
        looked, jpeg = examine(data, limits, score)
    except PhotoError as error:
        looked, jpeg = Looked(error=error.code, detail=error.message), b""
    except MemoryError:
        looked, jpeg = Looked(error="photo_out_of_memory"), b""
    send_frame(link, msgspec.json.encode(looked))
    send_frame(link, jpeg)


def _warm_up(limits: Limits, score: Scorer) -> None:
    """Do everything once: what is imported or opened at first use cannot be later."""
    untyped("PIL.MpoImagePlugin")  # what a JPEG with a second picture inside becomes
    picture, notes = Image.linear_gradient("L").convert("RGB"), Image.Exif()
    notes[0x0112] = 6
    for kind in ("JPEG", "PNG", "WEBP"):
        file = io.BytesIO()
        picture.save(file, kind, exif=notes)
        looked, _ = examine(file.getvalue(), limits, score)
        if looked.nsfw is None:
            raise RuntimeError("the model does not run")


def _shut_in(limits: Limits) -> None:
    """Take from this process what it needs no more; the numbers are hard limits, it cannot raise them again."""
    for what in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC, resource.RLIMIT_NOFILE):
        resource.setrlimit(what, (0, 0))
    if sys.platform != "darwin":  # which knows the limit and does not keep it
        resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    total = math.ceil(_cpu_used()) + _RESERVE_S + limits.cpu_s * limits.photos_per_worker
    resource.setrlimit(resource.RLIMIT_CPU, (total, total))


def _grant_cpu(limits: Limits) -> None:
    """Let the next photo have its seconds; beyond them the kernel sends SIGXCPU, which ends the process."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (min(hard, math.ceil(_cpu_used()) + limits.cpu_s), hard))


def _cpu_used() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
