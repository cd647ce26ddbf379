"""Ways to damage a file, each a function of its bytes and of a random generator."""

import gzip
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import yaml

__all__ = ["mutated"]

BLOCK, CARD = 2880, 80
#: values that a keyword may be given, as they stand in a header
VALUES = (
    *("0", "1", "-1", "2", "7", "999", "1000", "2147483647", "-2147483648", "99999999999999999999", "1E308", "1E-308"),
    *("-1.5", "0.5", "NaN", "1E400", "T", "F", "", "''", "'text'", "'1'", "'0'", "'TeV'", "'nonsense'", "'(1,2)'"),
    *("'a,b'", "'RA---TAN'", "'GLON-CAR'", "'lin'", "'log'", "'1D'", "'0D'", "'-1D'", "'999999999D'", "'1PD(3)'"),
    *("'16A'", "'1J'", "'{}'", "'[1'", "(1, 2)", "'utc'", "'TT'", "'NONE'", "'\"'", "'\u00e9'", "'$HOME'", "'../x'"),
)
#: units, known and not
UNITS = ("m", "TeV", "cm-2", "s", "foo", "", "1e400 m", "m^(9^9^9)", "deg", "Counts", "ph/cm2/s/TeV", "(((", "mag", "K")
#: keywords on which the size of what follows depends
SIZES = ("BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "NAXIS3", "NAXIS4", "PCOUNT", "GCOUNT", "TFIELDS", "TFORM1", "TFORM2")
#: numbers that the data of a file may be given
NUMBERS = (np.nan, 0.0, -1.0, np.inf, -np.inf, 1e300, -1e300, 1e-300, 1.0, 255.0)
#: cards that a file may be given
CARDS = (
    *(
        "WCSAXES = 99999999",
        "A_ORDER = 100000",
        "CTYPE3  = 'FREQ'",
        "LONPOLE = 1E400",
        "CPDIS1  = 'LOOKUP'",
        "PV2_1 = 1",
    ),
    *(
        "ZIMAGE  = T",
        "THEAP   = 99999999",
        "BSCALE  = 0",
        "BZERO   = NaN",
        "BLANK   = 1",
        "TZERO1  = 1E308",
        "TSCAL2 = 0",
    ),
    *("TNULL1  = 'x'", "TDIM1   = '(99999,99999)'", "TDIM2   = '(0)'", "TIMESYS = 'local'", "TIMESYS =", "GROUPS  = T"),
    *("EQUINOX = 1E99", "RADESYS = 'FK9'", "CUNIT1  = 'furlong'", "META    = '[1, 2'", 'META = \'{"livetime": "x"}\''),
)
#: tokens that a text may be given
TOKENS = (
    *("nan", ".inf", "-1", "0", "1e400", "1" * 5000, "null", "~", "true", "[]", "{}", "''", "&a", "*a", "*same", "<<"),
    *(
        "!!python/object:os.system",
        "!!binary x",
        "2020-99-99",
        "1:30:99",
        "0x1F",
        "\t",
        "\0",
        "\ufeff",
        "---",
        "...",
        "|",
    ),
    *("-", ":", "?", "{", "}", "[", "]", "#", "%", "@", "`", "m^(9^9^9)", "TeV**", "foo", "ph", "'", '"', "\U0001f600"),
)


NUMERALS = (
    "nan",
    ".inf",
    "-1",
    "0",
    "1",
    "1e400",
    "1e-400",
    "1.0e+300",
    "-0.0",
    "2",
    "7" * 5000,
    "0x7f",
    "1:30",
    "1e3",
)
#: what a part of a YAML file may become
PARTS = (
    *(None, True, 0, -1, 1, 2.5, float("nan"), float("inf"), -1e308, 10**400, "", "text", "TeV", "m^(9^9^9)", "1e400"),
    *(
        [],
        {},
        [[]],
        {"a": 1},
        [1, 2, 3],
        ["a"],
        [None],
        {1: 2},
        "2020-01-01",
        b"bytes",
        {"data": [1, 2], "unit": "TeV"},
    ),
)


@dataclass
class Hdu:
    """Cards and data of an HDU, the data padded to whole blocks."""

    cards: list[bytes]
    data: bytearray

    def join(self) -> bytes:
        """The HDU as it stands in a file."""
        header = b"".join(self.cards)
        data = bytes(self.data)
        return header.ljust(-(-len(header) // BLOCK) * BLOCK) + data.ljust(-(-len(data) // BLOCK) * BLOCK, b"\0")

    def number(self, keyword: str, default: int = 0) -> int:
        """Value of a keyword of an undamaged header."""
        found = [card for card in self.cards if card[:8].strip() == keyword.encode()]
        return int(found[0][10:].partition(b"/")[0]) if found else default

    @property
    def size(self) -> int:
        """Bytes of data, without padding."""
        shape = [self.number(f"NAXIS{axis + 1}") for axis in range(self.number("NAXIS"))]
        pixels = int(np.prod(shape)) if shape else 0
        return abs(self.number("BITPIX")) // 8 * (pixels + self.number("PCOUNT"))


def split(content: bytes) -> list[Hdu]:
    """HDUs of an undamaged file."""
    hdus, start = [], 0
    while start < len(content):
        cards = []
        while not cards or cards[-1].strip() != b"END":
            cards.append(content[start : start + CARD])
            start += CARD
        start = -(-start // BLOCK) * BLOCK
        hdu = Hdu(cards, bytearray())
        end = start + -(-hdu.size // BLOCK) * BLOCK
        hdu.data[:] = content[start:end]
        hdus.append(hdu)
        start = end
    return hdus


def _card(text: str) -> bytes:
    return text.encode("latin-1", "replace")[:CARD].ljust(CARD)


# --- of any file


def flip(content: bytes, rng: np.random.Generator) -> bytes:
    """Change a few bits anywhere."""
    damaged = bytearray(content)
    for _ in range(rng.integers(1, 9)):
        damaged[rng.integers(len(damaged))] ^= 1 << int(rng.integers(8))
    return bytes(damaged)


def cut(content: bytes, rng: np.random.Generator) -> bytes:
    """Leave out the end, at a block or anywhere."""
    end = int(rng.integers(len(content)))
    return content[: end // BLOCK * BLOCK if rng.integers(2) else end]


def splice(content: bytes, rng: np.random.Generator) -> bytes:
    """Leave out or repeat a stretch."""
    start, length = int(rng.integers(len(content))), int(rng.integers(1, 400))
    repeats = int(rng.integers(2)) * 2
    return content[:start] + content[start : start + length] * repeats + content[start + length :]


# --- of FITS files


def _edited(edit: Callable[[list[Hdu], np.random.Generator], None]) -> Callable[[bytes, np.random.Generator], bytes]:
    def mutate(content: bytes, rng: np.random.Generator) -> bytes:
        hdus = split(content)
        edit(hdus, rng)
        return b"".join(hdu.join() for hdu in hdus)

    mutate.__name__ = edit.__name__
    return mutate


def _some(hdus: list[Hdu], rng: np.random.Generator) -> Hdu:
    return hdus[rng.integers(len(hdus))]


def move_hdus(hdus: list[Hdu], rng: np.random.Generator) -> None:
    """Drop, double or move an HDU."""
    index = int(rng.integers(len(hdus)))
    hdu = hdus.pop(index)
    for _ in range(int(rng.integers(3))):
        hdus.insert(int(rng.integers(len(hdus) + 1)), hdu)


def lie(hdus: list[Hdu], rng: np.random.Generator) -> None:
    """Give one to three keywords another value."""
    for _ in range(rng.integers(1, 4)):
        cards = _some(hdus, rng).cards
        index = int(rng.integers(len(cards) - 1))
        keyword = cards[index][:8].decode("latin-1")
        cards[index] = _card(f"{keyword}= {VALUES[rng.integers(len(VALUES))]:>20}")


def lie_about_sizes(hdus: list[Hdu], rng: np.random.Generator) -> None:
    """Give a keyword another value on which the size of the data depends."""
    cards = _some(hdus, rng).cards
    found = [index for index, card in enumerate(cards) if card[:8].strip().decode("latin-1") in SIZES]
    index = found[rng.integers(len(found))]
    cards[index] = _card(f"{cards[index][:8].decode()}= {VALUES[rng.integers(len(VALUES))]:>20}")


def shuffle_cards(hdus: list[Hdu], rng: np.random.Generator) -> None:
    """Drop, double or move a card, or put in another."""
    cards = _some(hdus, rng).cards
    index, place = (int(number) for number in rng.integers(len(cards), size=2))
    way = rng.integers(4)
    if way == 3:
        cards.insert(min(place, len(cards) - 1), _card(CARDS[rng.integers(len(CARDS))]))
        return
    card = cards.pop(index)
    for _ in range(int(way)):
        cards.insert(place, card)


def swap_values(hdus: list[Hdu], rng: np.random.Generator) -> None:
    """Exchange the values of two keywords, such as NAXIS1 and NAXIS2, or the names of two columns."""
    cards = _some(hdus, rng).cards
    kind = (b"NAXIS", b"TTYPE", b"TFORM", b"CTYPE", b"AXCOLS", b"TUNIT", b"")[rng.integers(7)]
    found = [index for index, card in enumerate(cards) if card.startswith(kind) and card[8:10] == b"= "]
    if len(found) > 1:
        one, two = rng.choice(found, size=2, replace=False)
        cards[one], cards[two] = cards[one][:8] + cards[two][8:], cards[two][:8] + cards[one][8:]


def change_unit(hdus: list[Hdu], rng: np.random.Generator) -> None:
    """Give an image or a column another unit."""
    cards = _some(hdus, rng).cards
    found = [index for index, card in enumerate(cards) if card.startswith((b"TUNIT", b"BUNIT", b"CUNIT", b"TIMEUNIT"))]
    text = f"'{UNITS[rng.integers(len(UNITS))]}'"
    if found:
        index = found[rng.integers(len(found))]
        cards[index] = _card(f"{cards[index][:8].decode()}= {text:<20}")
    else:
        cards.insert(len(cards) - 1, _card(f"{('BUNIT', 'TUNIT1', 'TUNIT2')[rng.integers(3)]:<8}= {text:<20}"))


def change_numbers(hdus: list[Hdu], rng: np.random.Generator) -> None:
    """Overwrite some or all numbers of an HDU, as one of the types that they may be."""
    with_data = [hdu for hdu in hdus if hdu.size] or hdus
    hdu = _some(with_data, rng)
    kind = np.dtype((">f8", ">f4", ">i4", ">i2", ">i8", "u1")[rng.integers(6)])
    count = hdu.size // kind.itemsize
    if not count:
        return
    number = NUMBERS[rng.integers(len(NUMBERS))]
    with np.errstate(all="ignore"):
        value = np.float64(number).astype(kind)
    values = np.frombuffer(hdu.data, dtype=kind, count=count)
    start = int(rng.integers(count)) if rng.integers(2) else 0
    stop = start + 1 if rng.integers(2) else count
    values[start:stop] = value


def pack(content: bytes, rng: np.random.Generator) -> bytes:
    """Compress, and damage what came out or not."""
    packed = gzip.compress(content, 1)
    way = rng.integers(4)
    return packed if way == 0 else (flip, cut, splice)[way - 1](packed, rng)


# --- of texts


def _tokens(content: bytes) -> list[str]:
    return re.findall(r"\s+|[\w.+-]+|.", content.decode(), flags=re.DOTALL)


def change_token(content: bytes, rng: np.random.Generator) -> bytes:
    """Drop, double, replace or exchange tokens."""
    tokens = _tokens(content)
    for _ in range(rng.integers(1, 3)):
        index, other = (int(number) for number in rng.integers(len(tokens), size=2))
        way = rng.integers(4)
        if way == 0:
            tokens[index] = ""
        elif way == 1:
            tokens[index] *= 2
        elif way == 2:
            tokens[index] = TOKENS[rng.integers(len(TOKENS))]
        else:
            tokens[index], tokens[other] = tokens[other], tokens[index]
    return "".join(tokens).encode()


def change_value(content: bytes, rng: np.random.Generator) -> bytes:
    """Replace a number or a word."""
    tokens = _tokens(content)
    words = [index for index, token in enumerate(tokens) if re.fullmatch(r"[\w.+-]+", token)]
    choice = (*TOKENS, *UNITS)
    tokens[words[rng.integers(len(words))]] = choice[rng.integers(len(choice))]
    return "".join(tokens).encode()


def change_number(content: bytes, rng: np.random.Generator) -> bytes:
    """Replace a number by another."""
    tokens = _tokens(content)
    words = [index for index, token in enumerate(tokens) if re.fullmatch(r"[-+]?\d[\d.e+-]*", token)]
    if words:
        tokens[words[rng.integers(len(words))]] = NUMERALS[rng.integers(len(NUMERALS))]
    return "".join(tokens).encode()


def change_node(content: bytes, rng: np.random.Generator) -> bytes:
    """Replace, drop or exchange parts of a YAML file, so that it stays one."""
    data = yaml.safe_load(content)
    places = list(_places(data))
    (owner, key), (other, other_key) = (places[rng.integers(len(places))] for _ in range(2))
    way = rng.integers(4)
    if way == 0:
        del owner[key]
    elif way == 1:
        owner[key] = other[other_key]  # may become a part of itself, which YAML can say
    elif way == 2:
        owner[key], other[other_key] = other[other_key], owner[key]
    else:
        owner[key] = PARTS[rng.integers(len(PARTS))]
    return yaml.safe_dump(data, sort_keys=False).encode()


def _places(data: Any) -> Iterator[tuple[Any, Any]]:
    """Owner and key or index of everything in nested mappings and lists."""
    for key in list(data) if isinstance(data, dict) else range(len(data)):
        yield data, key
        if isinstance(data[key], dict | list):
            yield from _places(data[key])


def change_lines(content: bytes, rng: np.random.Generator) -> bytes:
    """Drop, double, move or indent a line."""
    lines = content.decode().splitlines(keepends=True)
    index, place = (int(number) for number in rng.integers(len(lines), size=2))
    line = lines.pop(index)
    way = rng.integers(4)
    for _ in range(int(way) % 3):
        lines.insert(place, line)
    if way == 3:
        lines.insert(index, " " * int(rng.integers(1, 5)) + line)
    return "".join(lines).encode()


ANY = (flip, cut, splice)
EDITS = (move_hdus, lie, lie, lie_about_sizes, shuffle_cards, swap_values, change_unit, change_numbers, change_numbers)
FITS = (*ANY, *(_edited(edit) for edit in EDITS), pack)
TEXT = (*ANY, change_token, change_value, change_number, change_number, change_lines)
YAML = (*TEXT, *(change_node,) * 5)


def mutated(content: bytes, rng: np.random.Generator) -> tuple[str, bytes]:
    """Return the name of a way to damage a file and the damaged file, once in five times damaged twice."""
    is_packed = content.startswith(b"\x1f\x8b")
    ways = FITS if is_packed or content.startswith(b"SIMPLE") else TEXT if content.startswith(b"# %ECSV") else YAML
    names = []
    plain = gzip.decompress(content) if is_packed else content
    way = ways[rng.integers(len(ways))]
    names.append(way.__name__)
    damaged = way(plain, rng)
    if rng.integers(5) == 0 and damaged:
        way = ANY[rng.integers(len(ANY))]
        names.append(way.__name__)
        damaged = way(damaged, rng)
    if is_packed and way is not pack and rng.integers(2):
        damaged = gzip.compress(damaged, 1)
    return "+".join(names), damaged
