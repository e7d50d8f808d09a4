/*
 * _native.c - libsrr for Python: few functions, integers and buffers in, the GIL released while they block.
 *
 * Limited API of 3.11, no classes. Buffers are held (Py_buffer) for as long as the other side may read or
 * write them, and the messages' bytes are never copied on this side of the core. Failures are made by the
 * Python function given to raise_with(): called with the verb, errno, pid and flags, it returns an exception.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "srr.h"

static PyObject *failure; /* raise_with() */

static PyObject *fail(const char *verb, int64_t r, pid_t pid, uint32_t flags)
{
    if (PyErr_Occurred())
        return NULL; /* a signal handler raised: that is what the caller must see */
    if (r == -ENOMEM)
        return PyErr_NoMemory();
    if (!failure) {
        errno = (int)-r;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    PyObject *exception = PyObject_CallFunction(failure, "siiI", verb, (int)-r, (int)pid, flags);
    if (exception)
        PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
    Py_XDECREF(exception);
    return NULL;
}

/* One buffer, or a sequence of them, as parts. */
struct parts {
    struct iovec part[SRR_PARTS_MAX];
    Py_buffer buffer[SRR_PARTS_MAX];
    int count;
};

static void release_parts(struct parts *parts)
{
    while (parts->count > 0)
        PyBuffer_Release(&parts->buffer[--parts->count]);
}

static int add_part(struct parts *parts, PyObject *object, int flags)
{
    Py_buffer *buffer = &parts->buffer[parts->count];
    if (PyObject_GetBuffer(object, buffer, flags) < 0)
        return -1;
    parts->part[parts->count++] = (struct iovec){buffer->buf, (size_t)buffer->len};
    return 0;
}

/* Takes the buffers of `object`; on failure none is held. Only lists and tuples are sequences of buffers:
 * bytes, arrays and the like are sequences too, of numbers. */
static int hold_parts(struct parts *parts, PyObject *object, int flags)
{
    parts->count = 0;
    if (!PyList_Check(object) && !PyTuple_Check(object))
        return add_part(parts, object, flags);
    Py_ssize_t n = PySequence_Size(object);
    if (n > SRR_PARTS_MAX) {
        PyErr_Format(PyExc_ValueError, "%zd buffers in one message: at most %d; join some of them", n, SRR_PARTS_MAX);
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *item = PySequence_GetItem(object, i);
        int r = item ? add_part(parts, item, flags) : -1;
        Py_XDECREF(item); /* the buffer holds it */
        if (r < 0) {
            release_parts(parts);
            return -1;
        }
    }
    return 0;
}

/* Python's signal handlers run here, at least every 100 ms of a blocked call, in the main thread only. */
static int look(void *unused)
{
    (void)unused;
    PyGILState_STATE gil = PyGILState_Ensure();
    int raised = PyErr_Occurred() || PyErr_CheckSignals() < 0;
    PyGILState_Release(gil);
    return raised;
}

/* Seconds or None. */
static int read_timeout(PyObject *timeout, struct srr_wait *ret_wait)
{
    *ret_wait = (struct srr_wait){.timeout_ns = -1, .look = look};
    if (timeout == Py_None)
        return 0;
    double seconds = PyFloat_AsDouble(timeout);
    if (seconds == -1.0 && PyErr_Occurred())
        return -1;
    if (!(seconds >= 0)) {
        PyErr_SetString(PyExc_ValueError, "a timeout is None or a number of seconds, not negative");
        return -1;
    }
    ret_wait->timeout_ns = seconds < 9e9 ? (int64_t)(seconds * 1e9) : -1;
    return 0;
}

/* A Send that was interrupted may still end with its reply, if that was being written; what the handler
 * raised wins, and a result must not be returned with an exception set. */
static int interrupted(int r)
{
    return r == 0 && PyErr_Occurred() ? -EINTR : r;
}

/* After a call that a signal may have ended: run the handlers; what they raise is raised. */
static int handlers_raise(int64_t r)
{
    return r == -EINTR && !PyErr_Occurred() && PyErr_CheckSignals() < 0;
}

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

static PyObject *native_send(PyObject *module, PyObject *args)
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
    Py_BEGIN_ALLOW_THREADS
    r = srr_send(pid, parts.part, parts.count, &answer, room > 0, &wait, &sent);
    Py_END_ALLOW_THREADS
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

static PyObject *native_send_into(PyObject *module, PyObject *args)
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
    Py_BEGIN_ALLOW_THREADS
    r = srr_send(pid, parts.part, parts.count, answer.part, answer.count, &wait, &sent);
    Py_END_ALLOW_THREADS
    r = interrupted(r);
    release_parts(&parts);
    release_parts(&answer);
    if (r == 0)
        return sent_tuple(&sent);
    return handlers_raise(r) ? NULL : fail("send", r, pid, sent.flags);
}

static PyObject *taken_tuple(const struct srr_message *m)
{
    return Py_BuildValue("KKKiiII", (unsigned long long)m->id, (unsigned long long)m->nbytes,
                         (unsigned long long)m->room, (int)m->tid, (int)m->pid, (unsigned)m->uid, m->lane);
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
static PyObject *whole_message(const struct srr_message *message, const char *start, Py_ssize_t limit, int64_t *ret_error)
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

static PyObject *native_receive(PyObject *module, PyObject *args)
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

static PyObject *native_receive_into(PyObject *module, PyObject *args)
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

static PyObject *native_reply(PyObject *module, PyObject *args)
{
    (void)module;
    unsigned long long id;
    PyObject *data;
    struct parts parts;
    int64_t r;
    if (!PyArg_ParseTuple(args, "KO:reply", &id, &data) || hold_parts(&parts, data, PyBUF_SIMPLE) < 0)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    r = srr_reply(id, parts.part, parts.count);
    Py_END_ALLOW_THREADS
    release_parts(&parts);
    return count_or_fail("reply", r);
}

static PyObject *native_error(PyObject *module, PyObject *args)
{
    (void)module;
    unsigned long long id;
    int error;
    if (!PyArg_ParseTuple(args, "Ki:error", &id, &error))
        return NULL;
    if (error < 1 || error > 4095)
        return PyErr_Format(PyExc_ValueError, "an errno is 1 to 4095, not %d", error);
    int r = srr_error(id, error);
    if (r < 0)
        return fail("error", r, 0, 0);
    Py_RETURN_NONE;
}

static PyObject *native_read(PyObject *module, PyObject *args)
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
    PyObject *shorter = r < 0 ? fail("read", r, 0, 0) : PyBytes_FromStringAndSize(PyBytes_AsString(bytes), (Py_ssize_t)r);
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

static PyObject *native_read_into(PyObject *module, PyObject *args)
{
    (void)module;
    unsigned long long id;
    Py_ssize_t offset;
    PyObject *buffer;
    if (!PyArg_ParseTuple(args, "KnO:read_into", &id, &offset, &buffer))
        return NULL;
    return at_offset("read", id, offset, buffer, PyBUF_WRITABLE, srr_read);
}

static PyObject *native_write(PyObject *module, PyObject *args)
{
    (void)module;
    unsigned long long id;
    Py_ssize_t offset;
    PyObject *data;
    if (!PyArg_ParseTuple(args, "KnO:write", &id, &offset, &data))
        return NULL;
    return at_offset("write", id, offset, data, PyBUF_SIMPLE, srr_write);
}

/* A name as C has it: bytes without a 0. */
static const char *read_name(PyObject *args, const char *format)
{
    const char *name;
    Py_ssize_t length;
    if (!PyArg_ParseTuple(args, format, &name, &length))
        return NULL;
    if (strlen(name) == (size_t)length)
        return name;
    fail("name", -EINVAL, 0, 0);
    return NULL;
}

static PyObject *native_name_attach(PyObject *module, PyObject *args)
{
    (void)module;
    const char *name = read_name(args, "y#:name_attach");
    int r = name ? srr_name_attach(name) : 0;
    if (!name || r < 0)
        return name ? fail("name", r, 0, 0) : NULL;
    Py_RETURN_NONE;
}

static PyObject *native_name_detach(PyObject *module, PyObject *args)
{
    (void)module;
    const char *name = read_name(args, "y#:name_detach");
    int r = name ? srr_name_detach(name) : 0;
    if (!name || r < 0)
        return name ? fail("name", r, 0, 0) : NULL;
    Py_RETURN_NONE;
}

static PyObject *native_name_locate(PyObject *module, PyObject *args)
{
    (void)module;
    const char *name;
    Py_ssize_t length;
    PyObject *timeout;
    struct srr_wait wait;
    int r;
    if (!PyArg_ParseTuple(args, "y#O:name_locate", &name, &length, &timeout) || read_timeout(timeout, &wait) < 0)
        return NULL;
    if (strlen(name) != (size_t)length)
        return fail("name", -EINVAL, 0, 0);
    Py_BEGIN_ALLOW_THREADS
    r = srr_name_locate(name, &wait);
    Py_END_ALLOW_THREADS
    if (r >= 0)
        return PyLong_FromLong(r);
    return handlers_raise(r) ? NULL : fail("name", r, 0, 0);
}

static int append_name(void *list, pid_t pid, const char *name)
{
    PyObject *item = Py_BuildValue("iy", (int)pid, name);
    int r = item ? PyList_Append(list, item) : -1;
    Py_XDECREF(item);
    return r;
}

static PyObject *native_name_list(PyObject *module, PyObject *args)
{
    (void)module;
    int pid;
    if (!PyArg_ParseTuple(args, "i:name_list", &pid))
        return NULL;
    PyObject *list = PyList_New(0);
    int r = list ? srr_name_list(pid, append_name, list) : -1;
    if (r == 0)
        return list;
    Py_XDECREF(list);
    return PyErr_Occurred() ? NULL : fail("name", r, 0, 0);
}

static PyObject *native_runtime_dir(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    char path[256];
    int r = srr_runtime_dir(path, sizeof path);
    return r < 0 ? fail("name", r, 0, 0) : PyUnicode_DecodeFSDefault(path);
}

#define THREADS_SEEN 1024

static PyObject *native_look(PyObject *module, PyObject *args)
{
    (void)module;
    int pid;
    struct srr_process_view process;
    if (!PyArg_ParseTuple(args, "i:look", &pid))
        return NULL;
    struct srr_thread_view *thread = malloc(THREADS_SEEN * sizeof *thread);
    if (!thread)
        return PyErr_NoMemory();
    int r = srr_look(pid, &process, thread, THREADS_SEEN);
    PyObject *threads = r == 0 ? PyList_New(0) : fail("look", r, pid, 0);
    for (uint32_t i = 0; threads && i < process.threads; i++) {
        PyObject *one = Py_BuildValue("{sisisIsLsK}", "tid", (int)thread[i].tid, "on", (int)thread[i].on, "blocked",
                                      thread[i].blocked, "since_ns", (long long)thread[i].since_ns, "sent",
                                      (unsigned long long)thread[i].sent);
        if (!one || PyList_Append(threads, one) < 0) {
            Py_DECREF(threads);
            threads = NULL;
        }
        Py_XDECREF(one);
    }
    free(thread);
    if (!threads)
        return NULL;
    return Py_BuildValue("{sKsKsKsIsisLsIsN}", "sent", (unsigned long long)process.sent, "received",
                         (unsigned long long)process.received, "healed", (unsigned long long)process.healed,
                         "receivers", process.receivers, "receive_from", (int)process.receive_from,
                         "receive_since_ns", (long long)process.receive_since_ns, "clients", process.clients,
                         "threads", threads);
}

static PyObject *native_facts(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    struct srr_facts facts;
    srr_facts(&facts);
    return Py_BuildValue("{sIsIsIsIsIsI}", "layout_version", facts.layout_version, "slots", facts.slots, "entries",
                         facts.entries, "inline_max", facts.inline_max, "row_size", facts.row_size, "spin_ns",
                         facts.spin_ns);
}

static PyObject *native_raise_with(PyObject *module, PyObject *function)
{
    (void)module;
    if (!PyCallable_Check(function)) {
        PyErr_SetString(PyExc_TypeError, "raise_with() takes a function");
        return NULL;
    }
    PyObject *old = failure;
    failure = Py_NewRef(function);
    Py_XDECREF(old);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"send", native_send, METH_VARARGS, NULL},
    {"send_into", native_send_into, METH_VARARGS, NULL},
    {"receive", native_receive, METH_VARARGS, NULL},
    {"receive_into", native_receive_into, METH_VARARGS, NULL},
    {"reply", native_reply, METH_VARARGS, NULL},
    {"error", native_error, METH_VARARGS, NULL},
    {"read", native_read, METH_VARARGS, NULL},
    {"read_into", native_read_into, METH_VARARGS, NULL},
    {"write", native_write, METH_VARARGS, NULL},
    {"name_attach", native_name_attach, METH_VARARGS, NULL},
    {"name_detach", native_name_detach, METH_VARARGS, NULL},
    {"name_locate", native_name_locate, METH_VARARGS, NULL},
    {"name_list", native_name_list, METH_VARARGS, NULL},
    {"runtime_dir", native_runtime_dir, METH_NOARGS, NULL},
    {"look", native_look, METH_VARARGS, NULL},
    {"facts", native_facts, METH_NOARGS, NULL},
    {"raise_with", native_raise_with, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static void make_key(void)
{
    pthread_key_create(&thread_end, drop_scratch);
}

static int fill_module(PyObject *module)
{
    PyObject *lanes = Py_BuildValue("(ssssss)", "-", "inline", "direct", "window", "borrowed", "helper");
    PyObject *blocked = Py_BuildValue("(ssss)", "-", "SEND", "RECEIVE", "REPLY");
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    int r = lanes && blocked && pthread_once(&once, make_key) == 0 ? 0 : -1;
    if (r == 0)
        r = PyModule_AddObjectRef(module, "LANES", lanes);
    if (r == 0)
        r = PyModule_AddObjectRef(module, "BLOCKED", blocked);
    Py_XDECREF(lanes);
    Py_XDECREF(blocked);
    if (r < 0 || PyModule_AddIntConstant(module, "RECEIVED", SRR_RECEIVED) < 0 ||
        PyModule_AddIntConstant(module, "MESSAGE_TRUNCATED", SRR_MESSAGE_TRUNCATED) < 0 ||
        PyModule_AddIntConstant(module, "REPLY_TRUNCATED", SRR_REPLY_TRUNCATED) < 0 ||
        PyModule_AddIntConstant(module, "BY_SERVER", SRR_BY_SERVER) < 0 ||
        PyModule_AddIntConstant(module, "NAME_MAX", SRR_NAME_MAX) < 0 ||
        PyModule_AddIntConstant(module, "EDSTFAULT", SRR_EDSTFAULT) < 0)
        return -1;
    return 0;
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, (void *)fill_module}, {0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "srr._native", .m_doc = "libsrr. See _native.pyi.", .m_methods = methods,
    .m_slots = slots};

PyMODINIT_FUNC PyInit__native(void)
{
    return PyModuleDef_Init(&definition);
}
