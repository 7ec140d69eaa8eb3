"""Reads a TensorBoard event file with nothing but struct: one JSON object per scalar.

Fails on a wrong checksum (masked CRC-32C) and on bytes after the last whole record.
"""
import json
import struct
import sys


def crc32c(data):
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    value ^= 0xFFFFFFFF
    return ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            return value, at


def fields(data):
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        if tag & 7 == 0:
            value, at = varint(data, at)
        elif tag & 7 == 1:
            value, at = struct.unpack_from("<d", data, at)[0], at + 8
        elif tag & 7 == 5:
            value, at = struct.unpack_from("<f", data, at)[0], at + 4
        else:
            size, at = varint(data, at)
            value, at = data[at:at + size], at + size
        yield tag >> 3, value


data = open(sys.argv[1], "rb").read()
at, records = 0, 0
while at < len(data):
    (size,) = struct.unpack_from("<Q", data, at)
    assert struct.unpack_from("<I", data, at + 8)[0] == crc32c(data[at:at + 8]), "length"
    record = data[at + 12:at + 12 + size]
    assert len(record) == size, "cut"
    assert struct.unpack_from("<I", data, at + 12 + size)[0] == crc32c(record), "record"
    event = dict(fields(record))
    if records == 0:
        assert event[3] == b"brain.Event:2", event
    for number, value in fields(event.get(5, b"")):
        scalar = dict(fields(value))
        print(json.dumps({"step": event[2], "tag": scalar[1].decode(), "value": scalar[2]}))
    at, records = at + 16 + size, records + 1
