/*
 * readmsg.c - Readmsg: the rest of a message, or any of it, at any offset of the whole message. Its end, and what is
 * beyond it; and of whose message nothing can be read.
 */
#include "../old.h"

#define LEN 1000
#define BIG 3145728
#define CHUNK 65500

char text[LEN];
char large[BIG];

static void fill(char *buf, unsigned n)
{
    unsigned i;

    for (i = 0; i < n; ++i)
        buf[i] = (char) (i * 13 + (i >> 8));
}

static void client(long unused)
{
    fill(text, LEN);
    check("the client's Send", Send(getppid(), text, 0, LEN, 0), 0);
}

static void large_client(long unused)
{
    fill(large, BIG);
    check("the client's Send of 3 MB", Send(getppid(), large, 0, BIG, 0), 0);
}

main()
{
    char buf[2 * LEN];
    char *copy = malloc(BIG);
    pid_t child, other;
    unsigned at, n;

    fill(text, LEN);
    child = start(client, 0);
    until_on(child, STATE_SEND_BLOCKED, getpid());
    check_fails("Readmsg before Receive", (int) Readmsg(child, 0, buf, 10), ESRCH);
    check("Receive of the first 10 bytes", Receive(0, buf, 10), child);
    check_bytes("they are the first", buf, text, 10);

    memset(buf, 'x', sizeof(buf));
    check("Readmsg at 0 reads the first byte, not the eleventh", Readmsg(child, 0, buf, 20), 20);
    check_bytes("those 20 bytes", buf, text, 20);
    check("no more than asked for", buf[20], 'x');
    check("Readmsg at 10", Readmsg(child, 10, buf, 100), 100);
    check_bytes("those 100 bytes", buf, text + 10, 100);
    check("the same again", Readmsg(child, 10, buf, 100), 100);
    check("Readmsg of the last byte", Readmsg(child, LEN - 1, buf, 1), 1);
    check("which is", buf[0], text[LEN - 1]);

    memset(buf, 'x', sizeof(buf));
    check("Readmsg across the end: fewer", Readmsg(child, LEN - 10, buf, 50), 10);
    check_bytes("those 10 bytes", buf, text + LEN - 10, 10);
    check("nothing behind them", buf[10], 'x');
    check("Readmsg of more than all", Readmsg(child, 0, buf, 2 * LEN), LEN);
    check_bytes("which is all", buf, text, LEN);
    check("Readmsg at the end", Readmsg(child, LEN, buf, 10), 0);
    check("Readmsg beyond the end", Readmsg(child, LEN + 1, buf, 10), 0);
    check("Readmsg far beyond the end", Readmsg(child, 4000000000U, buf, 10), 0);
    check("Readmsg of 0 bytes with a null pointer", Readmsg(child, 5, 0, 0), 0);

    other = start(client, 0);
    until_on(other, STATE_SEND_BLOCKED, getpid());
    check_fails("Readmsg of another, not received", (int) Readmsg(other, 0, buf, 10), ESRCH);
    check("Receive of the other", Receive(other, 0, 0), other);
    check("Readmsg of the other", Readmsg(other, 1, buf, 3), 3);
    check("Readmsg of the first still", Readmsg(child, 2, buf, 3), 3);
    check("Reply to the first", Reply(child, 0, 0), 0);
    good_end(child);
    check_fails("Readmsg after the Reply", (int) Readmsg(child, 0, buf, 10), ESRCH);
    check("Readmsg of the other still", Readmsg(other, 3, buf, 3), 3);
    check("Reply to the other", Reply(other, 0, 0), 0);
    good_end(other);
    check_fails("Readmsg of whom never sent", (int) Readmsg(getppid(), 0, buf, 10), ESRCH);
    check("an error is (unsigned) -1", Readmsg(child, 0, buf, 10) == (unsigned) -1, 1);

    /* As a file system does it: a long message, chunk by chunk. */
    fill(large, BIG);
    child = start(large_client, 0);
    check("Receive of nothing yet", Receive(0, 0, 0), child);
    for (at = 0; (n = Readmsg(child, at, copy + at, CHUNK)) != 0 && n != (unsigned) -1; at += n)
        if (n != CHUNK && at + n != BIG)
            check("a full chunk", n, CHUNK);
    check("3 MB by chunks", at, BIG);
    check_bytes("are what was sent", copy, large, BIG);
    memset(copy, 0, BIG);
    check("3 MB at once", Readmsg(child, 0, copy, BIG), BIG);
    check_bytes("are what was sent", copy, large, BIG);
    check("Reply", Reply(child, 0, 0), 0);
    good_end(child);
    return finish();
}
