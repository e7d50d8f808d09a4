/* names.c - <sys/name.h>: names, by those of libsrr. */
#define _GNU_SOURCE
#include <sys/name.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "qnx4.h"
#include "srr.h"

#define NAME_MOST ((int)sizeof(((struct _nameinfo *)0)->name) - 1)

PUBLIC int qnx_name_attach(nid_t nid, const char *name)
{
    if (!is_here(nid))
        return answer(-EHOSTUNREACH);
    if (!name || name[0] == 0 || strlen(name) > (size_t)NAME_MOST)
        return answer(-EINVAL);
    return answer(srr_name_attach(name));
}

/* One name, looked for by its number. */
struct sought {
    int at_least;
    int id;  /* -1: not found yet */
    pid_t pid;
    char name[SRR_NAME_MAX + 1];
};

static int closer(void *arg, int id, pid_t pid, const char *name)
{
    struct sought *sought = arg;
    if (id < sought->at_least || (sought->id >= 0 && id >= sought->id))
        return 0;
    sought->id = id;
    sought->pid = pid;
    snprintf(sought->name, sizeof sought->name, "%s", name);
    return 0;
}

/* The name of process `pid` (0: any) with that number or the next higher one. */
static int seek(pid_t pid, int at_least, struct sought *ret_sought)
{
    *ret_sought = (struct sought){.at_least = at_least, .id = -1};
    int r = srr_name_list(pid, closer, ret_sought);
    return r < 0 ? r : ret_sought->id < 0 ? -EINVAL : 0;
}

PUBLIC int qnx_name_detach(nid_t nid, int name_id)
{
    struct sought sought;
    if (!is_here(nid))
        return answer(-EHOSTUNREACH);
    int r = seek(getpid(), name_id, &sought);
    if (r == 0)
        r = sought.id == name_id ? srr_name_detach(sought.name) : -EINVAL;
    return answer(r == -ESRCH ? -EINVAL : r); /* another thread was faster */
}

/* Names that nobody can have are names that nobody has. */
static pid_t locate(const char *name)
{
    pid_t r = name ? srr_name_locate(name, NULL) : -ESRCH;
    return r == -EINVAL || r == -ENAMETOOLONG ? -ESRCH : r;
}

PUBLIC pid_t qnx_name_locate(nid_t nid, const char *name, unsigned size, unsigned *copies)
{
    (void)size;
    pid_t r = is_here(nid) ? locate(name) : -EHOSTUNREACH;
    if (copies)
        *copies = r > 0 ? 1 : 0;
    return answer(r);
}

PUBLIC int qnx_name_query(pid_t proc_pid, int name_id, struct _nameinfo *buf)
{
    struct sought sought;
    if (!is_proc(proc_pid))
        return answer(-ESRCH);
    int r = seek(0, name_id, &sought);
    if (r < 0)
        return answer(r);
    memset(buf, 0, sizeof *buf);
    buf->nid = THIS_NODE;
    buf->pid = sought.pid;
    snprintf(buf->name, sizeof buf->name, "%.*s", NAME_MOST, sought.name);
    return sought.id;
}

PUBLIC int qnx_name_locators(nid_t nids[])
{
    nids[0] = THIS_NODE;
    return 1;
}

PUBLIC int qnx_name_nodes(pid_t locator, const char *name, unsigned n, nid_t *nids)
{
    (void)locator;
    pid_t r = locate(name);
    if (r == -ESRCH || n == 0)
        return 0;
    if (r > 0)
        nids[0] = THIS_NODE;
    return answer(r > 0 ? 1 : r);
}

PUBLIC int qnx_net_alive(char *state, int n)
{
    for (int nid = 0; nid < n; nid++)
        state[nid] = nid == THIS_NODE;
    return THIS_NODE;
}
