/*
 * device.c - Send, Receive and Reply as requests of a device: see srr/device.h.
 *
 * A driver finds out bad addresses by an exception table. For the structure and for paths the kernel is asked here to
 * make the pages present, which it refuses for those that aren't the program's to use. For messages libsrr catches
 * the faults: the program's handlers are wrapped (../qnx4/signals.c), which also makes EINTR exact.
 */
#define _GNU_SOURCE
#include "device.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "srr.h"
#include "srr/device.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

static bool is_there(const void *address, size_t size, int how)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), first = (uintptr_t)address & ~(page - 1), end;
    if (size == 0)
        return true;
    if (__builtin_add_overflow((uintptr_t)address, size - 1, &end))
        return false;
    end |= page - 1;
    int error = errno;
    bool there = madvise((void *)first, end - first + 1, how) == 0;
    if (!there && errno == EINVAL) {
        /* No permission for these pages, or no such advice: then not for our own stack either. */
        uintptr_t mine = (uintptr_t)&end & ~(page - 1);
        there = madvise((void *)mine, page, how) != 0;
    }
    errno = error;
    return there;
}

bool is_readable(const void *address, size_t size) { return is_there(address, size, MADV_POPULATE_READ); }
bool is_writable(void *address, size_t size) { return is_there(address, size, MADV_POPULATE_WRITE); }

static int carry_out_send(const struct srr_send *request)
{
    struct iovec message = {(void *)(uintptr_t)request->sdata, request->snbytes};
    struct iovec reply = {request->rdata, request->rnbytes};
    return srr_send(request->pid, &message, 1, &reply, 1, NULL, NULL);
}

static int carry_out_receive(struct srr_receive *request, bool may_block)
{
    struct iovec buffer = {request->rdata, request->rnbytes};
    struct srr_message message;
    int r = may_block ? srr_receive(request->pid, &buffer, 1, NULL, &message)
                      : srr_creceive(request->pid, &buffer, 1, &message);
    if (r == 0)
        request->pid = message.tid;
    return r == -ENOMSG ? -EAGAIN : r;
}

static int carry_out_reply(const struct srr_reply *request)
{
    struct iovec reply = {(void *)(uintptr_t)request->sdata, request->snbytes};
    int64_t r = srr_reply(SRR_SENDER(request->pid), &reply, 1);
    return r < 0 ? (int)r : 0;
}

bool device_knows(unsigned long request)
{
    switch ((uint32_t)request) {
    case (uint32_t)SRRSEND:
    case (uint32_t)SRRRECEIVE:
    case (uint32_t)SRRREPLY:
        return true;
    default:
        return false;
    }
}

int device_request(unsigned long request, void *argument, bool may_block)
{
    union {
        struct srr_send send;
        struct srr_receive receive;
        struct srr_reply reply;
    } copy;
    size_t size = _IOC_SIZE((uint32_t)request);
    if (!device_knows(request))
        return -ENOTTY;
    /* Where the answer can't be stored, no message may be taken. */
    if ((uint32_t)request == (uint32_t)SRRRECEIVE ? !is_writable(argument, size) : !is_readable(argument, size))
        return -EFAULT;
    memcpy(&copy, argument, size);
    switch ((uint32_t)request) {
    case (uint32_t)SRRSEND:
        return carry_out_send(&copy.send);
    case (uint32_t)SRRREPLY:
        return carry_out_reply(&copy.reply);
    default: {
        int r = carry_out_receive(&copy.receive, may_block);
        if (r == 0)
            memcpy(argument, &copy, size);
        return r;
    }
    }
}
