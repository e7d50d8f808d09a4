"""Replies with each message, reversed; but at "stall" it stops, with the message received and unanswered."""

import signal

import srr

with srr.listen("moody") as port:
    print("serving as pid", port.pid)
    for message in port:
        if bytes(message) == b"stall":
            signal.pause()
        try:
            message.reply(bytes(message)[::-1])
        except srr.SenderGone as gone:
            print(gone)
