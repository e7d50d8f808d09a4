/*
 * proxy.c - proxies: each Trigger counts, the data is that of the attach, nobody is blocked, and Receive returns the
 * proxy's id. Who may detach, and what is left then.
 */
#include <limits.h>
#include <sys/proxy.h>
#include "../old.h"

char data[_QNX_PROXY_SIZE_MAX + 1];

static void trigger(long proxy)
{
    check("Trigger by a child returns the owner", Trigger((pid_t) proxy), getppid());
}

static void sends(long proxy)
{
    char reply[4];

    strcpy(reply, "abc");
    check("Send to a proxy returns at once", Send((pid_t) proxy, "ignored", reply, 8, 4), 0);
    check("and has no reply", strcmp(reply, "abc"), 0);
}

static void stranger(long proxy)
{
    check_fails("qnx_proxy_detach by a stranger", qnx_proxy_detach((pid_t) proxy), EPERM);
}

/* The number as text, as one passes it in an argument or a message. */
static void by_text(long unused)
{
    char text[12];
    int proxy = 0;

    check("Receive of the text", Receive(getppid(), text, sizeof(text)), getppid());
    check("it is a number", sscanf(text, "%d", &proxy), 1);
    check("Trigger of it", Trigger(proxy), getppid());
    Reply(getppid(), 0, 0);
}

static pid_t attach(char *what, void *bytes, int n)
{
    pid_t proxy = qnx_proxy_attach(0, bytes, n, -1);

    check(what, proxy > 0 && proxy != getpid(), 1);
    return proxy;
}

static void sizes()
{
    static int n[] = { 0, 1, 2, 50, 99, 100 };
    char msg[200], what[60];
    pid_t proxy;
    int i, j;

    check("_QNX_PROXY_SIZE_MAX", _QNX_PROXY_SIZE_MAX, 100);
    for (i = 0; i < sizeof(n) / sizeof(n[0]); ++i) {
        for (j = 0; j < n[i]; ++j)
            data[j] = (char) (i + j);
        sprintf(what, "qnx_proxy_attach with %d bytes", n[i]);
        proxy = attach(what, n[i] ? data : 0, n[i]);
        memset(data, 'z', sizeof(data));        /* it has its own copy */
        memset(msg, '.', sizeof(msg));
        check("Trigger by the owner", Trigger(proxy), getpid());
        check("Receive(0) returns the proxy", Receive(0, msg, sizeof(msg)), proxy);
        for (j = 0; j < n[i]; ++j)
            if (msg[j] != (char) (i + j))
                check("its data", msg[j], (char) (i + j));
        check("nothing behind it", msg[n[i]], '.');

        memset(msg, '.', sizeof(msg));
        check("Trigger again", Trigger(proxy), getpid());
        check("Receive into 10 bytes", Receive(proxy, msg, 10), proxy);
        check("is cut off there", msg[10], '.');
        check_fails("nobody to Reply to", Reply(proxy, 0, 0), ESRCH);
        check_fails("nor to read from", (int) Readmsg(proxy, 0, msg, 1), ESRCH);
        check("qnx_proxy_detach", qnx_proxy_detach(proxy), 0);
    }
    check_fails("qnx_proxy_attach with 101 bytes", qnx_proxy_attach(0, data, 101, -1), EINVAL);
}

static int drain(pid_t proxy)
{
    int n = 0;

    while (Creceive(proxy, 0, 0) == proxy)
        ++n;
    check("then there is none", errno, ENOMSG);
    return n;
}

static unsigned pending(pid_t proxy)
{
    struct _psinfo ps;

    if (qnx_psinfo(PROC_PID, proxy, &ps, 0, 0) != proxy)
        return 99999;
    check("_PPF_MID: a proxy", (ps.flags & _PPF_MID) != 0, 1);
    return ps.un.mproc.count;
}

static void counting()
{
    pid_t proxy = attach("qnx_proxy_attach", "tick", 5), second;
    int i, n;
    char msg[10];

    check("none is pending", pending(proxy), 0);
    check("none to drain", drain(proxy), 0);
    for (i = 0; i < 1000; ++i)
        Trigger(proxy);
    check("1000 are pending", pending(proxy), 1000);
    for (i = 0, n = 0; i < 400; ++i)
        n += Receive(0, msg, sizeof(msg)) == proxy && strcmp(msg, "tick") == 0;
    check("each of 400 is received", n, 400);
    check("600 are pending", pending(proxy), 600);
    check("600 to drain", drain(proxy), 600);
    for (i = 0; i < 65535; ++i)
        Trigger(proxy);
    check("65535 may be pending", pending(proxy), 65535);
    check("65535 to drain", drain(proxy), 65535);

    second = attach("a second one", "tock", 5);
    check("has another id", second != proxy, 1);
    Trigger(proxy);
    Trigger(second);
    check("Receive of the second only", Receive(second, msg, sizeof(msg)), second);
    check("its data", strcmp(msg, "tock"), 0);
    check_fails("it came once", Creceive(second, 0, 0), ENOMSG);
    check("Receive of the first", Receive(0, msg, sizeof(msg)), proxy);
    check("its data", strcmp(msg, "tick"), 0);

    Trigger(second);
    check("qnx_proxy_detach with one pending", qnx_proxy_detach(second), 0);
    check_fails("which goes with it", Creceive(0, 0, 0), ENOMSG);
    check_fails("qnx_proxy_detach again", qnx_proxy_detach(second), ESRCH);
    check_fails("Trigger after detach", Trigger(second), ESRCH);
    check_fails("Receive after detach", Receive(second, 0, 0), ESRCH);
    check_fails("Send after detach", Send(second, 0, 0, 0, 0), ESRCH);
    check("the first is there still", Trigger(proxy), getpid());
    check("and is received", Receive(proxy, 0, 0), proxy);
    check("qnx_proxy_detach", qnx_proxy_detach(proxy), 0);
}

static void others()
{
    pid_t proxy = attach("qnx_proxy_attach", "data", 5), child;
    char text[12], msg[10];

    good_end(start(trigger, (long) proxy));
    check("Receive, triggered by a child that is dead", Receive(0, msg, sizeof(msg)), proxy);
    good_end(start(sends, (long) proxy));
    check("Receive, sent to", Receive(0, msg, sizeof(msg)), proxy);
    check("the data is the proxy's", strcmp(msg, "data"), 0);
    check("Send to our own proxy", Send(proxy, 0, 0, 0, 0), 0);
    check("is a Trigger", Receive(0, msg, sizeof(msg)), proxy);
    good_end(start(stranger, (long) proxy));

    child = start(by_text, 0);
    sprintf(text, "%5d", proxy);
    check("Send of the id as text", Send(child, text, 0, sizeof(text), 0), 0);
    check("it was triggered", Creceive(proxy, 0, 0), proxy);
    good_end(child);

    check("qnx_proxy_rem_attach on node 0", qnx_proxy_rem_attach(0, proxy), proxy);
    check("on our own node", qnx_proxy_rem_attach(getnid(), proxy), proxy);
    check_fails("on another", qnx_proxy_rem_attach(getnid() + 1, proxy), EHOSTUNREACH);
    check("qnx_proxy_rem_detach on node 0", qnx_proxy_rem_detach(0, proxy), 0);
    check("on our own node", qnx_proxy_rem_detach(getnid(), proxy), 0);
    check("the proxy is there still", Trigger(proxy), getpid());
    check("qnx_proxy_detach", qnx_proxy_detach(proxy), 0);
    check_fails("qnx_proxy_rem_attach of none", qnx_proxy_rem_attach(0, proxy), ESRCH);
    check_fails("qnx_proxy_rem_detach of none", qnx_proxy_rem_detach(0, proxy), ESRCH);
}

main()
{
    sizes();
    counting();
    others();
    return finish();
}
