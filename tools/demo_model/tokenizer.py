# SPDX-License-Identifier: GPL-3.0-or-later
"""CLIP's byte-pair tokenizer, for plain lower-case ASCII captions.

Source: Radford et al. 2021 (arXiv:2103.00020); Sennrich et al. 2016 (arXiv:1508.07909).
"""
import functools
import gzip
import re

START, END, LENGTH, ROWS = 49406, 49407, 77, 49408
_WORDS = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[a-z]+|[0-9]|[^\sa-z0-9]+")


def _byte_symbols():
    """One printable character per byte, in the vocabulary's order."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(256) if byte not in printable]
    return {**{byte: chr(byte) for byte in printable},
            **{byte: chr(256 + i) for i, byte in enumerate(rest)}}


class Tokenizer:
    def __init__(self, vocabulary):
        """vocabulary: path of bpe_simple_vocab_16e6.txt.gz."""
        with gzip.open(vocabulary, "rt", encoding="utf-8") as file:
            merges = [tuple(line.split()) for line in file.read().split("\n")[1:ROWS - 512 - 2 + 1]]
        self._symbols = _byte_symbols()
        single = list(self._symbols.values())
        pieces = single + [symbol + "</w>" for symbol in single] + ["".join(pair) for pair in merges]
        self._ids = {piece: i for i, piece in enumerate(pieces)}
        self._rank = {pair: i for i, pair in enumerate(merges)}
        self.word = functools.lru_cache(None)(self._word)

    def _word(self, word):
        parts = [self._symbols[byte] for byte in word.encode()]
        parts[-1] += "</w>"
        while len(parts) > 1:
            best = min(zip(parts, parts[1:]), key=lambda pair: self._rank.get(pair, len(self._rank)))
            if best not in self._rank:
                break
            merged, i = [], 0
            while i < len(parts):
                if tuple(parts[i:i + 2]) == best:
                    merged.append("".join(best))
                    i += 2
                else:
                    merged.append(parts[i])
                    i += 1
            parts = merged
        return [self._ids[part] for part in parts]

    def __call__(self, caption):
        """The 77 ids of a caption: start, its pieces, end, and more ends as padding."""
        ids = [i for word in _WORDS.findall(caption.lower()) for i in self.word(word)][:LENGTH - 2]
        return [START, *ids] + [END] * (LENGTH - 1 - len(ids))
