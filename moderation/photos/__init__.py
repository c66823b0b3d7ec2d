"""Judges photos: foreign bytes in, a verdict and a clean JPEG out; what touches the bytes is a process of its own."""

from __future__ import annotations

from moderation.photos.bank import Bank, BankError, Known, Match, load_bank, parse_bank
from moderation.photos.errors import PHOTO_CODES, PhotoError
from moderation.photos.judge import JudgedPhoto, PhotoPipeline
from moderation.photos.limits import Limits
from moderation.photos.workers import Workers

__all__ = [
    "PHOTO_CODES",
    "Bank",
    "BankError",
    "JudgedPhoto",
    "Known",
    "Limits",
    "Match",
    "PhotoError",
    "PhotoPipeline",
    "Workers",
    "load_bank",
    "parse_bank",
]
