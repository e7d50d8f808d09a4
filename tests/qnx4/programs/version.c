/*
 * version.c - _PPF_SERVER: a server that answers the system message that asks for its version; and a client that looks
 * for such servers and asks them.
 */
#include <sys/name.h>
#include <sys/sys_msg.h>
#include "../old.h"

union message {
    struct _sysmsg_hdr hdr;
    struct {
        struct _sysmsg_hdr_reply hdr;
        struct _sysmsg_version_reply body;
    } version;
    msg_t type;
};

static void server(long unused)
{
    union message msg;
    pid_t from;

    qnx_pflags(~0, _PPF_SERVER, 0, 0);
    do {
        from = Receive(0, &msg, sizeof(msg));
        if (msg.hdr.type == _SYSMSG && msg.hdr.subtype == _SYSMSG_SUBTYPE_VERSION) {
            memset(&msg, 0, sizeof(msg));
            msg.version.hdr.status = EOK;
            strcpy(msg.version.body.name, "Old");
            memcpy(msg.version.body.date, __DATE__, 11);
            msg.version.body.version = 425;
            msg.version.body.letter = 'C';
            Reply(from, &msg, sizeof(msg.version));
            msg.type = 1;
        }
        else if (msg.type == _SYSMSG) {
            msg.version.hdr.status = ENOSYS;
            Reply(from, &msg, sizeof(msg.version.hdr));
            msg.type = 1;
        }
        else
            Reply(from, &msg, sizeof(msg.type));
    } while (msg.type == 1);
}

main()
{
    struct _psinfo ps;
    union message msg;
    pid_t child, pid;
    int found = 0;

    check("_SYSMSG", _SYSMSG, 0);
    check("DEATH", _SYSMSG_SUBTYPE_DEATH, 0);
    check("SIGNAL", _SYSMSG_SUBTYPE_SIGNAL, 1);
    check("TRACE", _SYSMSG_SUBTYPE_TRACE, 2);
    check("VERSION", _SYSMSG_SUBTYPE_VERSION, 3);
    check("SLIB", _SYSMSG_SUBTYPE_SLIB, 4);
    check("a header has 4 bytes", sizeof(struct _sysmsg_hdr), 4);
    check("a version reply has 4 + 28", sizeof(msg.version), 32);

    child = start(server, 0);
    until(child, STATE_RECEIVE_BLOCKED);
    for (pid = 1; (pid = qnx_psinfo(PROC_PID, pid, &ps, 0, 0)) != -1; ++pid) {
        if (!(ps.flags & _PPF_SERVER) || pid != child)
            continue;
        ++found;
        msg.hdr.type = _SYSMSG;
        msg.hdr.subtype = _SYSMSG_SUBTYPE_VERSION;
        check("Send of the question", Send(pid, &msg, &msg, sizeof(msg.hdr) + 2, sizeof(msg)), 0);
        check("the status", msg.version.hdr.status, EOK);
        check("the name", strcmp(msg.version.body.name, "Old"), 0);
        check("the date", strncmp(msg.version.body.date, __DATE__, 11), 0);
        check("the version", msg.version.body.version, 425);
        check("the letter", msg.version.body.letter, 'C');
        check("no more units", msg.version.body.more, 0);
    }
    check("the server is found by its flag", found, 1);
    msg.hdr.type = _SYSMSG;
    msg.hdr.subtype = _SYSMSG_SUBTYPE_SLIB;
    check("Send of another question", Send(child, &msg, &msg, sizeof(msg.hdr), sizeof(msg)), 0);
    check("which it does not know", msg.version.hdr.status, ENOSYS);
    msg.type = 99;
    check("Send of the end", Send(child, &msg, &msg, sizeof(msg.type), sizeof(msg.type)), 0);
    good_end(child);
    return finish();
}
