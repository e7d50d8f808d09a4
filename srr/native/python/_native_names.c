/* _native_names.c - names, looking at processes from outside, facts. */
#include "_native_common.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

PyObject *native_name_attach(PyObject *module, PyObject *args)
{
    (void)module;
    const char *name = read_name(args, "y#:name_attach");
    int r = name ? srr_name_attach(name) : 0;
    if (!name || r < 0)
        return name ? fail("name", r, 0, 0) : NULL;
    return PyLong_FromLong(r);
}

PyObject *native_name_detach(PyObject *module, PyObject *args)
{
    (void)module;
    const char *name = read_name(args, "y#:name_detach");
    int r = name ? srr_name_detach(name) : 0;
    if (!name || r < 0)
        return name ? fail("name", r, 0, 0) : NULL;
    Py_RETURN_NONE;
}

PyObject *native_name_locate(PyObject *module, PyObject *args)
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

static int append_name(void *list, int id, pid_t pid, const char *name)
{
    PyObject *item = Py_BuildValue("iiy", id, (int)pid, name);
    int r = item ? PyList_Append(list, item) : -1;
    Py_XDECREF(item);
    return r;
}

PyObject *native_name_list(PyObject *module, PyObject *args)
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

PyObject *native_name_share(PyObject *module, PyObject *args)
{
    (void)module;
    const char *name;
    Py_ssize_t length;
    unsigned mode, gid;
    int r;
    if (!PyArg_ParseTuple(args, "y#II:name_share", &name, &length, &mode, &gid))
        return NULL;
    if (strlen(name) != (size_t)length)
        return fail("share", -EINVAL, 0, 0);
    Py_BEGIN_ALLOW_THREADS
    r = srr_name_share(name, mode, gid);
    Py_END_ALLOW_THREADS
    return r < 0 ? fail("share", r, 0, 0) : PyLong_FromLong(r);
}

static int append_shared(void *list, const struct srr_shared_name *name)
{
    PyObject *item = Py_BuildValue("yIIIi", name->name, (unsigned)name->uid, (unsigned)name->gid, name->mode, (int)name->pid);
    int r = item ? PyList_Append(list, item) : -1;
    Py_XDECREF(item);
    return r;
}

PyObject *native_name_list_shared(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    PyObject *list = PyList_New(0);
    int r = list ? srr_name_list_shared(append_shared, list) : -1;
    if (r == 0)
        return list;
    Py_XDECREF(list);
    return PyErr_Occurred() ? NULL : fail("share", r, 0, 0);
}

static PyObject *quotas(const uint32_t *values)
{
    PyObject *list = PyList_New(0);
    for (int i = 0; list && i < 8; i++) {
        PyObject *one = PyLong_FromUnsignedLong(values[i]);
        if (!one || PyList_Append(list, one) < 0)
            Py_CLEAR(list);
        Py_XDECREF(one);
    }
    return list;
}

PyObject *native_helper(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    struct srr_helper_view view;
    int r;
    Py_BEGIN_ALLOW_THREADS
    r = srr_helper(&view);
    Py_END_ALLOW_THREADS
    if (r < 0)
        return fail("share", r, 0, 0);
    return Py_BuildValue("{sssisIsIsIsNsN}", "path", view.path, "error", (int)-view.reachable, "protocol", view.protocol,
                         "layout", view.layout, "transfer", view.transfer, "used", quotas(view.used), "limit",
                         quotas(view.limit));
}

PyObject *native_runtime_dir(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    char path[256];
    int r = srr_runtime_dir(path, sizeof path);
    return r < 0 ? fail("name", r, 0, 0) : PyUnicode_DecodeFSDefault(path);
}

#define THREADS_SEEN 1024
#define MESSAGES_SEEN 4096

/* Sending thread to the thread that received from it. Empty also where the process has gone meanwhile. */
static PyObject *taken_by(int pid, uint64_t received)
{
    PyObject *taken = PyDict_New();
    struct srr_taken_view *view = received ? malloc(MESSAGES_SEEN * sizeof *view) : NULL;
    int n = view ? srr_look_taken(pid, view, MESSAGES_SEEN) : 0;
    for (int i = 0; taken && i < n; i++) {
        PyObject *from = PyLong_FromLong(view[i].from), *by = PyLong_FromLong(view[i].by);
        if (!from || !by || PyDict_SetItem(taken, from, by) < 0) {
            Py_DECREF(taken);
            taken = NULL;
        }
        Py_XDECREF(from);
        Py_XDECREF(by);
    }
    free(view);
    return taken;
}

PyObject *native_look(PyObject *module, PyObject *args)
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
        PyObject *one = Py_BuildValue("{sisisIsLsKsKsK}", "tid", (int)thread[i].tid, "on", (int)thread[i].on, "blocked",
                                      thread[i].blocked, "since_ns", (long long)thread[i].since_ns, "sent",
                                      (unsigned long long)thread[i].sent, "id", (unsigned long long)thread[i].id,
                                      "nbytes", (unsigned long long)thread[i].nbytes);
        if (!one || PyList_Append(threads, one) < 0) {
            Py_DECREF(threads);
            threads = NULL;
        }
        Py_XDECREF(one);
    }
    free(thread);
    if (!threads)
        return NULL;
    PyObject *taken = taken_by(pid, process.received);
    if (!taken) {
        Py_DECREF(threads);
        return NULL;
    }
    return Py_BuildValue("{sKsKsKsIsisLsIsIsNsN}", "sent", (unsigned long long)process.sent, "received",
                         (unsigned long long)process.received, "healed", (unsigned long long)process.healed,
                         "receivers", process.receivers, "receive_from", (int)process.receive_from,
                         "receive_since_ns", (long long)process.receive_since_ns, "clients", process.clients,
                         "flags", process.flags, "threads", threads, "taken", taken);
}

PyObject *native_peek(PyObject *module, PyObject *args)
{
    (void)module;
    int pid, tid, size;
    if (!PyArg_ParseTuple(args, "iii:peek", &pid, &tid, &size))
        return NULL;
    if (size < 0 || size > 1 << 20)
        return PyErr_Format(PyExc_ValueError, "a peek is 0 bytes to 1 MiB, not %d", size);
    char *buffer = malloc((size_t)size + 1);
    if (!buffer)
        return PyErr_NoMemory();
    int64_t n = srr_peek(pid, tid, buffer, (uint32_t)size);
    PyObject *bytes = n < 0 ? fail("look", n, pid, 0) : PyBytes_FromStringAndSize(buffer, (Py_ssize_t)n);
    free(buffer);
    return bytes;
}

PyObject *native_probe_cost(PyObject *module, PyObject *args)
{
    (void)module;
    unsigned hits;
    return PyArg_ParseTuple(args, "I:probe_cost", &hits) ? PyLong_FromLongLong(srr_probe_cost(hits)) : NULL;
}

PyObject *native_facts(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    struct srr_facts facts;
    srr_facts(&facts);
    return Py_BuildValue("{sIsIsIsIsIsI}", "layout_version", facts.layout_version, "slots", facts.slots, "entries",
                         facts.entries, "inline_max", facts.inline_max, "row_size", facts.row_size, "spin_ns",
                         facts.spin_ns);
}
