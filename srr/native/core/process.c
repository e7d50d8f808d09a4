/*
 * process.c - see process.h.
 *
 * What a fork must not inherit, the kernel takes away: the mappings of our rows are MADV_DONTFORK, and
 * the pointer to all private state lies in a page that is MADV_WIPEONFORK, so that the child finds null
 * and begins afresh, also after a raw clone(). Only the descriptors need a handler; until it has run,
 * the child's copies say the parent's pid, and nobody takes them for the child's.
 *
 * A thread keeps its slot until it ends. For as long it holds the slot's robust mutex in the life file;
 * when it is killed or execs, the kernel sets FUTEX_OWNER_DIED there, before anybody can wait() for it.
 * No peer can write that file: the C library's mutex has pointers in it, and a peer that changed them
 * could make us write anywhere.
 */
#define _GNU_SOURCE
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "folder.h"
#include "helper.h"
#include "map.h"
#include "pair.h"
#include "peer.h"
#include "port.h"
#include "srr.h"
#include "state.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

static struct process *_Atomic *home; /* in a page of its own that a child finds wiped */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t thread_end;

static _Thread_local struct {
    struct process *process; /* whose thread: after a fork another one's */
    struct place *kept;
    bool in_use;
    pid_t tid;
    struct spinner send, receive;
} me __attribute__((tls_model("initial-exec"))); /* as thread_signals: no call to find it */

static void give_back(void *unused)
{
    (void)unused;
    struct process *self = home ? atomic_load(home) : NULL;
    if (!me.kept || me.process != self)
        return; /* the child of a fork has no slots of its parent's */
    struct place *place = me.kept;
    me.kept = NULL;
    pthread_mutex_unlock(place->life);
    pthread_mutex_lock(&self->lock);
    place->taken = false;
    pthread_mutex_unlock(&self->lock);
}

static void after_fork(void) { fds_close(); }

static void prepare(void)
{
    void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return;
    if (madvise(page, PAGE, MADV_WIPEONFORK) != 0 || pthread_key_create(&thread_end, give_back) != 0 ||
        pthread_atfork(NULL, NULL, after_fork) != 0) {
        munmap(page, PAGE);
        return;
    }
    home = page;
}

/* A sealed memfd at a number that is out of everybody's way and quickly found. */
static int make_file(const char *name, off_t size, void **ret_map, size_t map_size, int seals)
{
    int made = (int)syscall(SYS_memfd_create, name, 3u /* MFD_CLOEXEC | MFD_ALLOW_SEALING */);
    if (made < 0)
        return -errno;
    int fd = fd_keep(made);
    if (fd > ENTRY_FD_MAX) {
        fd_drop(fd);
        return -EMFILE;
    }
    void *map = ftruncate(fd, size) == 0 ? map_shared(fd, map_size, PROT_READ | PROT_WRITE, 0) : NULL;
    if (!map || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL | seals) != 0) {
        unmap_shared(map, map_size);
        fd_drop(fd);
        return -ENOMEM;
    }
    *ret_map = map;
    return fd;
}

static int init_life(pthread_mutex_t *life)
{
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    int r = pthread_mutex_init(life, &attr);
    pthread_mutexattr_destroy(&attr);
    return -r;
}

/* Where in a mutex this C library keeps the word that the kernel marks: where our tid appears. */
static int find_life_word(char *lives, uint32_t *ret_at)
{
    pthread_mutex_t *life = (pthread_mutex_t *)(void *)(lives + LIFE_AT);
    if (init_life(life) != 0 || pthread_mutex_lock(life) != 0)
        return -ENOTSUP;
    int r = -ENOTSUP;
    for (uint32_t at = 0; at < sizeof *life && r != 0; at += 4) {
        uint32_t word;
        memcpy(&word, (char *)life + at, sizeof word);
        if ((word & 0x3fffffff) == (uint32_t)thread_id()) {
            *ret_at = at;
            r = 0;
        }
    }
    pthread_mutex_unlock(life);
    return r;
}

static int make_process(struct process **ret_process)
{
    int r = -ENOMEM;
    void *map;
    struct process *self = calloc(1, sizeof *self);
    if (!self)
        return r;
    self->pid = getpid();
    self->row_fd = self->life_fd = -1;
    self->pid_ns = pid_namespace();
    pthread_mutex_init(&self->lock, NULL);
    pthread_mutex_init(&self->naming, NULL);
    pthread_mutex_init(&self->introducing, NULL);
    if (getrandom(&self->row_id, sizeof self->row_id, 0) != sizeof self->row_id || self->row_id == 0)
        self->row_id = (uint64_t)now_ns() << 20 ^ (uint64_t)self->pid;
    if (self->pid > ENTRY_PID_MAX)
        goto fail;
    r = self->life_fd = make_file(LIFE_FILE_NAME, LIFE_SIZE, &map, LIFE_SIZE, F_SEAL_FUTURE_WRITE);
    if (r < 0)
        goto fail;
    self->lives = map;
    struct life_header *life = map;
    *life = (struct life_header){.magic = LIFE_MAGIC, .pid = self->pid, .row_id = self->row_id};
    /* For those that may not look at our descriptors (pair.c): gone when we die, exec, or close the file. */
    r = fcntl(self->life_fd, F_SETLK, &(struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET}) == 0 ? 0 : -errno;
    if (r < 0)
        goto fail;
    r = find_life_word(self->lives, &life->word_at);
    if (r < 0)
        goto fail;
    r = self->row_fd = make_file(ROW_FILE_NAME, ROW_SIZE, &map, sizeof(struct row_front), 0);
    if (r < 0)
        goto fail;
    self->front = map;
    struct row_header *header = &self->front->header;
    header->version = LAYOUT_VERSION;
    header->pid = self->pid;
    header->row_id = self->row_id;
    header->pid_ns = self->pid_ns;
    header->life_fd = self->life_fd;
    r = helper_new(self);
    if (r < 0)
        goto fail;
    r = receiver_new(self, &self->receiver);
    if (r < 0)
        goto fail;
    /* release: whoever sees the magic sees the rest */
    __atomic_store_n(&header->magic, ROW_MAGIC, __ATOMIC_RELEASE);
    *ret_process = self;
    return 0;
fail:
    unmap_shared(self->front, sizeof *self->front);
    unmap_shared(self->lives, LIFE_SIZE);
    fd_drop(self->row_fd);
    fd_drop(self->life_fd);
    free(self->helper);
    free(self);
    return r;
}

struct process *process_self(int *ret_error)
{
    struct process *self;
    pthread_once(&once, prepare);
    if (!home) {
        *ret_error = -ENOMEM;
        return NULL;
    }
    self = atomic_load_explicit(home, memory_order_acquire);
    if (self)
        return self;
    /* A lock that a fork can't have left held: it lives in the wiped page, behind the pointer. */
    _Atomic int *making = (_Atomic int *)(void *)(home + 1);
    while (atomic_exchange(making, 1) != 0)
        sched_yield(); /* another thread makes them: some 50 us, once in a process's life */
    self = atomic_load(home);
    if (!self) {
        int r = make_process(&self);
        if (r < 0) {
            self = NULL;
            *ret_error = r;
        } else {
            atomic_store(home, self);
            folder_tell_rows();
        }
    }
    atomic_store(making, 0);
    return self;
}

/* In a child everything that the thread remembers is its parent's. */
static void settle(struct process *self)
{
    if (me.process != self) {
        me.process = self;
        me.kept = NULL;
        me.in_use = false;
        me.tid = (pid_t)syscall(SYS_gettid);
        pthread_setspecific(thread_end, &me);
    }
}

int srr_kept(int *fds, int max) { return fds_kept(fds, max); }

pid_t thread_id(void)
{
    struct process *self = home ? atomic_load_explicit(home, memory_order_acquire) : NULL;
    if (!self)
        return (pid_t)syscall(SYS_gettid);
    settle(self);
    return me.tid;
}

struct spinner *thread_spinner_send(void) { return &me.send; }
struct spinner *thread_spinner_receive(void) { return &me.receive; }

static int make_place(struct process *self, uint32_t index, struct place **ret_place)
{
    struct place *place = malloc(sizeof *place);
    if (!place)
        return -ENOMEM;
    char *map = map_shared(self->row_fd, SLOT_STRIDE, PROT_READ | PROT_WRITE,
                           (off_t)ROW_SLOTS_AT + (off_t)index * SLOT_STRIDE);
    if (!map) {
        free(place);
        return -ENOMEM;
    }
    *place = (struct place){.slot = (struct slot *)(void *)map,
                            .message = map + SLOT_MESSAGE_AT,
                            .reply = map + SLOT_REPLY_AT,
                            .window = map + SLOT_WINDOW_AT,
                            .life = (pthread_mutex_t *)(void *)(self->lives + LIFE_AT + index * LIFE_STRIDE),
                            .index = index};
    int r = init_life(place->life);
    if (r < 0) {
        unmap_shared(map, SLOT_STRIDE);
        free(place);
        return r;
    }
    /* Generations begin anywhere: a server that remembers the last owner of this pid must not be misled. */
    place->word = word_make(self->row_id * 0x9e3779b97f4a7c15u, 0, SLOT_IDLE);
    atomic_store(&place->slot->word, place->word);
    *ret_place = place;
    return 0;
}

static int take_any(struct process *self, struct place **ret_place)
{
    int r = -EAGAIN;
    pthread_mutex_lock(&self->lock);
    for (uint32_t i = 0; i < SLOTS; i++) {
        struct place *place = self->places[i];
        if (place && place->taken)
            continue;
        r = 0;
        if (!place) {
            r = make_place(self, i, &place);
            if (r < 0)
                break;
            self->places[i] = place;
            if (atomic_load(&self->front->header.slots_used) < i + 1)
                atomic_store(&self->front->header.slots_used, i + 1);
        }
        place->taken = true;
        *ret_place = place;
        break;
    }
    pthread_mutex_unlock(&self->lock);
    if (r == 0)
        pthread_mutex_lock((*ret_place)->life);
    return r;
}

int place_take(struct process *self, struct place **ret_place)
{
    settle(self);
    if (me.in_use)
        return take_any(self, ret_place);
    if (!me.kept) {
        int r = take_any(self, &me.kept);
        if (r < 0) {
            me.kept = NULL;
            return r;
        }
    }
    me.in_use = true;
    *ret_place = me.kept;
    return 0;
}

void place_give(struct process *self, struct place *place)
{
    if (place == me.kept) {
        me.in_use = false;
        return;
    }
    pthread_mutex_unlock(place->life);
    pthread_mutex_lock(&self->lock);
    place->taken = false;
    pthread_mutex_unlock(&self->lock);
}

void process_let_in(struct process *self, pid_t pid)
{
    pid_t last = atomic_load_explicit(&self->let_in, memory_order_relaxed);
    if (last == pid || last == -1)
        return;
    pthread_mutex_lock(&self->lock); /* what we remember must be what Yama was told last */
    int r = prctl(PR_SET_PTRACER, (unsigned long)pid, 0, 0, 0); /* without Yama EINVAL, and harmless */
    atomic_store_explicit(&self->let_in, r == 0 ? pid : -1, memory_order_relaxed);
    pthread_mutex_unlock(&self->lock);
}

enum srr_lane forced_lane(void)
{
    static _Atomic int lane = -1;
    int l = atomic_load_explicit(&lane, memory_order_relaxed);
    if (l < 0) {
        const char *set = getenv("SRR_LANE");
        l = !set                         ? SRR_LANE_NONE
            : strcmp(set, "direct") == 0 ? SRR_LANE_DIRECT
            : strcmp(set, "window") == 0 ? SRR_LANE_WINDOW
            : strcmp(set, "helper") == 0 ? SRR_LANE_HELPER
                                         : SRR_LANE_NONE;
        atomic_store_explicit(&lane, l, memory_order_relaxed);
    }
    return (enum srr_lane)l;
}

uint32_t inline_max(void)
{
    static _Atomic uint32_t limit = UINT32_MAX;
    uint32_t n = atomic_load_explicit(&limit, memory_order_relaxed);
    if (n == UINT32_MAX) {
        n = forced_lane() == SRR_LANE_WINDOW || forced_lane() == SRR_LANE_HELPER ? 0 : INLINE_SIZE;
        const char *set = getenv("SRR_INLINE");
        if (set && *set) {
            char *end;
            unsigned long bytes = strtoul(set, &end, 10);
            if (*end == 0 && bytes < INLINE_SIZE)
                n = (uint32_t)bytes;
        }
        atomic_store_explicit(&limit, n, memory_order_relaxed);
    }
    return n;
}
