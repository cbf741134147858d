/* What a compiler may call for copies and fills, even without a C library. */

void *memcpy(void *to, const void *from, unsigned long bytes) {
    char *target = to;
    const char *source = from;
    while (bytes--) *target++ = *source++;
    return to;
}

void *memmove(void *to, const void *from, unsigned long bytes) {
    char *target = to;
    const char *source = from;
    if (target < source) return memcpy(to, from, bytes);
    while (bytes--) target[bytes] = source[bytes];
    return to;
}

void *memset(void *to, int value, unsigned long bytes) {
    char *target = to;
    while (bytes--) *target++ = (char)value;
    return to;
}
