/*
 * <sys/name.h>: names of processes. A name belongs to one process, a process may have several, and they are
 * gone when it is. A name that begins with '/' was known on all nodes of a QNX4 network; there is one node
 * here, and no difference. They are not files.
 *
 * Differs from QNX4: names are per user, in a folder of that user's ($XDG_RUNTIME_DIR/srr). EACCES from any of
 * these: the folder is not this user's alone, so it is not trusted (ours). Source: Library Reference, each
 * function's own page.
 */
#ifndef __NAME_H_INCLUDED
#define __NAME_H_INCLUDED

#include <sys/types.h>

/* What qnx_name_query() tells (headers; `pid` takes the places of pid and zero1). */
#pragma pack(push, 1)
struct _nameinfo {
    nid_t nid;           /* getnid() */
    pid_t pid;           /* who has the name */
    uint16_t zero2[4];
    char name[33];       /* with a 0 at the end */
};
#pragma pack(pop)

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Give this process the name `name`, of 1 to 32 bytes, on node nid (0 or getnid()). Does not block. Returns a
 * name id of 0 or more, unlike that of all other living names, or -1:
 *   EBUSY         a living process, perhaps this one, has the name
 *   EINVAL        the name is empty or longer than 32 bytes (ours)
 *   EAGAIN        no room for it
 *   EHOSTUNREACH  nid is another node: there is none
 */
extern int qnx_name_attach(nid_t nid, const char *name);

/*
 * Drop a name of this process's, by the id that qnx_name_attach() returned. Does not block. Returns 0, or -1:
 *   EINVAL        this process has no name with that id
 *   EHOSTUNREACH  nid is another node
 */
extern int qnx_name_detach(nid_t nid, int name_id);

/*
 * The pid of the process that has the name. Does not block. `size` was the buffer of the virtual circuit that a
 * name on another node got; it is not used. *copies, if copies is not 0, becomes the number of nodes that have
 * it: 1, or 0 where nobody has. Or -1:
 *   ESRCH         nobody has the name
 *   EHOSTUNREACH  nid is another node
 */
extern pid_t qnx_name_locate(nid_t nid, const char *name, unsigned size, unsigned *copies);

/*
 * Tell about the name with id name_id or, if there is none, the next higher one; go on with that id + 1 to see
 * all. proc_pid is PROC_PID, 0, or what qnx_vc_attach() returned for PROC_PID. Does not block. Returns the id
 * of the name that *buf is about, or -1:
 *   EINVAL  there is no such name and none behind it
 *   ESRCH   proc_pid is none of those (ours)
 */
extern int qnx_name_query(pid_t proc_pid, int name_id, struct _nameinfo *buf);

/*
 * The nodes that keep names beginning with '/': one, this. nids has room for 10. Does not block, cannot fail.
 * Returns how many. QNX4: those that run nameloc.
 */
extern int qnx_name_locators(nid_t nids[]);

/*
 * The nodes that have the name, at most `n`, into nids (headers; the meaning of the first argument, the
 * locator's pid, is the headers' word for it, and it is not used). Does not block. Returns how many: 1 or 0, or
 * -1: as qnx_name_locate(), without ESRCH.
 */
extern int qnx_name_nodes(pid_t locator, const char *name, unsigned n, nid_t *nids);

/*
 * Which nodes answer: state[i], for i from 0 to n - 1, becomes 1 if node i does and 0 if not. Does not block,
 * cannot fail. Returns the highest number of a node: 1. Source: headers, and programs that call it.
 */
extern int qnx_net_alive(char *state, int n);

#ifdef __cplusplus
}
#endif
#endif
