/* _native_common.c - see _native_common.h. */
#include "_native_common.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

static PyObject *failure; /* the function given to raise_with() */

PyObject *fail(const char *verb, int64_t r, pid_t pid, uint32_t flags)
{
    if (PyErr_Occurred())
        return NULL; /* a signal handler raised: that is what the caller must see */
    if (r == -ENOMEM && !(flags & SRR_BY_SERVER))
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

void release_parts(struct parts *parts)
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
int hold_parts(struct parts *parts, PyObject *object, int flags)
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

static int handler_ran;

static PyObject *note_handler(PyObject *self, PyObject *args)
{
    (void)self, (void)args;
    handler_ran = 1;
    Py_RETURN_NONE;
}

static PyMethodDef note_method = {"note_handler", note_handler, METH_VARARGS, NULL};

static void set_profile(PyObject *function)
{
    PyObject *set = PySys_GetObject("setprofile");
    PyObject *done = set ? PyObject_CallFunctionObjArgs(set, function, NULL) : NULL;
    if (!done)
        PyErr_Clear();
    Py_XDECREF(done);
}

/*
 * Run Python's signal handlers: true if one ran, whether it raised or not.
 *
 * A signal that came a moment before the thread slept did not wake it, and must end the call all the same;
 * PyErr_CheckSignals() says only whether a handler raised. A profile function, set for that moment, is called
 * if a handler is. The collector is off, lest a finalizer is taken for one.
 */
static int run_handlers(void)
{
    PyObject *get = PySys_GetObject("getprofile");
    PyObject *before = get ? PyObject_CallFunctionObjArgs(get, NULL) : NULL;
    PyObject *note = PyCFunction_New(&note_method, NULL);
    PyObject *type, *value, *trace;
    int collecting = PyGC_Disable();
    handler_ran = 0;
    if (before && note)
        set_profile(note);
    int raised = PyErr_CheckSignals() < 0;
    PyErr_Fetch(&type, &value, &trace);
    if (before && note)
        set_profile(before);
    PyErr_Restore(type, value, trace);
    if (collecting)
        PyGC_Enable();
    Py_XDECREF(before);
    Py_XDECREF(note);
    return raised || handler_ran;
}

/* At least every 100 ms of a blocked call. Handlers run in the main thread only. */
static int look(void *unused)
{
    (void)unused;
    if (syscall(SYS_gettid) != getpid())
        return 0;
    PyGILState_STATE gil = PyGILState_Ensure();
    int ran = PyErr_Occurred() || run_handlers();
    PyGILState_Release(gil);
    return ran;
}

int read_timeout(PyObject *timeout, struct srr_wait *ret_wait)
{
    *ret_wait = (struct srr_wait){.timeout_ns = -1, .look = look};
    if (timeout == Py_None)
        return 0;
    double seconds = PyFloat_AsDouble(timeout);
    if (PyErr_Occurred())
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
int interrupted(int r)
{
    return r == 0 && PyErr_Occurred() ? -EINTR : r;
}

/* After a call that a signal may have ended: run the handlers; what they raise is raised. */
int handlers_raise(int64_t r)
{
    return r == -EINTR && !PyErr_Occurred() && PyErr_CheckSignals() < 0;
}

PyObject *native_raise_with(PyObject *module, PyObject *function)
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
