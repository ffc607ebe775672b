"""Kubernetes quantities (`1Gi`, `500m`, `1e9`) as exact numbers."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction

_QUANTITY = re.compile(
    r"(?P<number>[+-]?(?:\d+\.?\d*|\.\d+))(?:(?P<suffix>[KMGTPE]i|[numkMGTPE])|[eE](?P<power>[+-]?\d{1,3}))?"
)
_DECIMAL_POWERS = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = "KMGTPE"


def parse_quantity(text: str) -> Fraction:
    """The number that a quantity stands for, in its base unit (bytes, of storage).

    Two spellings of one number are equal: `1Gi` and `1024Mi`
    (kubernetes: apimachinery/pkg/api/resource/quantity.go).

    Raises:
        ValueError: the text is no quantity.
    """
    found = _QUANTITY.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is not a Kubernetes quantity")
    return Fraction(Decimal(found["number"])) * _factor(found["suffix"], found["power"])


def _factor(suffix: str | None, power: str | None) -> Fraction:
    if suffix and suffix.endswith("i"):
        return Fraction(1024) ** (_BINARY.index(suffix[0]) + 1)
    return Fraction(10) ** (_DECIMAL_POWERS[suffix] if suffix else int(power or 0))
