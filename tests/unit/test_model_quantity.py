from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csi_migration.model.quantity import parse_quantity

BINARY = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]
DECIMAL = ["k", "M", "G", "T", "P", "E"]
numbers = st.integers(min_value=0, max_value=10**12)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("1073741824", 1 << 30),
        ("1Gi", 1 << 30),
        ("1024Mi", 1 << 30),
        ("1.5Gi", 3 << 29),
        (".5Ki", 512),
        ("5.", 5),
        ("+2k", 2000),
        ("1G", 10**9),
        ("1E", 10**18),
        ("1e9", 10**9),
        ("1E9", 10**9),
        ("1E+3", 1000),
        ("25e-1", Fraction(5, 2)),
        ("1073741824000m", 1 << 30),
        ("1u", Fraction(1, 10**6)),
        ("1n", Fraction(1, 10**9)),
    ],
)
def test_every_spelling_is_read(text: str, number: Fraction | int) -> None:
    assert parse_quantity(text) == number


@pytest.mark.parametrize("text", ["", "Gi", ".", "1 Gi", "1gi", "1K", "1e", "1Gi ", "0x1", "1e3Gi"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a Kubernetes quantity"):
        parse_quantity(text)


@given(numbers, st.integers(min_value=0, max_value=4))
def test_a_binary_suffix_is_1024_of_the_one_before(number: int, at: int) -> None:
    assert parse_quantity(f"{number}{BINARY[at + 1]}") == parse_quantity(
        f"{number * 1024}{BINARY[at]}"
    )


@given(numbers, st.integers(min_value=0, max_value=5))
def test_a_decimal_suffix_and_its_exponent_are_the_same(number: int, at: int) -> None:
    assert parse_quantity(f"{number}{DECIMAL[at]}") == parse_quantity(f"{number}e{3 * at + 3}")


@given(numbers, numbers)
def test_order_is_that_of_the_numbers(one: int, other: int) -> None:
    assert (parse_quantity(f"{one}Mi") < parse_quantity(f"{other}Mi")) is (one < other)


@given(st.integers(min_value=0, max_value=10**15))
def test_thousandths_are_exact(number: int) -> None:
    assert parse_quantity(f"{number}m") * 1000 == number
