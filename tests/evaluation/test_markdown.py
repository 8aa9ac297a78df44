from ripfdn_cli.evaluation.markdown import escaped, markdown_table


def test_words_stand_to_the_left_and_numbers_to_the_right() -> None:
    assert markdown_table(("name", "dB"), [("a", "31.25"), ("longer name", "7")]) == [
        "| name        |    dB |",
        "| ----------- | ----: |",
        "| a           | 31.25 |",
        "| longer name |     7 |",
    ]


def test_wide_characters_take_two_columns() -> None:
    """Unicode's East Asian Width: each of them is as wide as two letters in a terminal."""
    assert markdown_table(("名前", "n"), [("ab", "1")])[1:] == ["| ---- | : |", "| ab   | 1 |"]


def test_a_name_ends_no_cell_and_no_line() -> None:
    assert escaped("a|b\n c") == r"a\|b c"
