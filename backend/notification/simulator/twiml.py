"""TwiML, as far as a page needs it: https://www.twilio.com/docs/voice/twiml."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree import ElementTree

SPOKEN = frozenset({"Say", "Play", "Pause"})
KNOWN = SPOKEN | {"Gather", "Redirect", "Hangup", "Message"}
#: Words a second of an unhurried voice.
WORDS_PER_S = 2.5


class TwimlError(Exception):
    """A document that Twilio would refuse: not XML, not a Response, or with a verb that is not known here."""


@dataclass(frozen=True)
class Verb:
    """One instruction: its name, attributes, text and what is inside it."""

    name: str
    text: str
    attributes: dict[str, str]
    inside: tuple[Verb, ...] = ()

    def lasts_s(self) -> float:
        """How long it takes to say, play or pause."""
        if self.name == "Pause":
            return float(self.attributes.get("length", "1"))
        return 0.3 + len(self.text.split()) / WORDS_PER_S


def parse(document: str) -> tuple[Verb, ...]:
    """The verbs of a TwiML document, in order. Raises `TwimlError`."""
    try:
        root = ElementTree.fromstring(document)  # noqa: S314 - our own webhook wrote it
    except ElementTree.ParseError as error:
        raise TwimlError(str(error)) from error
    if root.tag != "Response":
        raise TwimlError("the document is not a Response")
    return tuple(_verb(element) for element in root)


def _verb(element: ElementTree.Element) -> Verb:
    if element.tag not in KNOWN:
        raise TwimlError(f"unknown verb {element.tag}")
    return Verb(
        name=element.tag,
        text=" ".join("".join(element.itertext()).split()) if element.tag != "Gather" else "",
        attributes=dict(element.attrib),
        inside=tuple(_verb(child) for child in element) if element.tag == "Gather" else (),
    )
