#!/usr/bin/env python3
"""Writes pattern_golden.json: what tokenizer patterns match in random texts, by the regex module, which works on code points. Needs regex."""
import json
import os
import random

import regex

PATTERNS = [
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
    "[一-龥぀-ゟ゠-ヿ]+", r"\p{N}{1,3}", r"(?<=[a-z])(?=[A-Z])|\P{L}+", r"(?<!a)b+?c?|x{2,}+y|(?>a|ab)c", r"(a|b)*c|\Aa|^\s|\S$", r"[^\p{Lu}\d\s-]+|[\d\-]{2}", r"(?i)[k-s]+|STRASSE|é", r"a.?b|(?s:a.b)|\bab\b|\Bb",
    r"(?:ab?){2,3}|a??b|\x41\u00e9", r"\p{Han}+|\p{Hiragana}+|\p{^L}",
]
ALPHABET = ["a", "b", "c", "x", "y", "A", "B", "Z", "k", "s", "S", "ſ", "t", "r", "e", "v", "l", "L", "E", "'", "'", " ", " ", " ", "\n", "\r", "\t", "\u00a0", "\u3000", "1", "2", "٣", "½", "Ⅷ", "𝟘", "é", "É", "ß", "ǅ",
            "ʰ", "漢", "字", "あ", "ア", "ー", "\u0301", "\u093e", "𝒜", "𐐀", "𐐨", "😀", "👩", "\u200d", "🇩", "!", "-", "_", "/", "(", "$", "€", "…", "、", "\u0000", "\u200b", "\ufffd", "\U0010ffff", "ק", "م", "한", "\u110b"]
randomness = random.Random(20261124)
texts = ["".join(randomness.choice(ALPHABET) for _ in range(randomness.randint(1, 24))) for _ in range(60)]
texts += ["aab abc xxxy ab'S don't WE'LL", "helloWorldFOOBar ab\nab", "a\nb a b", "abcabcc acabc", "   \n \n  x  ", "12345 漢字かなカナ67"]
cases = [{"pattern": pattern, "matches": [[match.group() for match in regex.finditer(pattern, text, regex.MULTILINE) if match.group()] for text in texts]} for pattern in PATTERNS]
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "pattern_golden.json"), "w", encoding="utf-8") as file:
    json.dump({"reference": f"regex {regex.__version__}", "texts": texts, "cases": cases}, file, ensure_ascii=True)
    file.write("\n")
