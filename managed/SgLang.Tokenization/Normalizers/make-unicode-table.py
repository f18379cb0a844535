#!/usr/bin/env python3
"""Writes UnicodeNormalization.txt from the Unicode character database: make-unicode-table.py DIR (Debian: /usr/share/unicode of unicode-data).

One line per code point that has a combining class or a decomposition: code;class;kind;code code ...
kind: c canonical, e canonical but excluded from composition, k compatibility, empty for none. Hangul syllables are algorithmic and absent.
"""
import os
import sys

source = sys.argv[1]
target = os.path.join(os.path.dirname(os.path.abspath(__file__)), "UnicodeNormalization.txt")
excluded = set()
with open(os.path.join(source, "CompositionExclusions.txt"), encoding="utf-8") as file:
    for line in file:
        code = line.split("#")[0].strip()
        if code:
            excluded.add(int(code, 16))

rows = {}
with open(os.path.join(source, "UnicodeData.txt"), encoding="utf-8") as file:
    for line in file:
        fields = line.rstrip("\n").split(";")
        code, combining, decomposition = int(fields[0], 16), int(fields[3]), fields[5]
        if combining or decomposition:
            rows[code] = (combining, decomposition)

with open(target, "w", encoding="ascii", newline="\n") as file:
    for code, (combining, decomposition) in sorted(rows.items()):
        parts = decomposition.split()
        kind = ""
        if parts and parts[0].startswith("<"):
            kind, parts = "k", parts[1:]
        elif parts:
            # Singletons and decompositions that begin with a mark never compose (UAX 15, full composition exclusion).
            first = int(parts[0], 16)
            never = code in excluded or len(parts) == 1 or combining != 0 or rows.get(first, (0, ""))[0] != 0
            kind = "e" if never else "c"
        file.write(f"{code:X};{combining};{kind};{' '.join(parts)}\n")
