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
