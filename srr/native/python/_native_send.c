/*
 * _native_send.c - Send. The buffers are held (Py_buffer) for as long as the other side may read or write them.
 */
#include "_native_common.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

static PyObject *sent_tuple(const struct srr_sent *sent)
{
    return Py_BuildValue("KKIII", (unsigned long long)sent->replied, (unsigned long long)sent->stored,
                         sent->flags, (unsigned)sent->message_lane, (unsigned)sent->reply_lane);
}

/*
 * Where the reply to send() lands: address space of this thread's, used again and again; pages that a
 * reply touched are given back beyond the first, so that one large reply is not kept for ever.
 */
#define SCRATCH_KEPT ((size_t)1 << 20)
static _Thread_local struct {
    char *map;
    size_t size;
    int used;
} scratch;
static pthread_key_t thread_end;

static void drop_scratch(void *unused)
{
    (void)unused;
    munmap(scratch.map, scratch.size);
    scratch.map = NULL;
    scratch.size = 0;
}

static char *borrow_scratch(size_t size)
{
    if (scratch.used)
        return NULL; /* a send() from a signal handler within a send() */
    if (scratch.size < size) {
        if (scratch.map)
            munmap(scratch.map, scratch.size);
        scratch.size = 0;
        scratch.map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (scratch.map == MAP_FAILED) {
            scratch.map = NULL;
            return NULL;
        }
        scratch.size = size;
        pthread_setspecific(thread_end, &scratch);
    }
    scratch.used = 1;
    return scratch.map;
}

static void return_scratch(size_t touched)
{
    if (touched > SCRATCH_KEPT)
        madvise(scratch.map + SCRATCH_KEPT, touched - SCRATCH_KEPT, MADV_DONTNEED);
    scratch.used = 0;
}

PyObject *native_send(PyObject *module, PyObject *args)
{
    (void)module;
    int pid, r;
    Py_ssize_t room;
    PyObject *message, *timeout, *reply = NULL, *result = NULL;
    struct srr_wait wait;
    struct srr_sent sent;
    struct parts parts;
    char *own = NULL;
    if (!PyArg_ParseTuple(args, "iOnO:send", &pid, &message, &room, &timeout) || read_timeout(timeout, &wait) < 0)
        return NULL;
    if (room < 0)
        return PyErr_Format(PyExc_ValueError, "room for the reply is 0 bytes or more, not %zd", room);
    if (hold_parts(&parts, message, PyBUF_SIMPLE) < 0)
        return NULL;
    char *space = room > 0 ? borrow_scratch((size_t)room) : NULL;
    if (room > 0 && !space && !(space = own = malloc((size_t)room))) {
        release_parts(&parts);
        return PyErr_NoMemory();
    }
    struct iovec answer = {space, (size_t)room};
    tell_frames();
    Py_BEGIN_ALLOW_THREADS
    r = srr_send(pid, parts.part, parts.count, &answer, room > 0, &wait, &sent);
    Py_END_ALLOW_THREADS
    frames_told();
    r = interrupted(r);
    release_parts(&parts);
    if (r == 0 && (reply = PyBytes_FromStringAndSize(space, (Py_ssize_t)sent.stored)))
        result = Py_BuildValue("NN", reply, sent_tuple(&sent));
    if (space && !own)
        return_scratch(r == 0 ? sent.stored : sent.flags & SRR_RECEIVED ? (size_t)room : 0);
    free(own);
    if (r < 0 && !handlers_raise(r))
        fail("send", r, pid, sent.flags);
    return result;
}

PyObject *native_send_into(PyObject *module, PyObject *args)
{
    (void)module;
    int pid, r;
    PyObject *message, *reply, *timeout;
    struct srr_wait wait;
    struct srr_sent sent;
    struct parts parts, answer;
    if (!PyArg_ParseTuple(args, "iOOO:send_into", &pid, &message, &reply, &timeout) ||
        read_timeout(timeout, &wait) < 0 || hold_parts(&parts, message, PyBUF_SIMPLE) < 0)
        return NULL;
    if (hold_parts(&answer, reply, PyBUF_WRITABLE) < 0) {
        release_parts(&parts);
        return NULL;
    }
    tell_frames();
    Py_BEGIN_ALLOW_THREADS
    r = srr_send(pid, parts.part, parts.count, answer.part, answer.count, &wait, &sent);
    Py_END_ALLOW_THREADS
    frames_told();
    r = interrupted(r);
    release_parts(&parts);
    release_parts(&answer);
    if (r == 0)
        return sent_tuple(&sent);
    return handlers_raise(r) ? NULL : fail("send", r, pid, sent.flags);
}

static void make_key(void)
{
    pthread_key_create(&thread_end, drop_scratch);
}

int prepare_sending(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    return pthread_once(&once, make_key);
}
