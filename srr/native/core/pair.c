/*
 * pair.c - see pair.h.
 *
 * Whether a process is there, and is the same program, shows its life file, also to other users: its owner holds a
 * record
 * lock on it, which the kernel takes away when the last of its threads has died, at exec and when the file is closed,
 * and
 * which no fork copies. Who asks for the lock's holder is told a pid, so nobody else's lock is taken for it.
 */
#define _GNU_SOURCE
#include "pair.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "map.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif
#define SIZE_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

/* Bit n: descriptor n is ours. Those above are not told, and stay open in a forked child until it execs. */
#define KEPT_MAX 4096
static a64 kept[KEPT_MAX / 64];

int fd_keep(int fd)
{
    int high = fcntl(fd, F_DUPFD_CLOEXEC, ROW_FD_LIKELY);
    if (high >= 0)
        close(fd);
    else
        high = fd;
    if (high < KEPT_MAX)
        atomic_fetch_or(&kept[high / 64], UINT64_C(1) << high % 64);
    return high;
}

void fd_drop(int fd)
{
    if (fd < 0)
        return;
    if (fd < KEPT_MAX)
        atomic_fetch_and(&kept[fd / 64], ~(UINT64_C(1) << fd % 64));
    close(fd);
}

int fds_kept(int *fds, int max)
{
    int n = 0;
    for (int i = 0; i < KEPT_MAX / 64; i++)
        for (uint64_t bits = atomic_load(&kept[i]); bits && n < max; bits &= bits - 1)
            fds[n++] = i * 64 + __builtin_ctzll(bits);
    return n;
}

void fds_close(void)
{
    for (int i = 0; i < KEPT_MAX / 64; i++)
        for (uint64_t bits = atomic_exchange(&kept[i], 0); bits; bits &= bits - 1)
            close(i * 64 + __builtin_ctzll(bits));
}

void stranger_forget(struct stranger *stranger)
{
    fd_drop(stranger->watch);
    fd_drop(stranger->life);
    stranger->watch = stranger->life = -1;
    unmap_shared((void *)(uintptr_t)stranger->lives, LIFE_SIZE);
    stranger->lives = NULL;
}

void introduction_close(struct introduction *it)
{
    stranger_forget(&it->peer);
    fd_drop(it->gate);
    fd_drop(it->pair);
    it->gate = it->pair = -1;
}

/* A memfd of that size, which nobody can make shorter under us. */
static bool is_sealed(int fd, off_t size, int seals)
{
    struct stat st;
    int have = fcntl(fd, F_GET_SEALS);
    return have >= 0 && (have & seals) == seals && fstat(fd, &st) == 0 && st.st_size == size;
}

struct gate_front *gate_map(const struct introduction *it, struct gate_front *old)
{
    struct gate_header header;
    if (!is_sealed(it->gate, GATE_SIZE, SIZE_SEALS) || pread(it->gate, &header, sizeof header, 0) != sizeof header ||
        header.magic != GATE_MAGIC || header.version != LAYOUT_VERSION || header.gate_id != it->gate_id)
        return NULL;
    return map_over(old, it->gate, GATE_SIZE, PROT_READ | PROT_WRITE);
}

struct pair_header *pair_map(const struct introduction *it, pid_t sender, pid_t receiver)
{
    struct pair_header header;
    if (it->index >= GATE_PAIRS || !is_sealed(it->pair, PAIR_SIZE, SIZE_SEALS) ||
        pread(it->pair, &header, sizeof header, 0) != sizeof header ||
        header.magic != PAIR_MAGIC || header.version != LAYOUT_VERSION || header.pair_id != it->pair_id ||
        header.index != it->index || header.sender != sender || header.receiver != receiver)
        return NULL;
    return map_shared(it->pair, PAIR_SIZE, PROT_READ | PROT_WRITE, 0);
}

void pair_unmap(struct pair_header *pair) { unmap_shared(pair, PAIR_SIZE); }

struct slot *pair_slot(struct pair_header *pair, uint32_t slot)
{
    return (struct slot *)(void *)((char *)pair + PAIR_SLOTS_AT + (size_t)slot * SLOT_STRIDE);
}

bool stranger_is_sound(const struct stranger *stranger)
{
    return stranger->pid > 0 && is_sealed(stranger->life, LIFE_SIZE, SIZE_SEALS | F_SEAL_FUTURE_WRITE);
}

static int64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/*
 * Who has a million locks on its life file, and looks through them all the time, has whoever asks for one wait for up
 * to 0.4 s. So what was dear is not asked again before that was half a percent of the time: until then it is there as
 * long as its process is.
 */
#define DEAR (200 * INT64_C(1000)) /* ns */
#define REST 200

bool stranger_alive(struct stranger *stranger)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    struct pollfd p = {.fd = stranger->watch, .events = POLLIN};
    if (clock_ns(CLOCK_MONOTONIC) >= atomic_load(&stranger->lock_from)) {
        int64_t before = clock_ns(CLOCK_THREAD_CPUTIME_ID);
        bool is_told = fcntl(stranger->life, F_GETLK, &lock) == 0;
        int64_t spent = clock_ns(CLOCK_THREAD_CPUTIME_ID) - before;
        if (spent > DEAR)
            atomic_store(&stranger->lock_from, clock_ns(CLOCK_MONOTONIC) + REST * spent);
        if (is_told)
            return lock.l_type == F_WRLCK && lock.l_pid == stranger->pid;
    }
    return poll(&p, 1, 0) != 1 || !(p.revents & POLLIN); /* the program has closed what it does not know */
}

void stranger_map_lives(struct stranger *stranger)
{
    struct life_header header;
    if (pread(stranger->life, &header, sizeof header, 0) != sizeof header || !life_is_sound(&header))
        return;
    stranger->word_at = header.word_at;
    stranger->lives = map_shared(stranger->life, LIFE_SIZE, PROT_READ, 0);
}

const a32 *stranger_life(const struct stranger *stranger, pid_t tid)
{
    if (!stranger->lives || tid <= 0)
        return NULL;
    for (uint32_t i = 0; i < SLOTS; i++) {
        const char *at = stranger->lives + LIFE_AT + (size_t)i * LIFE_STRIDE + stranger->word_at;
        const a32 *word = (const a32 *)(const void *)at;
        if (life_is(word, tid))
            return word;
    }
    return NULL;
}
