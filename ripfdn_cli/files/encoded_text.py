"""Text for files and terminals, whatever names are in it."""


def encoded(text: str) -> bytes:
    """`text` in UTF-8. Bytes of a file name that are no UTF-8, which Python holds as lone surrogates, become
    escapes such as \\udcff.
    """
    return text.encode("utf-8", "backslashreplace")
