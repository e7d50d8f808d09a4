/*
 * _native_receive.c - Receive, Reply, Readmsg, Writemsg. A message's bytes are copied once, into the object
 * that Python gets (short ones twice).
 */
#include "_native_common.h"

#include <errno.h>

static PyObject *taken_tuple(const struct srr_message *m)
{
    return Py_BuildValue("KKKiiIIII", (unsigned long long)m->id, (unsigned long long)m->nbytes,
                         (unsigned long long)m->room, (int)m->tid, (int)m->pid, (unsigned)m->uid, m->lane, m->kind,
                         (unsigned)m->gid);
}

/* Receive into parts. 1: a message, 0: none and time was 0, -1: raised. */
static int receive(int sender, PyObject *timeout, const struct iovec *part, int count, struct srr_message *ret_message)
{
    int r;
    struct srr_wait wait;
    if (read_timeout(timeout, &wait) < 0)
        return -1;
    Py_BEGIN_ALLOW_THREADS
    r = wait.timeout_ns == 0 ? srr_creceive(sender, part, count, ret_message)
                             : srr_receive(sender, part, count, &wait, ret_message);
    Py_END_ALLOW_THREADS
    if (r == 0)
        return 1;
    if (r == -ENOMSG)
        return 0;
    if (!handlers_raise(r))
        fail("receive", r, sender, 0);
    return -1;
}

#define EAGER 4096 /* a message up to this is copied once more, instead of being asked for twice */

/* The bytes of a message whose beginning is in `start`; NULL with -EAGAIN: its sender has left. */
static PyObject *whole_message(const struct srr_message *message, const char *start, Py_ssize_t limit,
                               int64_t *ret_error)
{
    uint64_t wanted = message->nbytes < (uint64_t)limit ? message->nbytes : (uint64_t)limit;
    *ret_error = 0;
    if (wanted <= message->copied)
        return PyBytes_FromStringAndSize(start, (Py_ssize_t)wanted);
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)wanted);
    if (!bytes) {
        srr_error(message->id, ENOMEM); /* it fails the sender, and the server goes on */
        PyErr_Clear();
        *ret_error = -ENOMEM;
        return NULL;
    }
    struct iovec part = {PyBytes_AsString(bytes), (size_t)wanted};
    Py_BEGIN_ALLOW_THREADS
    *ret_error = srr_read(message->id, 0, &part, 1);
    Py_END_ALLOW_THREADS
    if (*ret_error == (int64_t)wanted)
        return bytes;
    Py_DECREF(bytes);
    /* A bad buffer, or one that we may not reach, fails its owner; one that has left needs no answer. */
    if (*ret_error >= 0 || *ret_error == -SRR_EDSTFAULT)
        srr_error(message->id, EFAULT);
    else if (*ret_error != -ESRCH)
        srr_error(message->id, (int)-*ret_error);
    *ret_error = -EAGAIN;
    return NULL;
}

PyObject *native_receive(PyObject *module, PyObject *args)
{
    (void)module;
    int sender, got;
    Py_ssize_t limit;
    PyObject *timeout, *bytes;
    char start[EAGER];
    struct iovec part = {start, sizeof start};
    struct srr_message message;
    if (!PyArg_ParseTuple(args, "iOn:receive", &sender, &timeout, &limit))
        return NULL;
    if (limit < 0)
        return PyErr_Format(PyExc_ValueError, "limit is 0 bytes or more, not %zd", limit);
    for (;;) {
        int64_t error;
        got = receive(sender, timeout, &part, 1, &message);
        if (got < 0)
            return NULL;
        if (got == 0)
            Py_RETURN_NONE;
        bytes = whole_message(&message, start, limit, &error);
        if (bytes)
            return Py_BuildValue("NN", taken_tuple(&message), bytes);
    }
}

PyObject *native_receive_into(PyObject *module, PyObject *args)
{
    (void)module;
    int sender;
    PyObject *timeout, *buffer;
    struct srr_message message;
    struct parts parts;
    if (!PyArg_ParseTuple(args, "iOO:receive_into", &sender, &timeout, &buffer) ||
        hold_parts(&parts, buffer, PyBUF_WRITABLE) < 0)
        return NULL;
    int got = receive(sender, timeout, parts.part, parts.count, &message);
    release_parts(&parts);
    if (got < 0)
        return NULL;
    if (got == 0)
        Py_RETURN_NONE;
    return Py_BuildValue("NK", taken_tuple(&message), (unsigned long long)message.copied);
}

static PyObject *count_or_fail(const char *verb, int64_t r)
{
    return r < 0 ? fail(verb, r, 0, 0) : PyLong_FromLongLong(r);
}

PyObject *native_reply(PyObject *module, PyObject *args)
{
    (void)module;
    unsigned long long id;
    PyObject *data;
    struct parts parts;
    int64_t r;
    if (!PyArg_ParseTuple(args, "KO:reply", &id, &data) || hold_parts(&parts, data, PyBUF_SIMPLE) < 0)
        return NULL;
    tell_frames();
    Py_BEGIN_ALLOW_THREADS
    r = srr_reply(id, parts.part, parts.count);
    Py_END_ALLOW_THREADS
    frames_told();
    release_parts(&parts);
    return count_or_fail("reply", r);
}

PyObject *native_error(PyObject *module, PyObject *args)
{
    (void)module;
    unsigned long long id;
    int error;
    if (!PyArg_ParseTuple(args, "Ki:error", &id, &error))
        return NULL;
    if (error < 1 || error > 4095)
        return PyErr_Format(PyExc_ValueError, "an errno is 1 to 4095, not %d", error);
    tell_frames();
    int r = srr_error(id, error);
    frames_told();
    if (r < 0)
        return fail("error", r, 0, 0);
    Py_RETURN_NONE;
}

PyObject *native_read(PyObject *module, PyObject *args)
{
    (void)module;
    unsigned long long id;
    Py_ssize_t offset, n;
    int64_t r;
    if (!PyArg_ParseTuple(args, "Knn:read", &id, &offset, &n))
        return NULL;
    if (offset < 0 || n < 0)
        return PyErr_Format(PyExc_ValueError, "offset and nbytes are 0 or more, not %zd and %zd", offset, n);
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, n);
    if (!bytes)
        return NULL;
    struct iovec part = {PyBytes_AsString(bytes), (size_t)n};
    Py_BEGIN_ALLOW_THREADS
    r = srr_read(id, (uint64_t)offset, &part, 1);
    Py_END_ALLOW_THREADS
    if (r == n)
        return bytes;
    PyObject *shorter =
        r < 0 ? fail("read", r, 0, 0) : PyBytes_FromStringAndSize(PyBytes_AsString(bytes), (Py_ssize_t)r);
    Py_DECREF(bytes);
    return shorter;
}

typedef int64_t part_call(uint64_t id, uint64_t offset, const struct iovec *parts, int count);

static PyObject *at_offset(const char *verb, unsigned long long id, Py_ssize_t offset, PyObject *object, int flags,
                           part_call *call)
{
    struct parts parts;
    int64_t r;
    if (offset < 0)
        return PyErr_Format(PyExc_ValueError, "an offset is 0 or more, not %zd", offset);
    if (hold_parts(&parts, object, flags) < 0)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    r = call(id, (uint64_t)offset, parts.part, parts.count);
    Py_END_ALLOW_THREADS
    release_parts(&parts);
    return count_or_fail(verb, r);
}

PyObject *native_read_into(PyObject *module, PyObject *args)
{
    (void)module;
    unsigned long long id;
    Py_ssize_t offset;
    PyObject *buffer;
    if (!PyArg_ParseTuple(args, "KnO:read_into", &id, &offset, &buffer))
        return NULL;
    return at_offset("read", id, offset, buffer, PyBUF_WRITABLE, srr_read);
}

PyObject *native_write(PyObject *module, PyObject *args)
{
    (void)module;
    unsigned long long id;
    Py_ssize_t offset;
    PyObject *data;
    if (!PyArg_ParseTuple(args, "KnO:write", &id, &offset, &data))
        return NULL;
    return at_offset("write", id, offset, data, PyBUF_SIMPLE, srr_write);
}
