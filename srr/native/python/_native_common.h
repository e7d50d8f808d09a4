/*
 * _native_common.h - what the parts of the extension share. Limited API of 3.11.
 *
 *   _native.c          the module: its table of functions, its constants
 *   _native_common.c   buffers, time-outs, signals, failures
 *   _native_send.c     Send
 *   _native_receive.c  Receive, Reply, Readmsg, Writemsg
 *   _native_frames.c   Python's frames, for tracers
 *   _native_names.c    names, looking at processes, facts
 *   _native_qnx4.c     Relay, proxies, notices, flags, priorities
 */
#ifndef SRR_NATIVE_COMMON_H
#define SRR_NATIVE_COMMON_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>

#include "srr.h"

/* Raise what raise_with()'s function makes of this failure, or what a signal handler has raised already. NULL. */
PyObject *fail(const char *verb, int64_t r, pid_t pid, uint32_t flags);

/* One buffer, or a list or tuple of them, as parts; held until released. */
struct parts {
    struct iovec part[SRR_PARTS_MAX];
    Py_buffer buffer[SRR_PARTS_MAX];
    int count;
};
int hold_parts(struct parts *parts, PyObject *object, int flags);
void release_parts(struct parts *parts);

/* Seconds or None. */
int read_timeout(PyObject *timeout, struct srr_wait *ret_wait);

/* A Send's result, or -EINTR if a handler raised while its reply was being written. */
int interrupted(int r);

/* After a call that a signal may have ended: run the handlers; true if one raised. */
int handlers_raise(int64_t r);

/* Around a Send or Reply, with the GIL: a tracer that asks is told where it comes from. */
void tell_frames(void);
void frames_told(void);

PyObject *native_send(PyObject *module, PyObject *args);
PyObject *native_send_into(PyObject *module, PyObject *args);
PyObject *native_receive(PyObject *module, PyObject *args);
PyObject *native_receive_into(PyObject *module, PyObject *args);
PyObject *native_reply(PyObject *module, PyObject *args);
PyObject *native_error(PyObject *module, PyObject *args);
PyObject *native_read(PyObject *module, PyObject *args);
PyObject *native_read_into(PyObject *module, PyObject *args);
PyObject *native_write(PyObject *module, PyObject *args);
PyObject *native_name_attach(PyObject *module, PyObject *args);
PyObject *native_name_detach(PyObject *module, PyObject *args);
PyObject *native_name_locate(PyObject *module, PyObject *args);
PyObject *native_name_list(PyObject *module, PyObject *args);
PyObject *native_name_share(PyObject *module, PyObject *args);
PyObject *native_name_list_shared(PyObject *module, PyObject *args);
PyObject *native_helper(PyObject *module, PyObject *args);
PyObject *native_runtime_dir(PyObject *module, PyObject *args);
PyObject *native_look(PyObject *module, PyObject *args);
PyObject *native_peek(PyObject *module, PyObject *args);
PyObject *native_probe_cost(PyObject *module, PyObject *args);
PyObject *native_facts(PyObject *module, PyObject *args);
PyObject *native_relay(PyObject *module, PyObject *args);
PyObject *native_proxy_attach(PyObject *module, PyObject *args);
PyObject *native_proxy_detach(PyObject *module, PyObject *args);
PyObject *native_trigger(PyObject *module, PyObject *args);
PyObject *native_proxy_look(PyObject *module, PyObject *args);
PyObject *native_proxy_list(PyObject *module, PyObject *args);
PyObject *native_notify(PyObject *module, PyObject *args);
PyObject *native_flags(PyObject *module, PyObject *args);
PyObject *native_priority(PyObject *module, PyObject *args);
PyObject *native_set_priority(PyObject *module, PyObject *args);
PyObject *native_raise_with(PyObject *module, PyObject *args);

/* Once, when the module is loaded. */
int prepare_sending(void);

#endif
