/*
 * _native_frames.c - while a tracer asks where calls come from, the answer in Python's terms; else a load and a branch.
 */
#include "_native_common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_SIZE 2048 /* the tracer reads no more */
#define DEEPEST 256

static _Thread_local char *text; /* a pointer only: a module's thread-local memory is short */

/* "function (file:line);", with nothing in it that the folded format gives a meaning. Bytes, 0: it can't be told. */
static int describe(PyFrameObject *frame, char *line, size_t size)
{
    PyObject *code = (PyObject *)PyFrame_GetCode(frame);
    PyObject *name = PyObject_GetAttrString(code, "co_qualname"); /* from 3.11 */
    PyObject *file = PyObject_GetAttrString(code, "co_filename");
    PyObject *ascii = name && file ? PyUnicode_FromFormat("%U\n%U", name, file) : NULL;
    PyObject *bytes = ascii ? PyUnicode_AsEncodedString(ascii, "utf-8", "replace") : NULL;
    const char *both = bytes ? PyBytes_AsString(bytes) : NULL;
    const char *path = both ? strchr(both, '\n') : NULL;
    int n = 0;
    if (path) {
        const char *base = strrchr(path, '/');
        base = base ? base + 1 : path + 1;
        n = snprintf(line, size, "%.*s (%s:%d);", (int)(path - both), both, base, PyFrame_GetLineNumber(frame));
        n = n < 0 || (size_t)n >= size ? 0 : n;
    }
    for (int i = 0; i < n - 1; i++)
        if (line[i] == ';' || (unsigned char)line[i] < ' ')
            line[i] = '_';
    PyErr_Clear();
    Py_XDECREF(bytes);
    Py_XDECREF(ascii);
    Py_XDECREF(file);
    Py_XDECREF(name);
    Py_DECREF(code);
    return n;
}

/* From the back, so that of a stack too deep the outermost frames are missing. */
void tell_frames(void)
{
    if (!srr_frames_wanted())
        return;
    if (!text && !(text = malloc(TEXT_SIZE)))
        return;
    size_t at = TEXT_SIZE - 1;
    text[at] = 0;
    PyObject *frame = (PyObject *)PyEval_GetFrame();
    Py_XINCREF(frame);
    for (int depth = 0; frame && frame != Py_None && depth < DEEPEST; depth++) {
        char line[512];
        int n = describe((PyFrameObject *)frame, line, sizeof line);
        if ((size_t)n > at)
            break;
        at -= (size_t)n;
        memcpy(text + at, line, (size_t)n);
        PyObject *caller = PyObject_GetAttrString(frame, "f_back");
        Py_DECREF(frame);
        frame = caller;
    }
    PyErr_Clear();
    Py_XDECREF(frame);
    srr_frames(text + at);
}

void frames_told(void)
{
    if (!text)
        return;
    srr_frames(NULL);
    free(text);
    text = NULL;
}
