"""Character tables of the normaliser: what looks like what, and what cannot be seen."""

from __future__ import annotations

import unicodedata

CYRILLIC = "Ѐ-ӿԀ-ԯ"
GREEK = "Ͱ-Ͽ"
LATIN = "A-Za-zÀ-ÖØ-öø-ʯḀ-ỿ"

# One to one, so that spans stay: typographic signs as people's keyboards "improve" them.
TYPOGRAPHIC = {
    ord(sign): plain
    for signs, plain in (("’‘ʼʻ′`´", "'"), ("“”„‟«»″", '"'), ("‐‑‒–—―−", "-"), ("…", "."), ("№", "№"))
    for sign in signs
}

# Letters that a reader takes for Latin ones, by script; the second table holds only in a word that is Latin otherwise.
CYRILLIC_TO_LATIN = dict(zip("асеорхуіјѕһԁԛԝӏкмтнвь", "aceopxyijshdqwlkmthbb", strict=True))
CYRILLIC_LOOSE_TO_LATIN = dict(zip("пгияз", "nrure", strict=True))
GREEK_TO_LATIN = dict(zip("αβγεζηικμνορτυχωϲϳσ", "abyeznikuvoptuxwcjo", strict=True))
LATIN_TO_CYRILLIC = dict(zip("aceopxykmthbiunr", "асеорхукмтнвіипг", strict=True))
# Cyrillic letters of no Russian or Kazakh word: they are there to deceive.
DECEIVING = frozenset("ѕјԁԛԝӏ")
# Letters that the other script has nothing like.
ONLY_CYRILLIC = frozenset("бгджзийлпфцчшщъыэюяёәғқңөұү")
ONLY_LATIN = frozenset("dfgjlqsvwzunr")
# Phonetic and small capital letters; no alphabet of our markets uses them.
LATIN_LOOKALIKES = dict(zip("ɑɡɩʏʀɪɴʙʟʜᴀᴄᴅᴇᴊᴋᴍᴏᴘᴛᴜᴠᴡᴢꜱꜰƒⅼ", "agiyrinblhacdejkmoptuvwzsffl"[:28], strict=True))


def _emoji_letters() -> dict[str, str]:
    letters: dict[str, str] = {}
    for first in (0x1F130, 0x1F150, 0x1F170):  # squared, negative circled, negative squared capitals
        letters |= {chr(first + number): chr(ord("a") + number) for number in range(26)}
    letters |= {chr(0x2776 + number): str(number + 1) for number in range(9)}  # dingbat digits
    letters |= {chr(0x278A + number): str(number + 1) for number in range(9)}
    return letters


EMOJI_LETTERS = _emoji_letters()
REGIONAL_FIRST, REGIONAL_LAST = 0x1F1E6, 0x1F1FF

_INVISIBLE_EXTRA = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u3164\uffa0\u20e3")


def is_invisible(char: str) -> bool:
    """Whether a reader sees nothing of it: format marks, bidi, tags, variation selectors, fillers, stray controls."""
    code = ord(char)
    if char in _INVISIBLE_EXTRA or 0xFE00 <= code <= 0xFE0F or 0xE0000 <= code <= 0xE0FFF:
        return True
    category = unicodedata.category(char)
    return category in {"Cf", "Cn", "Co", "Cs"} or (category == "Cc" and char not in "\n\t\r")


# The match table: accents off, Kazakh letters to the Russian ones that people type instead; й stays. One to one.
_KAZAKH = dict(zip("әғқңөұүһіё", "агкноуухие", strict=True))
_LATIN_STROKES = dict(zip("øłđħŧıĸæœßðþſ", "oldhtikaosdps", strict=True))


class MatchTable(dict[int, str]):
    """For `str.translate`: fills itself, one entry a character, bounded by Unicode."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        if char in _KAZAKH:
            folded = _KAZAKH[char]
        elif char == "й":
            folded = char
        elif char in _LATIN_STROKES:
            folded = _LATIN_STROKES[char]
        else:
            base = unicodedata.normalize("NFD", char)[0]
            folded = base if base.isalpha() and not 0xAC00 <= code <= 0xD7A3 else char
            folded = _KAZAKH.get(folded, folded)
        self[code] = folded
        return folded


LEET_LATIN = str.maketrans("013456789@$!|€£", "oieasgtbgasiles"[:15])
LEET_LATIN_ELL = str.maketrans("013456789@$!|€£", "oleasgtbgaslles"[:15])
LEET_CYRILLIC = str.maketrans("03461@$", "озчбиас")
