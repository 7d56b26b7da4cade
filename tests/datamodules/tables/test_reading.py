"""Files as people have them: read as they are meant, or refused by name."""

import pandas as pd
import pytest

from datamodules import DataError
from datamodules.tables.reading import read_table

TABLE = "name,size,kind\nann,1.5,a\nbob,2,b\n"
CELLS = [["ann", "1.5", "a"], ["bob", "2", "b"]]


@pytest.fixture
def file(tmp_path):
    """Write bytes or a text in UTF-8; return the path."""

    def write(content, name="table.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_separators_and_line_ends(file, separator, end):
    frame, notes = read_table(file(TABLE.replace(",", separator).replace("\n", end)))
    assert frame.columns.tolist() == ["name", "size", "kind"]
    assert frame.to_numpy().tolist() == CELLS
    assert notes == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings(file, encoding):
    text = TABLE.replace("ann", "Käthe")
    frame, notes = read_table(file(text.encode(encoding)))
    assert frame["name"].tolist() == ["Käthe", "bob"]
    assert frame.columns[0] == "name"
    assert len(notes) == (encoding == "cp1252")


def test_quoted_cells_hold_separators_quotes_and_line_ends(file):
    frame, _ = read_table(file('a,b\n"x, ""y""\nz",1\nw,2\n'))
    assert frame["a"].tolist() == ['x, "y"\nz', "w"]


def test_single_quotes_count_where_the_header_has_them(file):
    frame, _ = read_table(file("'a'\t'b'\n1\tit's\n"))
    assert frame.columns.tolist() == ["a", "b"]
    assert frame["b"].tolist() == ["it's"]


def test_parquet_keeps_its_types(tmp_path):
    pd.DataFrame({"a": [1, 2], "b": ["01", None], 3: [True, False]}).to_parquet(tmp_path / "t.parquet")
    frame, _ = read_table(tmp_path / "t.parquet")
    assert frame.columns.tolist() == ["a", "b", "3"]
    assert frame["a"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("# by a logger\n# 2026, a, b, c\nname,size,kind\nann,1.5,a\nbob,2,b\n", ["name", "size", "kind"]),
        ("# by a logger\n#name,size,kind\nann,1.5,a\nbob,2,b\n", ["#name", "size", "kind"]),
        ("name,size,kind\nann,1.5,a,\nbob,2,b,\n", ["name", "size", "kind"]),
        ('name,size,"ki\nnd"\nann,1.5,a\nbob,2,b\n', ["name", "size", "ki nd"]),
        ("sep=;\r\nname;size;kind\r\nann;1.5;a\r\nbob;2;b\r\n", ["name", "size", "kind"]),
    ],
)
def test_comments_separators_at_the_ends_and_names_of_several_lines(file, text, columns):
    frame, _ = read_table(file(text))
    assert frame.columns.tolist() == columns
    assert frame.to_numpy().tolist() == CELLS


def test_names_of_rows_as_r_writes_them_have_an_empty_name(file):
    frame, _ = read_table(file('"size" "kind"\n"ann" 1.5 "a"\n"bob" 2 "b"\n'))
    assert frame.columns.tolist() == ["", "size", "kind"]
    assert frame.to_numpy().tolist() == CELLS


def test_words_in_cells_do_not_make_a_space_the_separator(file):
    frame, _ = read_table(file("text,kind\na b,x\nc d,y\n"))
    assert frame.columns.tolist() == ["text", "kind"]
    assert read_table(file("text\na b\nc d\n"))[0]["text"].tolist() == ["a b", "c d"]


def test_a_header_of_values_is_said(file):
    _, notes = read_table(file("0.5,1,a\n1.5,2,b\n"))
    assert "a column is called '0.5'" in notes[0]


def test_bytes_in_a_parquet_file_are_texts(tmp_path):
    pd.DataFrame({"a": [b"x", None, "ä".encode()]}).to_parquet(tmp_path / "t.parquet")
    frame, _ = read_table(tmp_path / "t.parquet")
    assert frame["a"].dropna().tolist() == ["x", "ä"]


def rows(count):
    return "".join(f"{number},x,y\n" for number in range(count))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "has no rows below a header"),
        ("a,b\n", "has no rows below a header"),
        ("a,b\n\n\n", "has no rows below a header"),
        ("a,a\n1,2\n", "two columns 'a'"),
        ("a,b,c\n1,2,3\n1,2\n", "line 3: 2 values, but 3 columns"),
        ("a,b,c\n1,2,3\n1,2,3,4\n", "line 3, saw 4"),
        (f'a,b,c\n1,"x,y\n{rows(300)}', "EOF inside string"),
        (f'a,b,c\n1,"x,y\n{rows(300)}1,x",y\n', "line 2: a quote opens here and closes 301 lines later"),
        ('a,b,c\n1,"x,y\n2,x,y\n3,x",y\n', "line 2: a quote opens here and closes 2 lines later"),
        ("My data\nby me\n\na,b,c\n1,2,3\n4,5,6\n7,8,9\n1,2,3\n", r"line 1: 1 value\(s\), but 3 in the lines below"),
        (b"PK\3\4 xl/workbook", "is a spreadsheet .Excel.; open it there and save the sheet as 'CSV UTF-8'"),
        (b"\xd0\xcf\x11\xe0\xa1\0", "is a spreadsheet .Excel.; open it there"),
        (b"\x1f\x8b\0", "is compressed; unpack it first"),
        ('[{"a": 1}]', "is JSON, not a table"),
        (b"PK\3\4 a spreadsheet", "is a spreadsheet or an archive; save it as CSV"),
        (b"a,b\n1,\0\n", "is not a text file"),
        (b"\xff\xfe\x00\xd8", "begins as utf-16 and is not"),
    ],
)
def test_what_is_no_table_is_refused_by_name(file, content, said):
    with pytest.raises(DataError, match=said) as refused:
        read_table(file(content))
    assert "table.csv" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_damaged_parquet_file_a_folder_and_a_file_that_is_not_there(file, tmp_path):
    with pytest.raises(DataError, match=r"x\.parquet cannot be read as a Parquet file"):
        read_table(file(b"PAR1 nothing", "x.parquet"))
    with pytest.raises(DataError, match=r"none\.csv does not exist"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(DataError, match="is not a file"):
        read_table(tmp_path)


@pytest.mark.parametrize("text", ["Dear all\nwell, yes\nand no", "one\ntwo, three, four\n\nfive, six, seven\neight"])
@pytest.mark.parametrize("form", ['{},"{}"\n', '"{1}",{0}\n'])
def test_texts_of_several_lines_may_hold_separators(file, text, form):
    frame, _ = read_table(file("a,b\n" + form.format(1, text) + form.format(2, "short")))
    assert text in frame.iloc[0].tolist()
    assert len(frame) == 2


def test_spaces_in_every_cell_do_not_make_a_space_the_separator(file):
    frame, _ = read_table(file("full name,home town,kind\nAnn Lee,New York,a\nBob Ray,Los Altos,b\n"))
    assert frame.columns.tolist() == ["full name", "home town", "kind"]


@pytest.mark.filterwarnings("error")
def test_a_parquet_file_is_read_without_a_warning(tmp_path):
    pd.DataFrame({"a": ["x", "y"], "b": [b"x", b"y"], "c": [1, 2]}).to_parquet(tmp_path / "t.parquet")
    frame, _ = read_table(tmp_path / "t.parquet")
    assert frame.values.tolist() == [["x", "x", 1], ["y", "y", 2]]


@pytest.mark.parametrize("name", ["PK", "PAR1", "ARROW1"])
def test_the_name_of_a_column_is_not_taken_for_the_first_bytes_of_another_kind_of_file(file, name):
    frame, _ = read_table(file(f"{name},b\n1,2\n3,4\n"))
    assert frame.columns.tolist() == [name, "b"]


def test_files_of_other_kinds_that_are_called_tables_are_known_by_their_first_bytes(tmp_path):
    frame = pd.DataFrame({"a": ["x", "y"]})
    frame.to_parquet(tmp_path / "parquet.csv")
    frame.to_feather(tmp_path / "feather.csv")
    with pytest.raises(DataError, match=r"is a Parquet file; name it \.parquet"):
        read_table(tmp_path / "parquet.csv")
    with pytest.raises(DataError, match="is a Feather file"):
        read_table(tmp_path / "feather.csv")


def test_a_cell_may_be_a_long_text(file):
    text = "word " * 100_000
    frame, _ = read_table(file(f"text,kind\n{text},a\nshort,b\n"))
    assert frame["text"].tolist() == [text, "short"]
