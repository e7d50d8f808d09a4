/*
 * _native.c - libsrr for Python: few functions, integers and buffers in, the GIL released while they block.
 *
 * Limited API of 3.11, no classes. Failures are made by the Python function given to raise_with(): called with
 * the verb, errno, pid and flags, it returns an exception.
 */
#include "_native_common.h"

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
    {"name_share", native_name_share, METH_VARARGS, NULL},
    {"name_list_shared", native_name_list_shared, METH_NOARGS, NULL},
    {"helper", native_helper, METH_NOARGS, NULL},
    {"runtime_dir", native_runtime_dir, METH_NOARGS, NULL},
    {"look", native_look, METH_VARARGS, NULL},
    {"peek", native_peek, METH_VARARGS, NULL},
    {"probe_cost", native_probe_cost, METH_VARARGS, NULL},
    {"facts", native_facts, METH_NOARGS, NULL},
    {"relay", native_relay, METH_VARARGS, NULL},
    {"proxy_attach", native_proxy_attach, METH_VARARGS, NULL},
    {"proxy_detach", native_proxy_detach, METH_VARARGS, NULL},
    {"trigger", native_trigger, METH_VARARGS, NULL},
    {"proxy_look", native_proxy_look, METH_VARARGS, NULL},
    {"proxy_list", native_proxy_list, METH_VARARGS, NULL},
    {"notify", native_notify, METH_VARARGS, NULL},
    {"flags", native_flags, METH_VARARGS, NULL},
    {"priority", native_priority, METH_VARARGS, NULL},
    {"set_priority", native_set_priority, METH_VARARGS, NULL},
    {"raise_with", native_raise_with, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static int fill_module(PyObject *module)
{
    PyObject *lanes = Py_BuildValue("(ssssss)", "-", "inline", "direct", "window", "borrowed", "helper");
    PyObject *blocked = Py_BuildValue("(sssss)", "-", "SEND", "RECEIVE", "REPLY", "SIGNAL");
    int r = lanes && blocked && prepare_sending() == 0 ? 0 : -1;
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
        PyModule_AddIntConstant(module, "PROXY_MAX", SRR_PROXY_MAX) < 0 ||
        PyModule_AddIntConstant(module, "EDSTFAULT", SRR_EDSTFAULT) < 0)
        return -1;
    return 0;
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, (void *)fill_module}, {0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "srr._native", .m_doc = "libsrr. See _native.pyi.", .m_methods = methods,
    .m_slots = slots};

PyMODINIT_FUNC PyInit__native(void); /* Python looks it up by name; no header declares it */
PyMODINIT_FUNC PyInit__native(void)
{
    return PyModuleDef_Init(&definition);
}
