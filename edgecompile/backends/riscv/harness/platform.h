/* What the runner needs of the machine below it: linux.c and bare_metal.c have it. */
#ifndef PLATFORM_H
#define PLATFORM_H

/* Returns the bytes that were read, fewer than asked for only where the samples end. */
unsigned long platform_read(void *to, unsigned long bytes);
void platform_write(const void *from, unsigned long bytes);
/* A line for people, which is no result. */
void platform_report(const char *text, unsigned long length);
__attribute__((noreturn)) void platform_exit(int status);

/* The memory that the stack may use; it grows down from stack_high. */
extern unsigned char stack_low[], stack_high[];

/* Called by the platform's start; returns the exit status. */
int runner_main(void);

#endif
