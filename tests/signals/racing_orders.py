"""Orders for a client whose alarms race with its replies, and for its server."""

from __future__ import annotations

import random
import signal

from partner import Partner, Stop, order


@order
def serve_whoever_stays(partner: Partner) -> None:
    import srr

    for message in srr.Port():
        try:
            message.reply(bytes(message)[::-1])
        except srr.SenderGone:
            pass


@order
def race_alarms(partner: Partner, rounds: int, to: int, seed: int) -> dict[str, int]:
    """Sends, each with an alarm about as long after it as a reply takes. Replies that were another's are wrong."""
    import srr

    def ring(got: int, frame: object) -> None:
        raise Stop

    signal.signal(signal.SIGALRM, ring)
    chance = random.Random(seed)
    connection = srr.connect(to)
    answered = interrupted = wrong = 0
    for number in range(rounds):
        message = b"%d of %d" % (number, rounds)
        try:
            signal.setitimer(signal.ITIMER_REAL, chance.uniform(1e-6, 1.5e-4))
            reply = connection.send(message)
            signal.setitimer(signal.ITIMER_REAL, 0)
        except Stop:
            interrupted += 1
            continue
        answered += 1
        wrong += reply != message[::-1]
    return {"answered": answered, "interrupted": interrupted, "wrong": wrong}
