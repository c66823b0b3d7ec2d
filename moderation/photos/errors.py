"""Why a photo cannot be judged: stable codes."""

from __future__ import annotations

PHOTO_CODES: dict[str, str] = {
    "photo_unreadable": "The file cannot be read.",
    "photo_empty": "The photo has no bytes.",
    "photo_too_large": "The photo has too many bytes.",
    "photo_type_unsupported": "Only JPEG, PNG and WebP are taken; what counts is the content, not the name.",
    "photo_too_many_pixels": "The photo is too wide, too high, or has too many pixels.",
    "photo_broken": "The photo is cut short or damaged.",
    "photo_out_of_time": "The photo took too long to read.",
    "photo_out_of_memory": "The photo took too much memory to read.",
    "photo_failed": "The photo could not be read: the process that tried died.",
    "photo_busy": "Too many photos are being read; try again.",
}


class PhotoError(Exception):
    """A photo that is not judged. `code` is one of PHOTO_CODES; the message has no content of the photo."""

    def __init__(self, code: str, detail: str = "") -> None:
        self.code, self.message = code, detail or PHOTO_CODES[code]
        super().__init__(f"{code}: {self.message}")
