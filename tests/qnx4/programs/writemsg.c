/*
 * writemsg.c - Writemsg: into the reply buffer of a client that stays blocked, at any offset. Reply itself always
 * begins at offset 0.
 */
#include "../old.h"

#define LEN 1000
#define BIG 3145728
#define CHUNK 100000

char expected[LEN];
char large[BIG];

/* Offsets, a reply at 0, ends. */
static void client(long unused)
{
    char reply[LEN + 10];

    memset(reply, '.', sizeof(reply));
    check("Send that is answered by pieces", Send(getppid(), "m", reply, 1, LEN), 0);
    memset(expected, '.', LEN);
    memcpy(expected + 500, "middle", 6);
    memcpy(expected + LEN - 2, "en", 2);
    memcpy(expected, "head", 4);
    memcpy(expected + 4, "HEAD", 4);
    check_bytes("the reply by pieces", reply, expected, LEN);
    check("not a byte beyond the room", reply[LEN], '.');

    memset(reply, '.', sizeof(reply));
    check("Send that is answered by Writemsg alone", Send(getppid(), "m", reply, 1, LEN), 0);
    memset(expected, '.', LEN);
    memcpy(expected, "abc", 3);
    check_bytes("what Writemsg wrote stays", reply, expected, LEN);

    memset(reply, '.', sizeof(reply));
    check("Send without a reply buffer", Send(getppid(), "m", 0, 1, 0), 0);
}

static void large_client(long unused)
{
    char *reply = malloc(BIG);
    unsigned i;

    check("Send for 3 MB", Send(getppid(), 0, reply, 0, BIG), 0);
    for (i = 0; i < BIG; ++i)
        large[i] = (char) (i * 3 + (i >> 8));
    check_bytes("3 MB by pieces, last first", reply, large, BIG);
    free(reply);
}

main()
{
    char byte;
    pid_t child, from;
    unsigned i, at, moved;

    child = start(client, 0);
    until_on(child, STATE_SEND_BLOCKED, getpid());
    check_fails("Writemsg before Receive", (int) Writemsg(child, 0, "x", 1), ESRCH);
    from = Receive(0, &byte, 1);
    check("Receive", from, child);
    check("Writemsg in the middle", Writemsg(child, 500, "middle", 6), 6);
    until_on(child, STATE_REPLY_BLOCKED, getpid());
    check("Writemsg across the end: fewer", Writemsg(child, LEN - 2, "end", 3), 2);
    check("Writemsg at the end", Writemsg(child, LEN, "end", 3), 0);
    check("Writemsg beyond the end", Writemsg(child, LEN + 100, "end", 3), 0);
    check("Writemsg far beyond the end", Writemsg(child, 4000000000U, "end", 3), 0);
    check("Writemsg of 0 bytes with a null pointer", Writemsg(child, 1, 0, 0), 0);
    check("Writemsg at the beginning", Writemsg(child, 0, "XXXXHEAD", 8), 8);
    until_on(child, STATE_REPLY_BLOCKED, getpid());
    check("the message can be read still", Readmsg(child, 0, &byte, 1), 1);
    check("and is", byte, 'm');
    check("Reply lands at 0", Reply(child, "head", 4), 0);

    check("the second message", Receive(child, 0, 0), child);
    check("Writemsg", Writemsg(child, 0, "abc", 3), 3);
    check("Reply of nothing", Reply(child, 0, 0), 0);

    check("the third message", Receive(child, 0, 0), child);
    check("Writemsg where there is no room", Writemsg(child, 0, "abc", 3), 0);
    check("Reply of more than there is room for", Reply(child, "abc", 3), 0);
    good_end(child);
    check_fails("Writemsg after the Reply", (int) Writemsg(child, 0, "abc", 3), ESRCH);
    check_fails("Writemsg to whom never sent", (int) Writemsg(getppid(), 0, "abc", 3), ESRCH);
    check("an error is (unsigned) -1", Writemsg(child, 0, "abc", 3) == (unsigned) -1, 1);

    for (i = 0; i < BIG; ++i)
        large[i] = (char) (i * 3 + (i >> 8));
    child = start(large_client, 0);
    check("Receive of the request for 3 MB", Receive(0, 0, 0), child);
    for (at = BIG, moved = 0; at > 0;) {
        i = at < CHUNK ? at : CHUNK;
        at -= i;
        moved += Writemsg(child, at, large + at, i);
    }
    check("bytes written", moved, BIG);
    check("Reply of nothing", Reply(child, 0, 0), 0);
    good_end(child);
    return finish();
}
