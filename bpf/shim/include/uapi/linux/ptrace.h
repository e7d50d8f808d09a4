/* struct pt_regs as the kernel's BPF context has it. */
#ifndef SRR_SHIM_PTRACE_H
#define SRR_SHIM_PTRACE_H
#if defined __x86_64__ || defined __TARGET_ARCH_x86
struct pt_regs {
    unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, cs, flags, sp, ss;
};
#elif defined __aarch64__ || defined __TARGET_ARCH_arm64
struct user_pt_regs {
    unsigned long long regs[31], sp, pc, pstate;
};
struct pt_regs {
    unsigned long long regs[31], sp, pc, pstate;
};
#else
#error "srr-trace: probes are read on x86-64 and aarch64"
#endif
#endif
