"""A mailbox: "put LETTER" leaves a letter; "get" is answered as soon as there is one."""

from collections import deque

import srr

letters: deque[bytes] = deque()
waiting: deque[srr.Message] = deque()
with srr.listen("mailbox") as port:
    for message in port:
        verb, _, letter = bytes(message).partition(b" ")
        if verb == b"get":
            waiting.append(message)
        else:
            letters.append(letter)
            message.reply()
        while waiting and letters:
            try:
                waiting.popleft().reply(letters[0])
                letters.popleft()
            except srr.SenderGone:
                pass
