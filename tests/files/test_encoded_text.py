import os

from ripfdn_cli.files.encoded_text import encoded


def test_names_that_are_no_utf8_become_escapes() -> None:
    assert encoded(os.fsdecode(b"ph\xff \xc3\xa4")) == b"ph\\udcff \xc3\xa4"
