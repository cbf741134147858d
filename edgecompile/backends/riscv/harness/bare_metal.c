/* The runner on a bare machine that speaks RISC-V semihosting (an emulator, or a debug probe):
 * samples from the file samples.bin, outputs into outputs.bin, both of the host. */
#include "platform.h"

/* Arm's semihosting operations, which RISC-V has taken over. */
enum { SYS_OPEN = 0x01, SYS_WRITE = 0x05, SYS_READ = 0x06, SYS_EXIT_EXTENDED = 0x20 };
enum { READ_BINARY = 1, WRITE_BINARY = 5, APPEND = 8, APPLICATION_EXIT = 0x20026 };

static long samples, outputs, report;

/* The three instructions that a debugger knows must lie in one page, uncompressed. */
__attribute__((naked, noinline, aligned(16))) static long semihost(
    __attribute__((unused)) long operation, __attribute__((unused)) const void *block) {
    __asm__ volatile(
        ".option push\n.option norvc\n"
        "slli x0, x0, 0x1f\nebreak\nsrai x0, x0, 7\n"
        ".option pop\nret\n");
}

static long open_file(const char *name, unsigned long length, long mode) {
    long block[3] = {(long)name, mode, (long)length};
    return semihost(SYS_OPEN, block);
}

unsigned long platform_read(void *to, unsigned long bytes) {
    long block[3] = {samples, (long)to, (long)bytes};
    return bytes - (unsigned long)semihost(SYS_READ, block); /* it returns what is missing */
}

static void write_file(long file, const void *from, unsigned long bytes) {
    long block[3] = {file, (long)from, (long)bytes};
    if (semihost(SYS_WRITE, block)) platform_exit(74);
}

void platform_write(const void *from, unsigned long bytes) { write_file(outputs, from, bytes); }

void platform_report(const char *text, unsigned long length) { write_file(report, text, length); }

void platform_exit(int status) {
    long block[2] = {APPLICATION_EXIT, status};
    for (;;) semihost(SYS_EXIT_EXTENDED, block);
}

__attribute__((used)) static void leave(void) {
    samples = open_file("samples.bin", 11, READ_BINARY);
    outputs = open_file("outputs.bin", 11, WRITE_BINARY);
    report = open_file(":tt", 3, APPEND);
    if (samples < 0 || outputs < 0 || report < 0) platform_exit(74);
    platform_exit(runner_main());
}

/* A fault of the program: its cause, mcause, is told as exit status 100 and above. */
__attribute__((used)) static void stop(long cause) { platform_exit(100 + (int)(cause & 15)); }

__attribute__((naked, used, aligned(4))) void trap(void) {
    __asm__ volatile("csrr a0, mcause\nla sp, stack_high\nj stop\n");
}

__attribute__((naked, noreturn, used, section(".text.start"))) void _start(void) {
    __asm__ volatile(
        ".option push\n.option norelax\nla gp, __global_pointer$\n.option pop\n"
        "la sp, stack_high\n"
        "la t0, trap\ncsrw mtvec, t0\n"
        "li t0, 0x6600\ncsrs mstatus, t0\n" /* FS and VS: floats and vectors on, where there are */
        "la t0, data_load\nla t1, data_start\nla t2, data_end\n"
        "1: bgeu t1, t2, 2f\nlb t3, 0(t0)\nsb t3, 0(t1)\naddi t0, t0, 1\naddi t1, t1, 1\nj 1b\n"
        "2: la t1, bss_start\nla t2, bss_end\n"
        "3: bgeu t1, t2, 4f\nsb zero, 0(t1)\naddi t1, t1, 1\nj 3b\n"
        "4: call leave\n");
}
