"""What qnx4_client.c is, in Python: sets a channel of the thermometer, if told to, and prints it."""

import os
import struct
import sys

import srr

SET, GET = 1, 2
REQUEST = struct.Struct("=Hhi")  # msg_t type; short channel; int value;
REPLY = struct.Struct("=Hhi")  # msg_t status; short zero; int value;

channel, *new = map(int, sys.argv[1:])
request = REQUEST.pack(SET if new else GET, channel, new[0] if new else 0)
with srr.connect("thermometer", timeout=1.0) as thermometer:
    status, _, value = REPLY.unpack(thermometer.send(request))
if status:
    sys.exit(f"channel {channel}: {os.strerror(status)}")
print(f"channel {channel}: {value}")
