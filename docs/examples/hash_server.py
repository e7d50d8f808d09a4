"""Replies with the SHA-256 of each message, of whatever length, through one buffer of 1 MiB."""

import hashlib

import srr

buffer = bytearray(1 << 20)
with srr.listen("sha256") as port:
    while True:
        message = port.receive(into=buffer)
        digest = hashlib.sha256(message.data)
        done = len(message)
        try:
            while done < message.nbytes:
                n = message.read_into(buffer, done)
                digest.update(memoryview(buffer)[:n])
                done += n
            message.reply(digest.digest())
        except srr.SenderGone:
            pass
