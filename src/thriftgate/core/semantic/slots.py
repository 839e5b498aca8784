"""What must be the same in two questions before the answer to one may serve the other.

How alike texts look says little about a digit, a name or a "not": "Is 5 mg safe?" and "Is 50 mg safe?" are neighbours in any
space. So whatever of this kind stands in a question is taken out and compared by itself, in its order:

    numbers with their units and currencies, dates and times, in digits or words    names and other capitalised words
    identifiers of code, paths, file names      quoted texts, code, formulas        addresses of the web and of mail
    negations, how many                         words that have an opposite         what is asked for: time, place, person …

Two questions with other slots are never alike, however near. Two more things need both texts (`swapped`): one that differs
from the other by a word in the same place, and one that is the other in another order. In doubt a slot is found where none
is: that costs an answer that could have been given, and never gives a wrong one.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from thriftgate.core.semantic.slot_words import (
    AMOUNTS,
    ASKED,
    NEGATION_PARTS,
    NEGATIONS,
    NEGATIVE_ENDINGS,
    POLES,
    STARTERS,
    UNITS,
    words_in,
)

TEXT_CHARS = 4_000
"""A longer question is not compared: too much stands in it that no slot tells."""

_QUOTED = re.compile(
    r"```.*?```|`[^`\n]+`|\"[^\"\n]+\"|“[^”\n]+”|„[^“”\n]+[“”]|«[^»\n]+»|「[^」\n]+」|(?<!\w)'[^'\n]+'(?!\w)", re.DOTALL
)
# Each begins where nothing that it could have begun with stands before, so that no text takes long.
_ADDRESS = re.compile(
    r"(?<![a-z0-9+.-])[a-z][a-z0-9+.-]*://\S+|\bwww\.\S+|(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
    r"|(?<![\w.-])[\w-]+(?:\.[\w-]+)*\.(?:com|org|net|io|dev|co|de|fr|uk|eu)\b(?:/\S*)?",
    re.IGNORECASE,
)
_CODE = re.compile(
    r"(?<![\w.-])[\w.-]*[/\\][\w./\\-]+|(?<![\w.])(?![\d.]+(?![\w.]))\w+(?:\.\w+)+(?:\(\))?|\b\w+\(\)|\b[A-Za-z]+_\w+|\b_\w+"
    r"|(?<!\S)--?[a-zA-Z][\w-]*|(?<!\w)[#@$][A-Za-z]\w*|\b[a-z]+[A-Z]\w*|\b[A-Za-z]+\d\w*|\b\d+[A-Za-z]\w*\d\w*"
)
# A number with its sign, currency, grouping and fraction. A blank groups digits only before three of them.
_NUMBER = re.compile(r"[-+−±~<>≤≥=]?\s?[€$£¥₹]?\s?\d(?:[\d.,:/'’-]|[ \u00a0\u202f](?=\d{3}(?!\d)))*(?<=\d)", re.UNICODE)
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_SYMBOLS = re.compile(r"[%‰°€$£¥₹<>≤≥=≠+*/^|&~±×÷√∞→←↑↓✓✗✔✘]")
_EMOJI = re.compile(r"[\U0001F000-\U0001FAFF\u2600-\u27BF]")

_COUNTING = {
    word: value
    for value, words in {
        "0": "zero null cero zéro", "1": "single", "2": "two zwei deux dos due twice pair",
        "3": "three drei trois tres tre thrice",
        "4": "four vier quatre cuatro quattro", "5": "five fünf cinq cinco cinque", "6": "six sechs seis sei",
        "7": "seven sieben sept siete sette", "8": "eight acht huit ocho otto", "9": "nine neun neuf nueve nove",
        "10": "ten zehn dix diez dieci", "11": "eleven elf onze once", "12": "twelve zwölf douze doce dozen dutzend",
        "13": "thirteen", "14": "fourteen", "15": "fifteen", "16": "sixteen", "17": "seventeen", "18": "eighteen",
        "19": "nineteen", "20": "twenty zwanzig vingt veinte", "30": "thirty dreißig trente treinta", "40": "forty vierzig",
        "50": "fifty fünfzig", "60": "sixty sechzig", "70": "seventy siebzig", "80": "eighty achtzig",
        "90": "ninety neunzig", "100": "hundred hundert cent cien", "1000": "thousand tausend mille mil",
        "1000000": "million millions millionen", "1000000000": "billion billions milliarde milliarden",
        "1/2": "half halb demi", "1/4": "quarter viertel", "1/3": "third drittel",
        "2nd": "second zweite deuxième", "4th": "fourth", "5th": "fifth",
    }.items()
    for word in words.split()
}  # fmt: skip
_CALENDAR = frozenset(
    words_in("""
    monday tuesday wednesday thursday friday saturday sunday tues thurs weekday weekend
    january february march april june july august september october november december jan feb apr jun jul aug sep sept
    oct nov today tomorrow yesterday tonight morning afternoon evening night noon midnight
    seconds minute minutes hour hours day days week weeks month months quarter quarters year years decade century
    daily weekly monthly quarterly yearly annually annual hourly spring summer autumn winter easter christmas
    montag dienstag mittwoch donnerstag freitag samstag sonntag januar februar märz mai juni juli oktober dezember heute
    morgen gestern tag tage woche wochen monat monate jahr jahre stunde stunden
    lundi mardi mercredi jeudi vendredi samedi dimanche janvier février mars avril juin juillet août aujourd'hui demain hier
    jour jours semaine semaines mois année années heure heures
    lunes martes miércoles jueves viernes sábado domingo enero febrero marzo mayo junio julio agosto hoy mañana ayer
    día días semana semanas mes meses año años hora horas
    """)
)


class Slots(NamedTuple):
    """`key` is equal for two questions just where all their slots are; `words` are all words in order, for `swapped`."""

    key: str
    words: tuple[str, ...]


def slots_of(text: str) -> Slots | None:
    """The slots of a question; None for one that is too long, or says nothing."""
    text = unicodedata.normalize("NFKC", text).strip()
    if not text or len(text) > TEXT_CHARS:
        return None
    found: list[str] = []
    rest = text
    for mark, pattern in (("q", _QUOTED), ("u", _ADDRESS), ("c", _CODE)):
        found += (f"{mark}:{piece}" for piece in pattern.findall(rest))
        rest = pattern.sub(f" {mark.upper()} ", rest)
    numbers = [_digits(piece.group()) + _unit(rest, piece.end()) for piece in _NUMBER.finditer(rest)]
    bare = _NUMBER.sub(" 0 ", rest)
    found += (f"n:{number}" for number in numbers)
    found += (f"s:{sign}" for sign in _SYMBOLS.findall(rest) + _EMOJI.findall(rest))
    words = [word.lower().replace("’", "'") for word in _WORD.findall(bare)]
    found += _told_bywords_in(words)
    found += (f"e:{name}" for name in _names(bare))
    parts = sum(text.count(part) for part in NEGATION_PARTS)
    found += [f"-:{parts}"] if parts else []
    found += [f"?:{'?' in text or '？' in text}"] if _is_han(text) else []
    return Slots("\n".join(found), tuple(_WORD.findall(text.lower())) + tuple(numbers))


def swapped(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether two questions with equal slots differ as two sentences do that ask for different things: by one or two
    words in the same places, which are no forms of one word, or by nothing but the order of their words."""
    if one == other:
        return False
    if sorted(one) == sorted(other):
        return True
    if len(one) != len(other):
        return _one_more(one, other) if abs(len(one) - len(other)) == 1 else False
    differing = [(mine, yours) for mine, yours in zip(one, other, strict=True) if mine != yours]
    if len(differing) > 2 or 2 * len(differing) > len(one):
        return False
    return any(not _forms_of_one(*pair) and not (pair[0] in STARTERS and pair[1] in STARTERS) for pair in differing)


def _one_more(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether the longer one has a single word more, which says something, within otherwise the same words."""
    short, long = sorted((one, other), key=len)
    at = next((at for at, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    return short[at:] == long[at + 1 :] and long[at] not in STARTERS


def _forms_of_one(one: str, other: str) -> bool:
    """Whether two words are likely forms of one: card and cards, order and ordered, or one with a slip of the key."""
    short, long = sorted((one, other), key=len)
    if len(short) >= 3 and long.startswith(short) and len(long) - len(short) <= 3:
        return True
    same = next((at for at, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    return same >= 4 and same >= len(long) - 4 and len(short) - same <= 3


def _told_bywords_in(words: list[str]) -> list[str]:
    """Slots that words tell, each kind in its order, without what stands between them."""
    found: list[str] = []
    negations = 0
    for at, word in enumerate(words):
        plain = word.replace("'", "")
        if plain in NEGATIONS or word in NEGATIONS or word.endswith(NEGATIVE_ENDINGS):
            negations += 1
        if word in _COUNTING:
            found.append(f"n:{_COUNTING[word]}")
        if word in _CALENDAR:
            found.append(f"d:{word.removesuffix('s') if len(word) > 4 else word}")
        asks = word.split("'")[0]
        if asks in ASKED:
            found.append(f"a:{ASKED[asks]}")
        if at + 1 < len(words) and f"{word} {words[at + 1]}" in AMOUNTS:
            found.append(f"a:{words[at + 1]}")
    found += [f"-:{negations}"] if negations else []
    found += sorted({f"o:{POLES[word]}" for word in words if word in POLES})
    return found


def _names(text: str) -> list[str]:
    """Capitalised words, in order, but for those that only begin a sentence. A word in capitals always is one."""
    found: list[str] = []
    fresh = True
    at = 0
    for word in _WORD.finditer(text):
        between = text[at : word.start()]
        fresh = fresh or bool(re.search(r"[.!?:;\n。！？]|\d\)", between))
        one = word.group()
        plain = one.lower().replace("’", "'").replace("'", "")
        if one[0].isupper() and one not in ("I", "Q", "U", "C") and not plain.startswith(("im", "ive", "ill", "id")):
            shouts = len(one) > 1 and one.isupper()
            if (shouts and plain not in STARTERS) or plain not in STARTERS:
                found.append(plain.removesuffix("s"))
        fresh = False
        at = word.end()
    return found


def _digits(piece: str) -> str:
    """A number as it is compared: without blanks and grouping that cannot change it, digits of any script as ASCII."""
    plain = "".join(str(unicodedata.digit(char)) if unicodedata.digit(char, None) is not None else char for char in piece)
    plain = re.sub(r"[\s'’\u00a0\u202f]", "", plain).strip(".,:;-/") if plain[:1] not in "-−" else "-" + plain[1:].strip()
    return re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", plain)


def _unit(text: str, at: int) -> str:
    """The unit that stands right behind a number."""
    behind = re.match(r"\s?([^\W\d_]+)", text[at : at + 24])
    word = behind.group(1).lower() if behind else ""
    if word in STARTERS:
        return ""
    return next((f" {form}" for form in (word, word.removesuffix("s")) if form in UNITS), "")


def _is_han(text: str) -> bool:
    return any("\u3040" <= char <= "\u30ff" or "\u4e00" <= char <= "\u9fff" for char in text)
