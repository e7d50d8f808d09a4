/*
 * pair.h - what srr-helper hands to two processes that may not open each other's rows: mapped and checked; and whether
 * the other one lives.
 *
 * Who the other one is, is the helper's word, and no field of a gate or a pair is. Anybody of the other side may write
 * anything there at any time: what is read is copied once, checked, and harms the writer's own transactions only.
 */
#ifndef SRR_PAIR_H
#define SRR_PAIR_H

#include <linux/futex.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "layout.h"

/* The other process: by the helper's word, and two descriptors that show whether it is there. */
struct stranger {
    pid_t pid;
    uid_t uid;
    gid_t gid;
    int watch; /* a pidfd */
    int life;  /* its life file, which it holds locked for as long as it lives */
    const char *lives; /* mapped, NULL: it isn't */
    uint32_t word_at;
    _Atomic int64_t lock_from; /* when its lock is asked for again */
};

/* One answer of the helper's. */
struct introduction {
    struct stranger peer;
    uint64_t gate_id, pair_id;
    uint32_t index; /* of the pair at its gate */
    int gate, pair; /* descriptors */
};
void introduction_close(struct introduction *it);

/* Mapped if it is what the introduction says, else NULL. The gate in the place of `old`, if that is not NULL. */
struct gate_front *gate_map(const struct introduction *it, struct gate_front *old);
struct pair_header *pair_map(const struct introduction *it, pid_t sender, pid_t receiver);
void pair_unmap(struct pair_header *pair);
struct slot *pair_slot(struct pair_header *pair, uint32_t slot);

/* Its life file is a memfd: on another kind of file, whoever asks for a lock could be made to wait. */
bool stranger_is_sound(const struct stranger *stranger);
/* It is there, and the same program, with the same rows: few system calls. */
bool stranger_alive(struct stranger *stranger);
/* Maps its life file; and the word there that the kernel marks at that thread's death. NULL: none has its number. */
void stranger_map_lives(struct stranger *stranger);
const a32 *stranger_life(const struct stranger *stranger, pid_t tid);
static inline bool life_is(const a32 *life, pid_t tid)
{
    uint32_t word = atomic_load(life);
    return !(word & FUTEX_OWNER_DIED) && (word & FUTEX_TID_MASK) == (uint32_t)tid;
}
void stranger_forget(struct stranger *stranger);

/*
 * The descriptors of this process that the library keeps open: out of the way, closed in a forked child, and told to
 * those that close all others.
 */
int fd_keep(int fd); /* what it is now; the old number is closed */
void fd_drop(int fd);
int fds_kept(int *fds, int max); /* in order */
void fds_close(void);

#endif
