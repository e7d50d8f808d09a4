/* kernel.c - <sys/kernel.h>: QNX4's kernel calls, each a thin spelling of srr.h's. */
#include "qnx4.h"

#include <sched.h>
#include <string.h>

#include <srr.h>

#include "inform.h"

/* A table entry is a struct iovec by another name (<sys/sendmx.h>). */
_Static_assert(sizeof(struct _mxfer_entry) == sizeof(struct iovec), "a part");
_Static_assert(offsetof(struct _mxfer_entry, iov_len) == offsetof(struct iovec, iov_len), "a part's length");

static const struct iovec *parts_of(const struct _mxfer_entry *table)
{
    return (const struct iovec *)(const void *)table;
}

/* Counts come unsigned, and may be any. */
static int count_of(unsigned parts) { return parts <= SRR_PARTS_MAX ? (int)parts : -1; }

static struct iovec part_of(const void *data, unsigned nbytes)
{
    return (struct iovec){(void *)(size_t)data, nbytes};
}

PUBLIC int Send(pid_t pid, const void *smsg, void *rmsg, unsigned snbytes, unsigned rnbytes)
{
    struct iovec message = part_of(smsg, snbytes), reply = part_of(rmsg, rnbytes);
    return answer(srr_send(pid, &message, 1, &reply, 1, NULL, NULL));
}

PUBLIC int Sendmx(pid_t pid, unsigned sparts, unsigned rparts, const struct _mxfer_entry *smsg,
                  const struct _mxfer_entry *rmsg)
{
    return answer(srr_send(pid, parts_of(smsg), count_of(sparts), parts_of(rmsg), count_of(rparts), NULL, NULL));
}

PUBLIC int Sendfd(int fd, const void *smsg, void *rmsg, unsigned snbytes, unsigned rnbytes)
{
    pid_t pid = fd_process(fd);
    return pid < 0 ? answer(pid) : Send(pid, smsg, rmsg, snbytes, rnbytes);
}

PUBLIC int Sendfdmx(int fd, unsigned sparts, unsigned rparts, const struct _mxfer_entry *smsg,
                    const struct _mxfer_entry *rmsg)
{
    pid_t pid = fd_process(fd);
    return pid < 0 ? answer(pid) : Sendmx(pid, sparts, rparts, smsg, rmsg);
}

/* The sender, or what stands for it. */
static pid_t received(int r, const struct srr_message *message)
{
    if (r < 0)
        return answer(r);
    if (message->kind == SRR_KIND_MESSAGE)
        inform_met(message->pid);
    return message->tid;
}

PUBLIC pid_t Receive(pid_t pid, void *msg, unsigned nbytes)
{
    struct iovec buffer = part_of(msg, nbytes);
    struct srr_message message;
    return received(srr_receive(pid, &buffer, 1, NULL, &message), &message);
}

PUBLIC pid_t Receivemx(pid_t pid, unsigned parts, const struct _mxfer_entry *msg)
{
    struct srr_message message;
    return received(srr_receive(pid, parts_of(msg), count_of(parts), NULL, &message), &message);
}

PUBLIC pid_t Creceive(pid_t pid, void *msg, unsigned nbytes)
{
    struct iovec buffer = part_of(msg, nbytes);
    struct srr_message message;
    return received(srr_creceive(pid, &buffer, 1, &message), &message);
}

PUBLIC pid_t Creceivemx(pid_t pid, unsigned parts, const struct _mxfer_entry *msg)
{
    struct srr_message message;
    return received(srr_creceive(pid, parts_of(msg), count_of(parts), &message), &message);
}

/* The reply to a DEATH message has nobody to go to. */
static int replied(pid_t pid, int64_t r)
{
    if (r == -ESRCH && inform_acknowledge(pid))
        return 0;
    return r < 0 ? answer((int)r) : 0;
}

PUBLIC int Reply(pid_t pid, const void *msg, unsigned nbytes)
{
    struct iovec reply = part_of(msg, nbytes);
    return replied(pid, srr_reply(SRR_SENDER(pid), &reply, 1));
}

PUBLIC int Replymx(pid_t pid, unsigned parts, const struct _mxfer_entry *msg)
{
    return replied(pid, srr_reply(SRR_SENDER(pid), parts_of(msg), count_of(parts)));
}

/* Nobody sends more than an unsigned can count by these calls; a message that came by srr.h's may be longer. */
static unsigned moved(int64_t r)
{
    return r < 0 ? (unsigned)answer((int)r) : (unsigned)r;
}

PUBLIC unsigned Readmsg(pid_t pid, unsigned offset, void *msg, unsigned nbytes)
{
    struct iovec buffer = part_of(msg, nbytes);
    return moved(srr_read(SRR_SENDER(pid), offset, &buffer, 1));
}

PUBLIC unsigned Readmsgmx(pid_t pid, unsigned offset, unsigned parts, const struct _mxfer_entry *msg)
{
    return moved(srr_read(SRR_SENDER(pid), offset, parts_of(msg), count_of(parts)));
}

PUBLIC unsigned Writemsg(pid_t pid, unsigned offset, const void *msg, unsigned nbytes)
{
    struct iovec data = part_of(msg, nbytes);
    return moved(srr_write(SRR_SENDER(pid), offset, &data, 1));
}

PUBLIC unsigned Writemsgmx(pid_t pid, unsigned offset, unsigned parts, const struct _mxfer_entry *msg)
{
    return moved(srr_write(SRR_SENDER(pid), offset, parts_of(msg), count_of(parts)));
}

PUBLIC int Relay(pid_t source, pid_t target)
{
    return answer(srr_relay(SRR_SENDER(source), target));
}

PUBLIC pid_t Trigger(pid_t proxy)
{
    return answer(srr_trigger(proxy));
}

PUBLIC void Yield(void)
{
    sched_yield();
}
