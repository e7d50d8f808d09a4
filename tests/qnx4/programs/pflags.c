/* pflags.c - qnx_pflags: new = (old & ~mask) | (bits & mask), and what a child has of it. */
#include "../old.h"

#define MINE (_PPF_PRIORITY_REC | _PPF_SIGCATCH | _PPF_SERVER | _PPF_PRIORITY_FLOAT | _PPF_INFORM)

static long now()
{
    long flags = -1;

    check("qnx_pflags that only asks", qnx_pflags(0, 0, 0, &flags), 0);
    return flags & MINE;
}

static void child(long unused)
{
    check("a child begins without them", now(), 0);
    check("it has its own", qnx_pflags(~0, _PPF_SERVER, 0, 0), 0);
    check("of which it knows", now(), _PPF_SERVER);
}

main()
{
    struct _psinfo ps;
    long was = -1, is = -1;

    check("_PPF_IMMORTAL", _PPF_IMMORTAL, 0x1);
    check("_PPF_INFORM", _PPF_INFORM, 0x2);
    check("_PPF_FIXED", _PPF_FIXED, 0x4);
    check("_PPF_PRIORITY_REC", _PPF_PRIORITY_REC, 0x10);
    check("_PPF_PRIORITY_FLOAT", _PPF_PRIORITY_FLOAT, 0x20);
    check("_PPF_NOCLDSTOP", _PPF_NOCLDSTOP, 0x40);
    check("_PPF_SIGCATCH", _PPF_SIGCATCH, 0x80);
    check("_PPF_SIGMASKALL", _PPF_SIGMASKALL, 0x100);
    check("_PPF_SERVER", _PPF_SERVER, 0x200);
    check("_PPF_RDOS", _PPF_RDOS, 0x400);
    check("_PPF_VID", _PPF_VID, 0x100000);
    check("_PPF_MID", _PPF_MID, 0x200000);
    check("_PPF_VMID", _PPF_VMID, 0x400000);
    check("the high ones", _PPF_WAS_32BIT + _PPF_32BIT + _PPF_FLAT + _PPF_XIP, 0xe8000);
    check("the highest", _PPF_EXECING + _PPF_LOADING + _PPF_TERMING + _PPF_TO_BE_HELD, 0xf000000);
    check("the very highest", _PPF_NOZOMBIE + _PPF_SLEADER + _PPF_FORKED, 0x70000000);

    check("one begins without them", now(), 0);
    check("set one: old and new", qnx_pflags(~0, _PPF_PRIORITY_REC, &was, &is), 0);
    check("old", was & MINE, 0);
    check("new", is & MINE, _PPF_PRIORITY_REC);
    check("clear one that is not set", qnx_pflags(0, _PPF_SERVER, 0, 0), 0);
    check("changes nothing", now(), _PPF_PRIORITY_REC);
    check("set another", qnx_pflags(~0, _PPF_SERVER, &was, 0), 0);
    check("old", was & MINE, _PPF_PRIORITY_REC);
    check("both", now(), _PPF_PRIORITY_REC | _PPF_SERVER);
    check("one off, one on, one left", qnx_pflags(_PPF_SIGCATCH, _PPF_SIGCATCH | _PPF_SERVER, 0, &is), 0);
    check("new", is & MINE, _PPF_PRIORITY_REC | _PPF_SIGCATCH);
    check("qnx_psinfo knows them", qnx_psinfo(PROC_PID, 0, &ps, 0, 0), getpid());
    check("the same", ps.flags & MINE, _PPF_PRIORITY_REC | _PPF_SIGCATCH);
    good_end(start(child, 0));
    check("a child's are not ours", now(), _PPF_PRIORITY_REC | _PPF_SIGCATCH);
    check("off, with null pointers", qnx_pflags(0, MINE, 0, 0), 0);
    check("none", now(), 0);
    check("a process is no proxy", ps.flags & (_PPF_MID | _PPF_VMID | _PPF_VID), 0);
    return finish();
}
