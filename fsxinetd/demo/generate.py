#!/usr/bin/env python3
"""Makes numbering-plan.gz: the real prefixes of the demonstration deck.

Why: a routing engine shown on ten made-up prefixes shows nothing. The prefixes, countries, places and
operators here are real; they come from Google's libphonenumber (Apache-2.0) by way of its Python port,
the PyPI package `phonenumbers` (see NOTICE beside this file). There are no prices in the file: the
daemon makes sample prices when it loads it, and says so.

To run it again:

    python3 -m venv venv && venv/bin/pip install phonenumbers==9.0.43
    venv/bin/python generate.py numbering-plan.gz

The same package version gives the same bytes. The format is described in FORMAT below; the reader is
fsxinetd/src/demo/plan.rs.

Where each part comes from:
- operators of mobile prefixes:   phonenumbers.carrierdata
- places of landline prefixes:    phonenumbers.geodata
- premium, toll-free and other    phonenumbers.data: the national number patterns, expanded to the
  special ranges, mobile ranges:  shortest prefixes under which every number is of that type
- names of countries:             phonenumbers.geodata.locale
"""

import functools
import gzip
import sys

try:
    from re import _constants as sre, _parser as sre_parse
except ImportError:  # before Python 3.11
    import sre_constants as sre
    import sre_parse

import phonenumbers
from phonenumbers.carrierdata import CARRIER_DATA
from phonenumbers.geodata import GEOCODE_DATA
from phonenumbers.geodata.locale import LOCALE_DATA

FORMAT = """\
# fsx numbering plan 1, from phonenumbers {version} (libphonenumber, Apache-2.0; see NOTICE).
# Lines "=CC Name": a country. Lines "@Name": a place or operator, numbered from 1.
# Other lines are prefixes in order: how many digits are kept of the one before (one digit), the rest
# of the digits, then what changed since the line before: a capital pair is the country, a small letter
# the type (l Landline, m Mobile, p Premium, f Freephone, s Shared cost, n Personal, g Pager, v VoIP,
# u Universal access, o Satellite or other international), and #n the name (0 is none).
"""

# The order says which type wins where two patterns hold the same prefix.
TYPES = [
    ("p", "premium_rate"),
    ("f", "toll_free"),
    ("s", "shared_cost"),
    ("m", "mobile"),
    ("n", "personal_number"),
    ("g", "pager"),
    ("v", "voip"),
    ("u", "uan"),
]

# Codes that belong to no country (ITU-T E.164 assignments).
WORLD = {
    "800": ("f", "Universal freephone"),
    "808": ("s", "Universal shared cost"),
    "870": ("o", "Inmarsat"),
    "878": ("n", "Universal personal"),
    "881": ("o", "Global mobile satellite"),
    "882": ("o", "International networks"),
    "883": ("o", "International networks"),
    "888": ("o", "Disaster relief"),
    "979": ("p", "International premium rate"),
}

# Countries that the locale data does not name.
OTHER_NAMES = {"AC": "Ascension Island", "TA": "Tristan da Cunha", "XK": "Kosovo"}

# Deepest national digits that a pattern is expanded to; below it a partly matching prefix counts.
DEPTH = {"m": 5}
DEPTH_DEFAULT = 6

DIGITS = "0123456789"


class Automaton:
    """The digit strings of some patterns, as a deterministic automaton built on demand.

    A position is a tuple: what is still to be read, as a linked list of parsed regex items. That is
    enough for these patterns: literals, classes, groups, choices and counted repeats.
    """

    def __init__(self, patterns):
        self.start = frozenset(
            pos
            for pattern in patterns
            for pos in _enter(_items(sre_parse.parse(pattern)), None)
        )

    @staticmethod
    @functools.lru_cache(maxsize=None)
    def step(state, digit):
        return frozenset(
            nxt
            for pos in state
            if pos is not None and digit in pos[0]
            for nxt in _enter((), pos[1])
        )


def _items(parsed):
    """A parsed regex as nested tuples, which can be hashed and compared."""
    out = []
    for op, arg in parsed:
        if op is sre.LITERAL:
            out.append(("set", frozenset(chr(arg))))
        elif op is sre.IN:
            chars = set()
            for kind, value in arg:
                if kind is sre.LITERAL:
                    chars.add(chr(value))
                elif kind is sre.RANGE:
                    chars.update(chr(c) for c in range(value[0], value[1] + 1))
                elif kind is sre.CATEGORY and value is sre.CATEGORY_DIGIT:
                    chars.update(DIGITS)
                else:
                    raise ValueError(f"class {kind} {value}")
            out.append(("set", frozenset(chars)))
        elif op is sre.CATEGORY and arg is sre.CATEGORY_DIGIT:
            out.append(("set", frozenset(DIGITS)))
        elif op is sre.SUBPATTERN:
            out.extend(_items(arg[-1]))
        elif op is sre.BRANCH:
            out.append(("any", tuple(_items(branch) for branch in arg[1])))
        elif op in (sre.MAX_REPEAT, sre.MIN_REPEAT):
            low, high, inner = arg
            if high > 20:
                raise ValueError("unbounded repeat")
            out.append(("repeat", low, high, _items(inner)))
        else:
            raise ValueError(f"regex item {op}")
    return tuple(out)


def _enter(items, rest):
    """All positions from which the next digit may be read, for `items` followed by `rest`.

    A position is (digits accepted, rest) or None for the end of the number; `rest` is None or
    (items, rest).
    """
    while not items:
        if rest is None:
            return {None}
        items, rest = rest
    head, tail = items[0], items[1:]
    after = (tail, rest) if tail else rest
    if head[0] == "set":
        return {(head[1], after)}
    if head[0] == "any":
        return set().union(*(_enter(branch, after) for branch in head[1]))
    _, low, high, inner = head
    found = set()
    if low == 0:
        found |= _enter((), after)
    if high > 0:
        again = (("repeat", max(low - 1, 0), high - 1, inner),)
        found |= _enter(inner, (again, after))
    return found


@functools.lru_cache(maxsize=None)
def uniform(state):
    """Whether every digit leads on alike: the prefix so far needs no more digits to be told."""
    if state == frozenset({None}):
        return True
    nexts = {Automaton.step(state, d) for d in DIGITS}
    return len(nexts) == 1 and all(n and uniform(n) for n in nexts)


def shortest_prefixes(automaton, depth):
    """The shortest prefixes under which every number matches, none longer than `depth`."""
    out, todo = [], [("", automaton.start)]
    while todo:
        prefix, state = todo.pop()
        if prefix and (len(prefix) == depth or uniform(state)):
            out.append(prefix)
            continue
        for d in DIGITS:
            nxt = Automaton.step(state, d)
            if nxt:
                todo.append((prefix + d, nxt))
    return out


def alive(automaton, digits):
    state = automaton.start
    for d in digits:
        state = Automaton.step(state, d)
        # A number that ended earlier than the prefix still belongs to the region.
        if not state:
            return False
    return True


def patterns(meta, names):
    out = []
    for name in names:
        desc = getattr(meta, name)
        if desc is not None and desc.national_number_pattern:
            out.append(desc.national_number_pattern)
    return out


ALL_TYPES = ["fixed_line"] + [name for _, name in TYPES]


@functools.lru_cache(maxsize=None)
def region_automaton(region):
    meta = phonenumbers.PhoneMetadata.metadata_for_region(region)
    return Automaton(patterns(meta, ALL_TYPES))


def split(prefix):
    for n in (1, 2, 3):
        if int(prefix[:n]) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
            return prefix[:n], prefix[n:]
    return None, None


def country_of(prefix):
    """The region a prefix belongs to: the main one of its code unless only another can hold it."""
    code, national = split(prefix)
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE[int(code)]
    if regions[0] == "001":
        return "ZZ"
    for region in regions:  # The main region comes first.
        if alive(region_automaton(region), national):
            return region
    return regions[0]


def kind_of(prefix, special, otherwise):
    """The type of the special range that a prefix lies in."""
    for cut in range(len(prefix), 0, -1):
        if prefix[:cut] in special:
            return special[prefix[:cut]][1]
    return otherwise


def operator_of(prefix):
    for cut in range(len(prefix), 0, -1):
        if prefix[:cut] in CARRIER_DATA:
            return english(CARRIER_DATA[prefix[:cut]])
    return ""


def country_name(code):
    if code == "ZZ":
        return "International"
    names = LOCALE_DATA.get(code, {})
    name = names.get("en", "")
    # "*xx" stands for: the same as in language xx.
    while name.startswith("*"):
        name = names.get(name[1:], "")
    return name or OTHER_NAMES[code]


def english(names):
    return names.get("en") or (names[sorted(names)[0]] if names else "")


def main(path):
    rows = {}  # prefix -> (country, type, name)

    # Weakest first: a later source replaces what an earlier one said of the same prefix.
    for code, regions in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items():
        if regions[0] == "001":
            kind, name = WORLD[str(code)]
            rows[str(code)] = ("ZZ", kind, name)
            continue
        rows[str(code)] = (regions[0], "l", "")
        for region in regions:
            meta = phonenumbers.PhoneMetadata.metadata_for_region(region)
            if meta.leading_digits:
                for p in shortest_prefixes(Automaton([meta.leading_digits]), DEPTH_DEFAULT):
                    rows[f"{code}{p}"] = (region, "l", "")

    special = {}
    shared_last = sorted(
        phonenumbers.SUPPORTED_REGIONS,
        # A range that several countries share goes to the main one, so that one comes last.
        key=lambda r: (phonenumbers.COUNTRY_CODE_TO_REGION_CODE[
            phonenumbers.country_code_for_region(r)][0] == r, r),
    )
    for kind, name in reversed(TYPES):
        for region in shared_last:
            meta = phonenumbers.PhoneMetadata.metadata_for_region(region)
            found = patterns(meta, [name])
            if not found or (name == "mobile" and found == patterns(meta, ["fixed_line"])):
                continue  # The North American plan does not tell mobile from fixed.
            for p in shortest_prefixes(Automaton(found), DEPTH.get(kind, DEPTH_DEFAULT)):
                special[f"{meta.country_code}{p}"] = (region, kind)

    for prefix, names in GEOCODE_DATA.items():
        kind = kind_of(prefix, special, "l")
        # Under a mobile range the operator tells more than the place.
        name = (operator_of(prefix) if kind == "m" else "") or english(names)
        rows[prefix] = (country_of(prefix), kind, name)
    for prefix, (region, kind) in special.items():
        rows[prefix] = (region, kind, operator_of(prefix) if kind == "m" else "")
    for prefix, names in CARRIER_DATA.items():
        rows[prefix] = (country_of(prefix), kind_of(prefix, special, "m"), english(names))

    countries = sorted({c for c, _, _ in rows.values()})
    names = sorted({n for _, _, n in rows.values() if n})
    index = {name: i for i, name in enumerate(names, 1)}
    index[""] = 0
    lines = [FORMAT.format(version=phonenumbers.__version__).rstrip("\n")]
    for c in countries:
        lines.append(f"={c} {country_name(c)}")
    lines.extend("@" + " ".join(name.split()) for name in names)
    last, was = "", ("", "", 0)
    for prefix in sorted(rows):
        country, kind, name = rows[prefix]
        keep = 0
        while keep < min(len(last), len(prefix), 9) and last[keep] == prefix[keep]:
            keep += 1
        line = f"{keep}{prefix[keep:]}"
        if country != was[0]:
            line += country
        if kind != was[1]:
            line += kind
        if index[name] != was[2]:
            line += f"#{index[name]}"
        lines.append(line)
        last, was = prefix, (country, kind, index[name])
    data = ("\n".join(lines) + "\n").encode()
    with open(path, "wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as out:
        out.write(data)
    print(f"{len(rows)} prefixes, {len(countries)} countries, {len(names)} names, {len(data)} bytes before gzip")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: generate.py OUTPUT.gz")
    main(sys.argv[1])
