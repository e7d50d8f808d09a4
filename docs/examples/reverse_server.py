"""The server of the tutorial's first step: replies with each message, reversed."""

import srr

with srr.listen("calc") as port:
    for message in port:
        message.reply(bytes(message)[::-1])
