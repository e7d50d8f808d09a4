"""Two programs that Send to each other, and wait for ever. mutual_send_repaired.py is the repair."""

import sys

import srr

me, other = sys.argv[1:]
with srr.listen(me) as port, srr.connect(other, timeout=30.0) as peer:
    answer = peer.send(f"hello from {me}".encode())
    message = port.receive()
    message.reply(b"hello to you")
    print(f"{me} heard: {bytes(message).decode()}")
