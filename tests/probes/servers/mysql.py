"""The first words of the MySQL protocol, for servers that lie."""

import struct

VERSION = b"5.5.5-10.11.2-MariaDB"
FLAGS = 0x8028A205  # long password, protocol 4.1, transactions, secure connection, names of plugins


def packet(number: int, payload: bytes) -> bytes:
    return struct.pack("<I", len(payload))[:3] + bytes([number]) + payload


def greeting() -> bytes:
    """A server's handshake, version 10, without TLS."""
    head = b"\x0a" + VERSION + b"\0" + struct.pack("<I", 7) + b"12345678\0" + struct.pack("<H", FLAGS & 0xFFFF)
    rest = struct.pack("<BHHB", 45, 2, FLAGS >> 16, 21) + bytes(10) + b"123456789012\0mysql_native_password\0"
    return packet(0, head + rest)


def ok(number: int = 1) -> bytes:
    return packet(number, b"\0\0\0\2\0\0\0")


def error(number: int, code: int, text: str) -> bytes:
    return packet(number, b"\xff" + struct.pack("<H", code) + b"#HY000" + text.encode())
