"""Sends one message, and repeats it only where that can do nothing twice."""

import sys

import srr

request = sys.argv[1].encode()
with srr.connect("moody", timeout=30.0) as server:
    while True:
        try:
            print(server.send(request).decode())
            break
        except srr.ServerDied as died:
            if not died.safe_to_repeat:
                sys.exit(f"I do not know whether it was done: {died.strerror}")
            print("not received; I wait for the next server")
