"""The forms in which people write numbers, told from the cells of a column: decimal sign, thousands sign, unit."""

import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from datamodules.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|[+-]?(?i:inf|infinity)"
GROUPED = r"[+-]?(?:0|[1-9]\d{0,2}(?:\.\d{3})?)"
CODE = r"0\d[\d ]*"  # a number is not written with a zero in front: 01 is a name, and so is 030 1234
CURRENCY = "€$£¥₹₽₩₺₴₦₫₪฿₿¢"
CURRENCY_CODES = ("EUR", "USD", "GBP", "CHF", "JPY", "CNY", "INR")
BEFORE = rf"[A-Z]{{0,3}}[{CURRENCY}]|{'|'.join(CURRENCY_CODES)}"
AFTER = rf"[%‰]|°\s?[A-Za-z]?|[{CURRENCY}]|[^\W\d_]{{1,6}}[²³]?(?:/[^\W\d_]{{1,6}}[²³]?)?"
ANY_NUMBER = rf"[+-]?({BEFORE})?\s*[+-]?([\d.,' ]*\d[.,]?)(?:[eE][+-]?\d+)?\s*({AFTER})?"
LONGEST_NUMBER = 200  # characters
MOSTLY = 0.8  # of the values: the others are then mistakes, not categories
PLAIN = {"\u2212": "-", "\u2019": "'", "\u00a0": " ", "\u202f": " ", "\u2009": " "}  # typographic signs of numbers


@dataclass(frozen=True)
class Form:
    """How the cells of a column are written.

    Attributes:
        decimal: The decimal sign of its numbers, "." or ",".
        thousands: What groups thousands; "" for nothing.
        before: The unit before each number, such as "€".
        after: The unit after each number, such as "%" or "kg".
        date: The format of its dates, as `pandas.to_datetime` takes it, such as "%d/%m/%Y" or "ISO8601".
        lower: Whether texts are taken in lower case: yes, Yes and YES are one.
    """

    decimal: str = "."
    thousands: str = ""
    before: str = ""
    after: str = ""
    date: str = ""
    lower: bool = False

    def pattern(self) -> str:
        """Return what a number in this form looks like: a regular expression whose two groups are sign and number."""
        decimal, group = re.escape(self.decimal), re.escape(self.thousands)
        whole = rf"(?:\d+|[1-9]\d{{0,2}}(?:{group}\d{{3}})+)" if group else r"\d+"
        fraction = rf"(?:{decimal}\d{'*' if self.decimal == '.' else '+'})?"
        number = rf"(?:{whole}{fraction}|{decimal}\d+)(?:[eE][+-]?\d+)?|(?i:inf|infinity)"
        return rf"([+-]?){re.escape(self.before)}\s*([+-]?(?:{number}))\s*{re.escape(self.after)}"

    def write(self, number: float) -> str:
        """Return a number in this form."""
        digits = f"{number:,.12g}".replace(",", "\0").replace(".", self.decimal).replace("\0", self.thousands)
        return f"{self.before}{digits}{self.after}"


PLAIN_FORM = Form()
FORMS = tuple(Form(*signs) for signs in (".", ",", ".,", ",.", ". ", ", ", ".'", ",'"))


def read_numbers_as(form: Form, texts: "pd.Series[str]") -> "pd.Series[float]":
    """Return texts as numbers, (N,), NaN for those that are not numbers in this form."""
    if form == PLAIN_FORM and texts.str.fullmatch(NUMBER).all():
        return texts.astype(float)
    found = _plain(texts).str.extract(f"^{form.pattern()}$")
    digits = found[0] + found[1]
    digits = digits.where(~(digits.str[:2].isin(("+-", "-+", "--", "++"))))
    if form.thousands:
        digits = digits.str.replace(form.thousands, "", regex=False)
    return digits.str.replace(form.decimal, ".", regex=False).astype(float)


def number_form(path: str, name: str, given: "pd.Series[str]") -> Form | None:
    """Return the form of the numbers in a column, None if its cells are not numbers.

    Args:
        path: The file, for messages.
        name: The column.
        given: Its cells but for gaps, numbered from 0.

    Raises:
        DataError: Most cells are numbers and one is not, or it cannot be told which number is meant.
    """
    if not len(given):
        return None
    plain = given.str.fullmatch(NUMBER)
    if plain.all() and not given.str.fullmatch(CODE).any():
        _check_no_thousands(path, name, given)
        return PLAIN_FORM
    short = given.where(given.str.len() <= LONGEST_NUMBER, "")  # the pattern takes the square of a length
    units = _plain(short).str.extract(rf"^{ANY_NUMBER}$")
    like_number = units[1].notna()
    if like_number.mean() < MOSTLY:
        return None
    if units[1].str.fullmatch(CODE).any():
        return None
    pairs = Counter(zip(*(units.loc[like_number, place].fillna("") for place in (0, 2)), strict=True))
    before, after = min(pairs, key=lambda pair: (-pairs[pair], pair))
    signs = {sign for sign in ",.' " if units[1].str.contains(sign, regex=False).any()}
    forms = [replace(form, before=before, after=after) for form in FORMS if _may_fit(form, signs)]
    read = {form: read_numbers_as(form, given) for form in forms}
    form = max(forms, key=lambda form: read[form].notna().sum())  # the first of those that fit as well
    numbers = read[form]
    if numbers.notna().all():
        _check_clear(path, name, given, read, form)
        return form
    if numbers.notna().mean() >= MOSTLY and not re.search(r"[^\W\d_]", before + after):
        odd = given[numbers.isna()]
        advice = "if row 2 holds units, remove it; else " if odd.index.tolist() == [0] else ""
        raise DataError(
            f"{path}, row {odd.index[0] + 2}, column {name!r}: {odd.iloc[0]!r} is not a number, as the others are; "
            f"{advice}correct it, or leave the column out (data.features chooses the columns)"
        )
    return None


def _may_fit(form: Form, signs: set[str]) -> bool:
    """Return whether no simpler form reads the same where numbers hold no other signs than these."""
    decimal = form.decimal == "." or "," in signs or form.thousands == "."
    return decimal and (not form.thousands or form.thousands in signs)


def _check_clear(
    path: str, name: str, given: "pd.Series[str]", read: "dict[Form, pd.Series[float]]", form: Form
) -> None:
    """Check that no other form gives other numbers; of numbers without a currency, those with a point are plain."""
    units = form.before, form.after
    money = any(sign in unit for unit in units for sign in CURRENCY) or any(unit in CURRENCY_CODES for unit in units)
    if form.decimal == "." and not form.thousands and not money:
        return
    for numbers in read.values():
        differs = numbers.notna().all() and numbers != read[form]
        if differs is not False and differs.any():
            first, second = (values[differs].iloc[0] for values in (read[form], numbers))
            least, most = sorted((first, second), key=abs)
            raise DataError(
                f"{path}, column {name!r}: {given[differs].iloc[0]!r} may be {least:.15g} or {most:.15g}; "
                "write numbers with a point and without thousands separators"
            )


def _check_no_thousands(path: str, name: str, given: "pd.Series[str]") -> None:
    """Check that plain numbers are not whole ones whose thousands are grouped by points: 999, 1.234 and 12.345."""
    if not re.fullmatch(GROUPED, given.iloc[0]) or not given.str.fullmatch(GROUPED).all():
        return
    points = given.str.contains(".", regex=False)
    if points.any() and not points.all():  # numbers that all have three decimals are measured so
        first = given[points].iloc[0]
        raise DataError(
            f"{path}, column {name!r}: {first!r} may be {first} or {first.replace('.', '')}, beside "
            f"{given[~points].iloc[0]!r}; write numbers without thousands separators, and all with as many decimals"
        )


def _plain(texts: "pd.Series[str]") -> "pd.Series[str]":
    """Return texts with plain signs for typographic ones, and a minus for the brackets that bookkeepers write."""
    for sign, plain in PLAIN.items():
        texts = texts.str.replace(sign, plain, regex=False)
    return texts.str.replace(r"^\(([^()]*)\)$", r"-\1", regex=True)
