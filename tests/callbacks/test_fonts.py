"""Names in any letters are drawn with an installed font, or else replaced; matplotlib never warns of a glyph."""

import shutil
import warnings

import pytest
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, fontManager

from callbacks import fonts
from callbacks.figures import as_png, class_labels, label, new_figure, style

KOREAN, ODD = "고양이", "$x^{$\nsecond\x1b[2J"


@pytest.fixture
def hangul(tmp_path, monkeypatch):
    """Install a font that has Korean letters: one of matplotlib's own, with its letters renumbered."""
    fonttools = pytest.importorskip("fontTools.ttLib")
    path = tmp_path / "hangul.ttf"
    shutil.copy(findfont("DejaVu Sans"), path)
    font = fonttools.TTFont(path)
    for table in font["cmap"].tables:
        table.cmap = {ord(letter): "A" for letter in KOREAN} | {ord("a"): "a"}
    for record in font["name"].names:
        record.string = str(record).replace("DejaVu Sans", "Hangul Test")
    font.save(path)
    monkeypatch.setattr(fontManager, "ttflist", list(fontManager.ttflist))
    monkeypatch.setattr(fonts, "findSystemFonts", lambda: [str(path)])
    _forget()
    yield "Hangul Test"
    _forget()


@pytest.fixture
def nothing_else(monkeypatch):
    """Let matplotlib's own fonts be the only ones."""
    own = [entry for entry in fontManager.ttflist if entry.name == "DejaVu Sans"]
    monkeypatch.setattr(fontManager, "ttflist", own)
    monkeypatch.setattr(fonts, "findSystemFonts", list)
    _forget()
    yield
    _forget()


def _forget() -> None:
    fonts._others.cache_clear()
    fonts._letters.cache_clear()


def picture(*names: str) -> tuple[bytes, Figure]:
    """Draw names as title, tick, legend and text; a warning is an error."""
    with warnings.catch_warnings(action="error"):
        labels = class_labels(names)
        with style(*names):
            figure = new_figure(4, 3, names[0])
            axes = figure.add_subplot()
            axes.plot([0, 1], label=f"of {labels[0]}")
            axes.legend()
            axes.set_xticks(range(len(labels)), labels)
            axes.text(0, 0, labels[-1])
        return as_png(figure), figure


def test_a_font_that_is_installed_is_found_and_used(hangul) -> None:
    assert fonts.families(KOREAN) == ["DejaVu Sans", hangul]
    assert fonts.drawable(KOREAN) == KOREAN
    _, figure = picture(KOREAN, "cat")
    assert class_labels([KOREAN, "cat"]) == [KOREAN, "cat"]
    assert hangul in figure.axes[0].get_xticklabels()[0].get_fontfamily()


def test_a_font_of_boxes_for_every_letter_is_no_font_for_them() -> None:
    _forget()
    assert not [name for name in fonts.families(KOREAN) if "Last Resort" in name]


@pytest.mark.usefixtures("nothing_else")
def test_without_a_font_a_class_is_called_by_its_number() -> None:
    assert class_labels(["cat", KOREAN, "what?"]) == ["cat", "class 1", "what?"]
    assert fonts.drawable(f"true {KOREAN}") == "true ???"
    assert picture(KOREAN, "cat")[0].startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "name", [ODD, "$", "a\tb", "日本", "قطة", "x" * 300, "", " ", "🐈", "\N{HEBREW LETTER ALEF}", KOREAN]
)
def test_any_name_is_drawn_as_one_line_without_a_warning(name) -> None:
    assert picture(name, "other")[0].startswith(b"\x89PNG")
    assert len(label(name).splitlines()) <= 1
    assert len(label(name)) <= 24


def test_long_labels_are_cut_and_wide_letters_count_twice(hangul) -> None:
    assert label("a" * 30, 9) == "aaaaa…aaa"
    assert label(KOREAN * 9, 9) == "고양…이"
    assert label(KOREAN, 6) == KOREAN


def test_fonts_of_latin_letters_are_not_looked_for(monkeypatch) -> None:
    monkeypatch.setattr(fonts, "findSystemFonts", lambda: pytest.fail("all fonts were read"))
    assert fonts.families("naïve Ωmega привет") == ["DejaVu Sans"]
