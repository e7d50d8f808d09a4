/* _native_qnx4.c - what QNX4 had beyond the three verbs: Relay, proxies, notices, flags, priorities. None blocks. */
#include "_native_common.h"

#include <errno.h>

static PyObject *nothing_or_fail(const char *verb, int r, pid_t pid)
{
    if (r < 0)
        return fail(verb, r, pid, 0);
    Py_RETURN_NONE;
}

static PyObject *number_or_fail(const char *verb, int r, pid_t pid)
{
    return r < 0 ? fail(verb, r, pid, 0) : PyLong_FromLong(r);
}

PyObject *native_relay(PyObject *module, PyObject *args)
{
    (void)module;
    unsigned long long id;
    int target, r;
    if (!PyArg_ParseTuple(args, "Ki:relay", &id, &target))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    r = srr_relay(id, target);
    Py_END_ALLOW_THREADS
    return nothing_or_fail("relay", r, 0); /* of the two that may be gone, it is not known which */
}

PyObject *native_proxy_attach(PyObject *module, PyObject *args)
{
    (void)module;
    int owner, priority, r;
    PyObject *object;
    Py_buffer data;
    if (!PyArg_ParseTuple(args, "iOi:proxy_attach", &owner, &object, &priority) ||
        PyObject_GetBuffer(object, &data, PyBUF_SIMPLE) < 0)
        return NULL;
    if (data.len > SRR_PROXY_MAX) {
        PyErr_Format(PyExc_ValueError, "a proxy delivers at most %d bytes, not %zd; trigger it, and be asked for more",
                     SRR_PROXY_MAX, data.len);
        PyBuffer_Release(&data);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    r = srr_proxy_attach(owner, data.buf, (uint32_t)data.len, priority);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&data);
    return number_or_fail("proxy_attach", r, owner);
}

PyObject *native_proxy_detach(PyObject *module, PyObject *args)
{
    (void)module;
    int id, r;
    if (!PyArg_ParseTuple(args, "i:proxy_detach", &id))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    r = srr_proxy_detach(id);
    Py_END_ALLOW_THREADS
    return nothing_or_fail("proxy_detach", r, id);
}

PyObject *native_trigger(PyObject *module, PyObject *args)
{
    (void)module;
    int id, r;
    if (!PyArg_ParseTuple(args, "i:trigger", &id))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    r = srr_trigger(id);
    Py_END_ALLOW_THREADS
    return number_or_fail("trigger", r, id);
}

static PyObject *proxy_tuple(const struct srr_proxy_view *proxy)
{
    return Py_BuildValue("iiII", (int)proxy->id, (int)proxy->owner, proxy->count, proxy->priority);
}

PyObject *native_proxy_look(PyObject *module, PyObject *args)
{
    (void)module;
    int id;
    struct srr_proxy_view proxy;
    if (!PyArg_ParseTuple(args, "i:proxy_look", &id))
        return NULL;
    int r = srr_proxy_look(id, &proxy);
    return r < 0 ? fail("proxy_look", r, id, 0) : proxy_tuple(&proxy);
}

static int append_proxy(void *list, const struct srr_proxy_view *proxy)
{
    PyObject *item = proxy_tuple(proxy);
    int r = item ? PyList_Append(list, item) : -1;
    Py_XDECREF(item);
    return r;
}

PyObject *native_proxy_list(PyObject *module, PyObject *args)
{
    (void)module;
    int owner;
    if (!PyArg_ParseTuple(args, "i:proxy_list", &owner))
        return NULL;
    PyObject *list = PyList_New(0);
    int r = list ? srr_proxy_list(owner, append_proxy, list) : -1;
    if (r == 0)
        return list;
    Py_XDECREF(list);
    return PyErr_Occurred() ? NULL : fail("look", r, owner, 0);
}

PyObject *native_notify(PyObject *module, PyObject *args)
{
    (void)module;
    int about;
    PyObject *object;
    Py_buffer data;
    if (!PyArg_ParseTuple(args, "iO:notify", &about, &object) || PyObject_GetBuffer(object, &data, PyBUF_SIMPLE) < 0)
        return NULL;
    int r = data.len > UINT16_MAX ? -EINVAL : srr_notify(about, data.buf, (uint32_t)data.len);
    PyBuffer_Release(&data);
    return nothing_or_fail("notify", r, about);
}

PyObject *native_flags(PyObject *module, PyObject *args)
{
    (void)module;
    unsigned int bits, mask;
    uint32_t before, now;
    if (!PyArg_ParseTuple(args, "II:flags", &bits, &mask))
        return NULL;
    int r = srr_flags(bits, mask, &before, &now);
    return r < 0 ? fail("flags", r, 0, 0) : Py_BuildValue("II", before, now);
}

PyObject *native_priority(PyObject *module, PyObject *args)
{
    (void)module;
    int tid;
    if (!PyArg_ParseTuple(args, "i:priority", &tid))
        return NULL;
    return number_or_fail("priority", srr_priority(tid), tid);
}

PyObject *native_set_priority(PyObject *module, PyObject *args)
{
    (void)module;
    int tid, priority;
    if (!PyArg_ParseTuple(args, "ii:set_priority", &tid, &priority))
        return NULL;
    return number_or_fail("priority", srr_set_priority(tid, priority), tid);
}
