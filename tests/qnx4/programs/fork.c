/*
 * fork.c - a child is a process of its own: no names, proxies or clients of its parent's are its; its parent keeps them
 * when it ends. After exec it is the same process, with neither names nor proxies.
 */
#include <sys/name.h>
#include <sys/proxy.h>
#include "../old.h"

struct things {
    pid_t proxy, client;
    int name_id;
};

struct things things;

static void client(long unused)
{
    char reply = 0;

    check("the client's Send", Send(getppid(), "c", &reply, 1, 1), 0);
    check("its reply is from whom it sent to", reply, 'r');
}

static void child(long unused)
{
    char c;

    check_fails("the parent's client is not the child's", Reply(things.client, "x", 1), ESRCH);
    check_fails("Readmsg", (int) Readmsg(things.client, 0, &c, 1), ESRCH);
    check_fails("Writemsg", (int) Writemsg(things.client, 0, "x", 1), ESRCH);
    check_fails("Relay", Relay(things.client, getpid()), ESRCH);
    check("the parent's proxy triggers the parent", Trigger(things.proxy), getppid());
    check_fails("the child cannot detach it", qnx_proxy_detach(things.proxy), EPERM);
    check_fails("nor the name", qnx_name_detach(0, things.name_id), EINVAL);
    check("which is the parent's", qnx_name_locate(0, "old/fork", 0, 0), getppid());
    check_fails("nothing of the parent's queue is here", Creceive(0, 0, 0), ENOMSG);
    check("Send to the parent", Send(getppid(), "s", &c, 1, 1), 0);
    check("its reply", c, 't');
    if (qnx_name_attach(0, "old/own") == -1 || qnx_proxy_attach(0, 0, 0, -1) == -1)
        check("a name and a proxy of its own", 0, 1);
}

/* A child of the child, and so on: each is a target at once. */
static void generations(long n)
{
    pid_t next;
    char c = 0;

    if (n > 0) {
        next = start(generations, n - 1);
        check("Receive from the parent", Receive(getppid(), &c, 1), getppid());
        check("Send to the child", Send(next, &c, &c, 1, 1), 0);
        ++c;
        check("Reply to the parent", Reply(getppid(), &c, 1), 0);
        good_end(next);
    }
    else {
        check("Receive by the last", Receive(0, &c, 1), getppid());
        check("Reply by the last", Reply(getppid(), &c, 1), 0);
    }
}

/* Becomes another program with a name and a proxy of its own, and is the same process with neither. */
static void becomes_another(long unused)
{
    char path[200];
    pid_t proxy = qnx_proxy_attach(0, 0, 0, -1);
    int n = readlink("/proc/self/exe", path, sizeof(path) - 1);

    path[n] = 0;
    check("a name", qnx_name_attach(0, "old/before") >= 0, 1);
    check("Send before exec", Send(getppid(), &proxy, 0, sizeof(proxy), 0), 0);
    execl(path, path, "again", (char *) 0);
    check("exec", errno, 0);
}

static void with_exec()
{
    pid_t proxy, pid = start(becomes_another, 0);
    char c;

    check("Receive before exec", Receive(pid, &proxy, sizeof(proxy)), pid);
    check("it has a name", qnx_name_locate(0, "old/before", 0, 0), pid);
    check("and a proxy", Trigger(proxy), pid);
    Reply(pid, 0, 0);
    for (;;) {                  /* it dies, as a sender, at exec, and comes to life again */
        if (Receive(pid, &c, 1) == pid)
            break;
        if (errno != ESRCH) {
            check("Receive after exec", errno, ESRCH);
            break;
        }
        usleep(1000);
    }
    check("the same pid, another program", c, 'a');
    check_fails("it has no name", qnx_name_locate(0, "old/before", 0, 0), ESRCH);
    check_fails("and no proxy", Trigger(proxy), ESRCH);
    check("Reply", Reply(pid, "A", 1), 0);
    good_end(pid);
}

main(argc, argv)
int argc;
char **argv;
{
    char c;
    pid_t pid;

    if (argc > 1) {
        check("Send after exec", Send(getppid(), "a", &c, 1, 1), 0);
        check("its reply", c, 'A');
        return finish();
    }

    things.name_id = qnx_name_attach(0, "old/fork");
    things.proxy = qnx_proxy_attach(0, "p", 1, -1);
    check("a name", things.name_id >= 0, 1);
    things.client = start(client, 0);
    check("a client", Receive(0, &c, 1), things.client);

    pid = start(child, 0);
    check("Receive of the child's Trigger", Receive(things.proxy, &c, 1), things.proxy);
    check("Receive from the child", Receive(pid, &c, 1), pid);
    check("its message", c, 's');
    check("Reply to the child", Reply(pid, "t", 1), 0);
    good_end(pid);

    check("the name is ours when the child is dead", qnx_name_locate(0, "old/fork", 0, 0), getpid());
    check_fails("the child's is not there", qnx_name_locate(0, "old/own", 0, 0), ESRCH);
    check("the proxy is ours", Trigger(things.proxy), getpid());
    check("and comes", Receive(0, &c, 1), things.proxy);
    check("the client waits for us still", Reply(things.client, "r", 1), 0);
    good_end(things.client);
    check("qnx_proxy_detach", qnx_proxy_detach(things.proxy), 0);
    check("qnx_name_detach", qnx_name_detach(0, things.name_id), 0);

    with_exec();
    pid = start(generations, 8L);
    c = 10;
    check("Send through eight generations", Send(pid, &c, &c, 1, 1), 0);
    check("each has added one", c, 18);
    good_end(pid);
    return finish();
}
