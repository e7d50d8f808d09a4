/*
 * probes.c - the probe sites: see probes.h. The note's format is that of SystemTap's <sys/sdt.h>, which perf,
 * bpftrace, gdb and BCC read (https://sourceware.org/systemtap/wiki/UserSpaceProbeImplementation).
 *
 * One byte of nop, which the kernel emulates: longer ones, which it can patch to a jump, use the stack below the
 * stack pointer, where a function without frames keeps its variables.
 */
#include "probes.h"

#if HAVE_PROBES

#define BIND(name, n, register_name) register uint64_t name __asm__(register_name) = n
#if defined __x86_64__
#define BIND_ALL \
    BIND(a1, a, "rdi"); BIND(a2, b, "rsi"); BIND(a3, c, "rdx"); BIND(a4, d, "rcx"); BIND(a5, e, "r8"); BIND(a6, f, "r9")
#else
#define BIND_ALL \
    BIND(a1, a, "x0"); BIND(a2, b, "x1"); BIND(a3, c, "x2"); BIND(a4, d, "x3"); BIND(a5, e, "x4"); BIND(a6, f, "x5")
#endif

/* noipa: the function is called as written, also where the compiler can see that nobody uses it. */
#if defined __clang__
#define AS_WRITTEN __attribute__((noinline, cold))
#else
#define AS_WRITTEN __attribute__((noipa, cold))
#endif

#define DEFINE_PROBE(name) \
    volatile unsigned short srr_##name##_semaphore __attribute__((section(".probes"))); \
    AS_WRITTEN void srr_probe_##name(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f) \
    { \
        BIND_ALL; \
        __asm__ volatile("990: nop\n" \
                         ".pushsection .note.stapsdt, \"\", \"note\"\n" \
                         ".balign 4\n" \
                         ".4byte 992f - 991f, 994f - 993f, 3\n" \
                         "991: .asciz \"stapsdt\"\n" \
                         "992: .balign 4\n" \
                         "993: .8byte 990b, _.stapsdt.base, srr_" #name "_semaphore\n" \
                         ".asciz \"srr\"\n" \
                         ".asciz \"" #name "\"\n" \
                         ".asciz \"8@%0 8@%1 8@%2 8@%3 8@%4 8@%5\"\n" \
                         "994: .balign 4\n" \
                         ".popsection\n" \
                         : \
                         : "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5), "r"(a6)); \
    }

/* What the notes' addresses are relative to, should the file be prelinked. */
__asm__(".pushsection .stapsdt.base, \"aG\", \"progbits\", .stapsdt.base, comdat\n"
        ".weak _.stapsdt.base\n"
        ".hidden _.stapsdt.base\n"
        "_.stapsdt.base: .space 1\n"
        ".size _.stapsdt.base, 1\n"
        ".popsection\n");

EACH_PROBE(DEFINE_PROBE)

#else
typedef int no_probes_on_this_machine;
#endif
