"""What qnx4_server.c is, in Python: keeps one number a channel, under the name "thermometer"."""

import errno
import struct

import srr

SET, GET = 1, 2
REQUEST = struct.Struct("=Hhi")  # msg_t type; short channel; int value;
REPLY = struct.Struct("=Hhi")  # msg_t status; short zero; int value;
values = [0] * 16


def serve(kind: int, channel: int, value: int) -> tuple[int, int]:
    if not 0 <= channel < len(values):
        return errno.EINVAL, 0
    if kind not in (SET, GET):
        return errno.ENOSYS, 0
    if kind == SET:
        values[channel] = value
    return 0, values[channel]


with srr.listen("thermometer") as port:
    for message in port:
        kind, channel, value = REQUEST.unpack(bytes(message).ljust(REQUEST.size, b"\0"))
        status, value = serve(kind, channel, value)
        message.reply(REPLY.pack(status, 0, value))
