"""The repair of mutual_send_broken.py: one of the two is above the other, and Sends only go up."""

import sys

import srr

me, other = sys.argv[1:]
with srr.listen(me) as port:
    if me < other:
        message = port.receive()
        message.reply(f"hello from {me}".encode())
        heard = bytes(message)
    else:
        with srr.connect(other, timeout=30.0) as above:
            heard = above.send(f"hello from {me}".encode())
    print(f"{me} heard: {heard.decode()}")
