/*
 * All that BCC and our programs want of the kernel's headers, so that none need be installed: BCC forces this file into
 * each compilation. Names and values are the kernel's ABI; see README.md.
 */
#ifndef SRR_SHIM_KCONFIG_H
#define SRR_SHIM_KCONFIG_H

#define CONFIG_BPF_SYSCALL 1

typedef unsigned char __u8;
typedef signed char __s8;
typedef unsigned short __u16;
typedef short __s16;
typedef unsigned int __u32;
typedef int __s32;
typedef unsigned long long __u64;
typedef long long __s64;
typedef __u8 u8, uint8_t, u_int8_t;
typedef __s8 s8, int8_t;
typedef __u16 u16, uint16_t;
typedef __s16 s16, int16_t;
typedef __u32 u32, uint32_t;
typedef __s32 s32, int32_t;
typedef __u64 u64, uint64_t;
typedef __s64 s64, int64_t;
typedef __u16 __be16, __le16, __sum16;
typedef __u32 __be32, __le32, __wsum;
typedef __u64 __be64, __le64;
typedef unsigned long size_t, uintptr_t;
typedef long ssize_t, intptr_t, loff_t;
typedef int pid_t;
typedef unsigned int uid_t, gid_t;
typedef unsigned short umode_t;
typedef _Bool bool;
#define true 1
#define false 0
#define NULL ((void *)0)
#define __aligned_u64 __u64 __attribute__((aligned(8)))

#define __user
#define __kernel
#define __force
#define __maybe_unused __attribute__((unused))
#define __always_inline inline __attribute__((always_inline))
#define noinline __attribute__((noinline))
#define __packed __attribute__((packed))
#define offsetof(type, member) __builtin_offsetof(type, member)
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))

#define PAGE_SIZE 4096
#define TASK_COMM_LEN 16
#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + (c))
#define LINUX_VERSION_CODE KERNEL_VERSION(5, 8, 0)
#define roundup_pow_of_two(n) (1UL << (64 - __builtin_clzl((n) - 1)))

#endif
