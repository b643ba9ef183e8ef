import math

import pytest

from thalweg import templates


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.00123456, "0.00123"),
        (0.0999999, "0.100"),
        (1.0, "1.00"),
        (19.04, "19.0"),
        (4096.4, "4,096"),
        (1.204e-7, "1.20 × 10⁻⁷"),
        (9.99e7, "9.99 × 10⁷"),
        (-0.5, "−0.500"),
        (-2.5e-9, "−2.50 × 10⁻⁹"),
        (0.0, "0"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
        (math.nan, "–"),
        (None, "–"),
    ],
)
def test_numbers_have_three_significant_digits(value, text):
    assert templates.number(value) == text


@pytest.mark.parametrize("value", [1, 0.3, 0.0001, 0.001, 3e-5, 0.000100696, 3.45678e-05, 1e-8, 0.9999876543, 0.0])
def test_learning_rates_and_draws_are_written_with_all_their_digits(value):
    text = templates.rate(value)
    mantissa, _, power = text.partition(" × 10")
    exponent = int(power.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")) or 0)
    assert float(mantissa) * 10.0**exponent == pytest.approx(value)
    assert "e" not in text


@pytest.mark.parametrize(
    ("value", "text"), [(0.1, "0.1"), (3, "3.0"), (1e-9, "1e-09"), (math.inf, "Infinity"), (math.nan, ""), (None, "")]
)
def test_a_number_for_a_script_is_one_that_javascript_reads(value, text):
    assert templates.raw(value) == text
