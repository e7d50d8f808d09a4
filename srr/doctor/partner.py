"""python -m srr.doctor.partner: the other process of the doctor's exchanges.

It answers each message with the number of the lane that it came by, as one byte, and the message. It ends by
itself when nobody has sent for a while, so it is never left behind.
"""

from __future__ import annotations

import srr

PATIENCE = 10.0


def main() -> None:
    port = srr.listen()
    while True:
        try:
            message = port.receive(PATIENCE)
        except srr.TimedOut:
            return
        message.reply([bytes([message.lane]), message.data])


if __name__ == "__main__":
    main()
