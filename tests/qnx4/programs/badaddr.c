/*
 * badaddr.c - addresses where there is no memory. EFAULT: one's own; EDSTFAULT: the other side's. Short messages and
 * long ones, wholly bad buffers and those whose end is bad. Nobody is stuck afterwards, nobody dies of it.
 */
#include <sys/mman.h>
#include <sys/proxy.h>
#include <sys/sendmx.h>
#include "../old.h"

#define SHORT 100
#define LONG 1000000

char good[LONG], other[LONG];
char *bad;                      /* no memory at all */
char *half;                     /* memory up to bad */
long page;

static void fill(char *to, unsigned seed)
{
    unsigned i;

    for (i = 0; i < LONG; ++i)
        to[i] = (char) ((i * 7 + seed) % 251);
}

static void hold_a_page_back()
{
    page = sysconf(_SC_PAGESIZE);
    half = mmap(0, LONG + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bad = half + page;
    munmap(bad, LONG);
}

/* Looks at the whole of each message; its first byte says how long an answer is wanted. */
static void echo(long unused)
{
    static char msg[LONG], reply[LONG];
    pid_t from;

    while ((from = Receive(0, msg, sizeof(msg))) != -1 && msg[0] != 'q')
        Reply(from, reply, msg[0] == 's' ? SHORT : LONG);
    check("Reply to the last one", Reply(from, reply, 1), 0);
}

static void sends_from_nowhere()
{
    pid_t server = start(echo, 0);
    char what = 's';

    check_fails("Send of a short message that is not there", Send(server, bad, good, SHORT, SHORT), EFAULT);
    check_fails("Sendmx by a table that is not there", Sendmx(server, 1, 0, (struct _mxfer_entry *) bad, 0), EFAULT);
    check_fails("and of two parts", Sendmx(server, 2, 0, (struct _mxfer_entry *) bad, 0), EFAULT);
    check_fails("Send of a long message that is not there", Send(server, bad, good, LONG, SHORT), EFAULT);
    check_fails("Send of a message whose end is not there", Send(server, bad - 10, good, SHORT, SHORT), EFAULT);
    check_fails("Send of a long one whose end is not there", Send(server, half, good, LONG, SHORT), EFAULT);
    check_fails("Send from address 8", Send(server, (char *) 8, good, SHORT, SHORT), EFAULT);
    check_fails("Send with a short reply buffer that is not there", Send(server, &what, bad, 1, SHORT), EFAULT);
    check_fails("Send with one whose end is not there", Send(server, &what, bad - 10, 1, SHORT), EFAULT);
    what = 'l';
    check_fails("Send with a long reply buffer that is not there", Send(server, &what, bad, 1, LONG), EFAULT);
    check_fails("Send with a long one whose end is not there", Send(server, &what, half, 1, LONG), EFAULT);
    what = 's';
    check("Send after all that", Send(server, &what, good, 1, SHORT), 0);
    what = 'q';
    check("the end", Send(server, &what, good, 1, SHORT), 0);
    good_end(server);
}

static void short_client(long unused)
{
    check_fails("Send to whom has no buffer", Send(getppid(), good, good, SHORT, SHORT), EDSTFAULT);
    check_fails("Send to whom has half a buffer", Send(getppid(), good, good, SHORT, SHORT), EDSTFAULT);
    check("Send to whom has a buffer again", Send(getppid(), good, good, SHORT, SHORT), 0);
}

static void long_client(long unused)
{
    check_fails("long Send to whom has no buffer", Send(getppid(), good, good, LONG, LONG), EDSTFAULT);
    check_fails("long Send to whom has half a buffer", Send(getppid(), good, good, LONG, LONG), EDSTFAULT);
    fill(good, 1);
    check("long Send to whom has a buffer again", Send(getppid(), good, other, LONG, LONG), 0);
    fill(good, 2);
    check_bytes("its reply", other, good, LONG);
}

static void receives_into_nowhere(void (*client)(long), unsigned n)
{
    pid_t child = start(client, 0);
    unsigned moved;

    check_fails("Receive into nowhere", Receive(0, bad, n), EFAULT);
    check_fails("Receive into half a buffer", Receive(0, n == SHORT ? bad - 10 : half, n), EFAULT);
    check("Receive into a buffer", Receive(0, good, n), child);
    check_fails("Readmsg into nowhere", (int) Readmsg(child, 0, bad, n), EFAULT);
    check_fails("Readmsg into half a buffer", (int) Readmsg(child, 0, n == SHORT ? bad - 10 : half, n), EFAULT);
    check_fails("Writemsg from nowhere", (int) Writemsg(child, 0, bad, n), EFAULT);
    check_fails("Writemsg from half a buffer", (int) Writemsg(child, 0, n == SHORT ? bad - 10 : half, n), EFAULT);
    check_fails("Reply from nowhere", Reply(child, bad, n), EFAULT);
    until_on(child, STATE_REPLY_BLOCKED, getpid());
    moved = Readmsg(child, 0, good, n);
    check("Readmsg into a buffer", moved, n);
    if (n == LONG) {
        fill(other, 1);
        check_bytes("what was read", good, other, LONG);
        fill(good, 2);
    }
    check("Reply from a buffer", Reply(child, good, n), 0);
    good_end(child);
}

/* The client's reply buffer is bad, which only the server can notice. */
static void bad_client(long n)
{
    check_fails("Send for a reply into nowhere", Send(getppid(), "m", bad, 1, (unsigned) n), EFAULT);
    check_fails("and another", Send(getppid(), "m", bad, 1, (unsigned) n), EFAULT);
}

static void replies_into_nowhere(unsigned n)
{
    pid_t child = start(bad_client, (long) n);
    int result;

    check("Receive", Receive(child, 0, 0), child);
    check_fails("Reply into nowhere", Reply(child, good, n), EDSTFAULT);
    if (Receive(child, 0, 0) == child) {
        result = (int) Writemsg(child, 0, good, n);
        check("Writemsg into nowhere fails", result, -1);
        check("as a fault", errno == EFAULT || errno == EDSTFAULT, 1);
        check_fails("and then Reply", Reply(child, good, n), EDSTFAULT);
    }
    good_end(child);
}

/* The end of its message is not there, which shows when somebody asks for it. */
static void lame(long unused)
{
    int result = Send(getppid(), half, good, LONG, SHORT);

    check("Send of which the end is not there", result == 0 || errno == EFAULT, 1);
}

main()
{
    char c;
    pid_t child, proxy;
    int result;

    hold_a_page_back();
    sends_from_nowhere();
    receives_into_nowhere(short_client, SHORT);
    receives_into_nowhere(long_client, LONG);
    replies_into_nowhere(SHORT);
    replies_into_nowhere(LONG);

    child = start(lame, 0);
    if (Receive(child, &c, 1) == child) {
        result = (int) Readmsg(child, page, good, LONG);
        check("Readmsg of what is not there fails", result, -1);
        check("as a fault", errno == EFAULT || errno == EDSTFAULT, 1);
        check("Reply", Reply(child, 0, 0), 0);
    }
    good_end(child);

    proxy = qnx_proxy_attach(0, "abc", 3, -1);
    Trigger(proxy);
    check_fails("Receive of a proxy into nowhere", Receive(proxy, bad, SHORT), EFAULT);
    check("qnx_proxy_detach", qnx_proxy_detach(proxy), 0);
    return finish();
}
