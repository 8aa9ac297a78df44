"""Bit streams made by hand, for what no encoder here writes."""


class Bits:
    """Writes syntax elements as ITU-T H.264 and H.265 define them."""

    def __init__(self) -> None:
        self.text = ""

    def u(self, bits: int, *values: int) -> "Bits":
        self.text += "".join(format(value, f"0{bits}b") for value in values)
        return self

    def ue(self, *values: int) -> "Bits":
        """Exp-Golomb codes (9.1)."""
        for value in values:
            digits = format(value + 1, "b")
            self.text += "0" * (len(digits) - 1) + digits
        return self

    def align(self) -> "Bits":
        self.text += "0" * (-len(self.text) % 8)
        return self

    def data(self) -> bytes:
        """All so far, which must be whole bytes."""
        return int(self.text, 2).to_bytes(len(self.text) // 8, "big")

    def unit(self, *header: int) -> bytes:
        """A NAL unit with its stop bit and emulation prevention (H.264, 7.3.1; H.265, 7.3.1.1)."""
        unit, zeros = bytearray([0, 0, 0, 1, *header]), 0
        for byte in self.u(1, 1).align().data():
            if zeros == 2 and byte <= 3:
                unit.append(3)
                zeros = 0
            unit.append(byte)
            zeros = zeros + 1 if byte == 0 else 0
        return bytes(unit)
