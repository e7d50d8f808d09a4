/*
 * names.c - qnx_name_attach, detach, locate, query: names of up to 32 characters, one process each, gone with it.
 */
#include <sys/name.h>
#include "../old.h"

#define LONGEST "a_name_of_thirty-two_characters!"      /* struct _nameinfo has room for a 0 behind it */

unsigned copies;

static void holder(long unused)
{
    check("the child's qnx_name_attach", qnx_name_attach(0, "old/child") >= 0, 1);
    check("Send that tells so", Send(getppid(), 0, 0, 0, 0), 0);
    Receive(getppid(), 0, 0);
}

static void rival(long id)
{
    check_fails("another's name is busy", qnx_name_attach(0, "old/first"), EBUSY);
    check_fails("another's name cannot be detached", qnx_name_detach(0, (int) id), EINVAL);
    check("it can be located", qnx_name_locate(0, "old/first", 0, 0), getppid());
    check("Send to whom has it", Send(qnx_name_locate(0, "old/first", 0, &copies), "hi", 0, 3, 0), 0);
}

/* How often the name is in the table, and with that pid. */
static int queried(char *name, pid_t pid, int *name_id)
{
    struct _nameinfo info;
    int id = 0, found = 0, last = -1, n;

    while ((n = qnx_name_query(PROC_PID, id, &info)) != -1) {
        if (n < id || n <= last)
            check("ids go up", n, id);
        last = n;
        id = n + 1;
        if (strcmp(info.name, name) == 0 && info.pid == pid) {
            ++found;
            *name_id = n;
            check("its node", info.nid, getnid());
        }
    }
    check("the end of the names", errno, EINVAL);
    return found;
}

static void one_name()
{
    int id, other, seen = -1;
    pid_t child;
    char msg[10];

    check_fails("nobody has it yet", qnx_name_locate(0, "old/first", 0, &copies), ESRCH);
    id = qnx_name_attach(0, "old/first");
    check("qnx_name_attach returns an id", id >= 0, 1);
    copies = 99;
    check("qnx_name_locate", qnx_name_locate(0, "old/first", 0, &copies), getpid());
    check("copies", copies, 1);
    check("on our own node by number", qnx_name_locate(getnid(), "old/first", 0, 0), getpid());
    check("with a buffer size", qnx_name_locate(0, "old/first", 1000, &copies), getpid());
    check_fails("on another node", qnx_name_locate(getnid() + 1, "old/first", 0, 0), EHOSTUNREACH);
    check_fails("a name like it", qnx_name_locate(0, "old/firs", 0, 0), ESRCH);
    check_fails("another like it", qnx_name_locate(0, "old/first1", 0, 0), ESRCH);
    check_fails("in capitals", qnx_name_locate(0, "OLD/FIRST", 0, 0), ESRCH);
    check_fails("it is busy for ourselves, too", qnx_name_attach(0, "old/first"), EBUSY);
    check("qnx_name_query finds it once", queried("old/first", getpid(), &seen), 1);
    check("by the id of the attach", seen, id);

    child = start(rival, (long) id);
    check("a client that found us", Receive(0, msg, sizeof(msg)), child);
    check("its message", strcmp(msg, "hi"), 0);
    Reply(child, 0, 0);
    good_end(child);

    check_fails("qnx_name_detach of no id", qnx_name_detach(0, id + 1000), EINVAL);
    check_fails("of a negative one", qnx_name_detach(0, -1), EINVAL);
    check("qnx_name_detach", qnx_name_detach(0, id), 0);
    check_fails("again", qnx_name_detach(0, id), EINVAL);
    check_fails("nobody has it any more", qnx_name_locate(0, "old/first", 0, 0), ESRCH);
    check("qnx_name_query does not find it", queried("old/first", getpid(), &seen), 0);
    other = qnx_name_attach(getnid(), "old/first");
    check("qnx_name_attach once more, our node by number", other >= 0, 1);
    check("qnx_name_detach, likewise", qnx_name_detach(getnid(), other), 0);
    check_fails("qnx_name_attach on another node", qnx_name_attach(getnid() + 1, "old/first"), EHOSTUNREACH);
}

static void what_names_may_be()
{
    static char *names[] = { LONGEST, "/global", "/global/with/more", "a", "with blanks in it", "x.y-z_1", "//5/odd",
        "ends/" };
    int ids[8], i, j, seen;

    for (i = 0; i < 8; ++i) {
        ids[i] = qnx_name_attach(0, names[i]);
        check(names[i], ids[i] >= 0, 1);
        for (j = 0; j < i; ++j)
            if (ids[j] == ids[i])
                check("an id of its own", ids[i], -1);
    }
    for (i = 0; i < 8; ++i) {
        copies = 0;
        check(names[i], qnx_name_locate(0, names[i], 0, &copies), getpid());
        check("copies", copies, 1);
        check("qnx_name_query", queried(names[i], getpid(), &seen), 1);
        check("its id", seen, ids[i]);
    }
    check("detach of one", qnx_name_detach(0, ids[3]), 0);
    check_fails("it is gone", qnx_name_locate(0, names[3], 0, 0), ESRCH);
    check("the others are not", qnx_name_locate(0, names[4], 0, 0), getpid());
    for (i = 0; i < 8; ++i)
        if (i != 3)
            check("qnx_name_detach", qnx_name_detach(0, ids[i]), 0);
    check("33 characters are refused", qnx_name_attach(0, LONGEST "!"), -1);
    check_fails("and are nobody's", qnx_name_locate(0, LONGEST "!", 0, 0), ESRCH);
    check("no character is refused", qnx_name_attach(0, ""), -1);
}

static void gone_at_death()
{
    pid_t child = start(holder, 0);
    int seen;

    check("Receive", Receive(child, 0, 0), child);
    check("the child has the name", qnx_name_locate(0, "old/child", 0, 0), child);
    check("qnx_name_query knows whose it is", queried("old/child", child, &seen), 1);
    check_fails("the name is busy", qnx_name_attach(0, "old/child"), EBUSY);
    Reply(child, 0, 0);
    until_on(child, STATE_RECEIVE_BLOCKED, getpid());
    kill(child, SIGKILL);
    ended(child);
    check_fails("gone at its death", qnx_name_locate(0, "old/child", 0, 0), ESRCH);
    check("qnx_name_query does not find it", queried("old/child", child, &seen), 0);
    seen = qnx_name_attach(0, "old/child");
    check("the next one may have it", seen >= 0, 1);
    check("it is ours", qnx_name_locate(0, "old/child", 0, 0), getpid());
    check("qnx_name_detach", qnx_name_detach(0, seen), 0);
}

/* Many want one name: one gets it. */
static void contender(long unused)
{
    int id = qnx_name_attach(0, "old/wanted");

    if (id == -1 && errno != EBUSY)
        check_fails("the others' errno", id, EBUSY);
    Send(getppid(), &id, 0, sizeof(id), 0);
    _exit(failures != 0);
}

static void contest()
{
    pid_t children[10], from;
    int i, id, winners = 0;

    for (i = 0; i < 10; ++i)
        children[i] = start(contender, 0);
    for (i = 0; i < 10; ++i) {
        from = Receive(0, &id, sizeof(id));
        if (from == -1)
            break;
        if (id >= 0) {
            ++winners;
            check("the winner has it", qnx_name_locate(0, "old/wanted", 0, 0), from);
        }
    }
    check("one of ten got the name", winners, 1);
    for (i = 0; i < 10; ++i)
        Reply(children[i], 0, 0);
    for (i = 0; i < 10; ++i)
        good_end(children[i]);
    check_fails("and took it away", qnx_name_locate(0, "old/wanted", 0, 0), ESRCH);
}

static void nodes()
{
    nid_t nids[10];
    char alive[4];
    int id;

    check("qnx_name_locators: this node", qnx_name_locators(nids), 1);
    check("its number", nids[0], getnid());
    memset(alive, 9, sizeof(alive));
    check("qnx_net_alive", qnx_net_alive(alive, 4) >= getnid(), 1);
    check("this node is", alive[getnid()], 1);
    check("the next is not", alive[getnid() + 1], 0);
    id = qnx_name_attach(0, "/old/global");
    check("qnx_name_nodes: this node", qnx_name_nodes(0, "/old/global", 10, nids), 1);
    check("its number", nids[0], getnid());
    check("qnx_name_detach", qnx_name_detach(0, id), 0);
    check("qnx_name_nodes of nobody's", qnx_name_nodes(0, "/old/global", 10, nids), 0);
}

main()
{
    struct _nameinfo info;

    check("room for a name", sizeof(info.name), 33);
    one_name();
    what_names_may_be();
    gone_at_death();
    contest();
    nodes();
    check("qnx_name_query of proc_pid 0", qnx_name_query(0, 1000000, &info), -1);
    check_fails("of a process that is not Proc", qnx_name_query(getpid(), 0, &info), ESRCH);
    return finish();
}
