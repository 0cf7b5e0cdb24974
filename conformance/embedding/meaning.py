"""
An embedder for which a common word is no nearness, and nearness needs no common word.

`ExactEmbeddings` counts words, so a search for words finds what a search for meaning finds.  This one
knows what its phrases mean: those of one line of the list mean the same, and a longer phrase hides the
words in it (a "spin doctor" is no doctor).
"""

from __future__ import annotations

import re

from store_conformance.embedding.exact import NONE_AXIS, ExactEmbeddings

SYNONYMS: tuple[tuple[str, ...], ...] = (
    ("doctor", "physician", "medic"),
    ("car", "automobile", "motorcar"),
    ("bank", "lender", "savings institute"),
    ("dog", "hound", "canine"),
    ("glad", "happy", "joyful"),
    ("chilly", "cold", "freezing"),
    ("spin doctor", "publicist", "press agent"),
    ("car pool", "shared ride"),
    ("river bank", "waterside", "shore"),
    ("hot dog", "sausage", "frankfurter"),
    ("common cold", "influenza", "flu"),
)
"""Phrases of one meaning; the n-th line counts along the n-th axis."""

_AXES = {phrase: axis for axis, phrases in enumerate(SYNONYMS) for phrase in phrases}
_LONGEST_FIRST = "|".join(re.escape(p) for p in sorted(_AXES, key=len, reverse=True))
_PHRASE = re.compile(rf"\b({_LONGEST_FIRST})\b(?:\*(\d+(?:\.\d+)?))?")


class MeaningEmbeddings(ExactEmbeddings):
    """
    Counts phrases by what they mean, ``doctor*3`` as three doctors; vectors are not normalised.

    ``physician`` has the vector of ``doctor`` without a letter in common, and ``spin doctor`` has
    nothing of it.
    """

    @property
    def name(self) -> str:
        """What `embedder_from_name` makes an equal one from."""
        return "meaning"

    def vector(self, text: str) -> list[float]:
        counts = [0.0] * self.dims
        for phrase, weight in _PHRASE.findall(text):
            counts[_AXES[phrase]] += float(weight or 1)
        if not any(counts):
            counts[NONE_AXIS] = 1.0
        return counts
