/*
 * files.c - the memfds that the helper makes: sealed, so that nobody can shrink one under another's feet, with their
 * headers filled in. Nothing of a gate or a pair is ever mapped here; of a news page, which only the helper can
 * write, its own.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel.h"
#include "wait.h"

#define MFD_FLAGS 0xbu /* MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL: older headers do not know the last one */
#define FIXED (F_SEAL_SHRINK | F_SEAL_GROW)
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

static int make_file(const char *name, size_t size, const void *header, size_t header_size)
{
    int fd = (int)syscall(SYS_memfd_create, name, MFD_FLAGS);
    if (fd < 0)
        return -errno;
    if (ftruncate(fd, (off_t)size) == 0 && pwrite(fd, header, header_size, 0) == (ssize_t)header_size)
        return fd;
    int error = errno;
    close(fd);
    return -error;
}

static int seal(int fd, int seals)
{
    if (fd >= 0 && fcntl(fd, F_ADD_SEALS, seals | F_SEAL_SEAL) != 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    return fd;
}

int make_gate(const struct gate_header *header)
{
    return seal(make_file(GATE_FILE_NAME, GATE_SIZE, header, sizeof *header), FIXED);
}

int make_pair(const struct pair_header *header)
{
    return seal(make_file(PAIR_FILE_NAME, PAIR_SIZE, header, sizeof *header), FIXED);
}

int make_news(struct news_page **ret_page)
{
    const struct news_page blank = {.magic = NEWS_MAGIC};
    int fd = make_file(NEWS_FILE_NAME, NEWS_SIZE, &blank, sizeof blank);
    if (fd < 0)
        return fd;
    void *map = mmap(NULL, NEWS_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        int error = errno;
        close(fd);
        return -error;
    }
    /* Our mapping is there; there will be no other one that can write. */
    fd = seal(fd, FIXED | F_SEAL_FUTURE_WRITE);
    if (fd < 0)
        munmap(map, NEWS_SIZE);
    else
        *ret_page = map;
    return fd;
}

void news_add(struct news_page *page)
{
    a32 *word = (a32 *)(void *)&page->word;
    /* release: what the news is about (a datagram sent, a process dead) came before */
    atomic_fetch_add_explicit(word, 1, memory_order_release);
    futex_wake(word, INT_MAX);
}

void news_end(struct news_page *page) { munmap(page, NEWS_SIZE); }
