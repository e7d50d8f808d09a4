/* confine.c - see confine.h. */
#define _GNU_SOURCE
#include "confine.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64 /* x32's numbers are above all of the list */
#elif defined(__aarch64__)
#define OUR_ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define OUR_ARCH AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define OUR_ARCH AUDIT_ARCH_PPC64LE
#elif defined(__s390x__)
#define OUR_ARCH AUDIT_ARCH_S390X
#elif defined(__loongarch64)
#define OUR_ARCH AUDIT_ARCH_LOONGARCH64
#else
#error "srr-helper: name this machine's AUDIT_ARCH here"
#endif

#define FILTER_MOST 512
/* Of an argument: commands, flags and protections are of 32 bits, and the kernel looks at no more. */
#define LOW_HALF (4 * (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__))

int confine_process(void)
{
    const struct rlimit none = {0, 0};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 ||
        setrlimit(RLIMIT_CORE, &none) != 0 || setrlimit(RLIMIT_NPROC, &none) != 0 ||
        setrlimit(RLIMIT_MEMLOCK, &none) != 0 || setrlimit(RLIMIT_MSGQUEUE, &none) != 0)
        return -errno;
    return 0;
}

int confine_calls(const struct allowed *list, size_t count)
{
    struct sock_filter filter[FILTER_MOST];
    struct sock_filter load_arch = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    struct sock_filter load_number = BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_filter kill = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    unsigned short n = 0;
    if (count > (FILTER_MOST - 4) / 5)
        return -E2BIG;
    filter[n++] = load_arch;
    filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OUR_ARCH, 1, 0);
    filter[n++] = kill;
    for (const struct allowed *a = list; a < list + count; a++) {
        filter[n++] = load_number;
        if (a->argument < 0) {
            filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)a->number, 0, 1);
        } else {
            uint32_t at = (uint32_t)(offsetof(struct seccomp_data, args) + 8 * (size_t)a->argument);
            filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)a->number, 0, 3);
            filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at + LOW_HALF);
            filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, a->value, 0, 1);
        }
        filter[n++] = allow;
    }
    filter[n++] = kill;
    const struct sock_fprog program = {.len = n, .filter = filter};
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0 ? 0 : -errno;
}
