/* The runner as a Linux program without a C library: samples on stdin, outputs on stdout. */
#include "platform.h"

enum { SYS_READ = 63, SYS_WRITE = 64, SYS_EXIT = 93 }; /* asm-generic/unistd.h */

__asm__(
    ".pushsection .bss\n.balign 16\n.globl stack_low, stack_high\n"
    "stack_low: .zero 1048576\nstack_high:\n.popsection\n");

static long system_call(long number, long first, const void *second, unsigned long third) {
    register long a7 __asm__("a7") = number;
    register long a0 __asm__("a0") = first;
    register const void *a1 __asm__("a1") = second;
    register unsigned long a2 __asm__("a2") = third;
    __asm__ volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2) : "memory");
    return a0;
}

unsigned long platform_read(void *to, unsigned long bytes) {
    unsigned long got = 0;
    while (got < bytes) {
        long more = system_call(SYS_READ, 0, (char *)to + got, bytes - got);
        if (more <= 0) break;
        got += (unsigned long)more;
    }
    return got;
}

static void write_all(long file, const char *from, unsigned long bytes) {
    while (bytes) {
        long written = system_call(SYS_WRITE, file, from, bytes);
        if (written <= 0) platform_exit(74);
        from += written;
        bytes -= (unsigned long)written;
    }
}

void platform_write(const void *from, unsigned long bytes) { write_all(1, from, bytes); }

void platform_report(const char *text, unsigned long length) { write_all(2, text, length); }

void platform_exit(int status) {
    for (;;) system_call(SYS_EXIT, status, 0, 0);
}

__attribute__((used)) static void leave(void) { platform_exit(runner_main()); }

__attribute__((naked, noreturn, used)) void _start(void) {
    __asm__ volatile(
        ".option push\n.option norelax\nla gp, __global_pointer$\n.option pop\n"
        "la sp, stack_high\ncall leave\n");
}
