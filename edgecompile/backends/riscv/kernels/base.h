/* What every kernel stands on: rounding, clamping, copying. No libc: a compiler may still call
   memcpy and memset, which a hosted program has and a freestanding one must bring. */

/* ---- clamp_integer ---- */
__attribute__((__unused__)) /* where there is a float unit */
static inline int32_t clamp_integer(int32_t value, int32_t low, int32_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* ---- clamp_float ---- */
static inline float clamp_float(float value, float low, float high)
{
#if defined(__riscv_flen)
    float result;
    __asm__("fmax.s %0, %1, %2" : "=f"(result) : "f"(value), "f"(low));
    __asm__("fmin.s %0, %1, %2" : "=f"(result) : "f"(result), "f"(high));
    return result;
#else
    return value < low ? low : value > high ? high : value;
#endif
}

/* ---- round_even ---- */
/* The nearest integer, ties to even, of |value| < 2^22. */
static inline int32_t round_even(float value)
{
#if defined(__riscv_flen)
    int32_t result;
    __asm__("fcvt.w.s %0, %1, rne" : "=r"(result) : "f"(value));
    return result;
#else
    /* Adding 1.5 * 2^23 leaves no bits for a fraction: the sum is rounded as IEEE 754 rounds. */
    union {
        float real;
        int32_t bits;
    } sum;
    sum.real = value + 12582912.0f;
    return sum.bits - 0x4B400000;
#endif
}

/* ---- round_product needs clamp_float, round_even ---- */
/* round((float)sum * scale) without a float unit, as it would round: the product of 24-bit numbers
   is exact in 64 bits. Rounding it to a float first changes the result only next to a tie, by less
   than half a unit of the last of 24 places: those few are computed by the compiler's library. */
#if defined(MODEL_NO_FLOAT_UNIT) || (defined(__riscv) && !defined(__riscv_flen))
static int32_t round_product(int32_t sum, float scale)
{
    union {
        float real;
        uint32_t bits;
    } number;
    number.real = scale;
    const int32_t shift = 150 - (int32_t)(number.bits >> 23);
    const uint32_t size = sum < 0 ? 0U - (uint32_t)sum : (uint32_t)sum;
    if (shift >= 26 && shift <= 55 && size < (UINT32_C(1) << 24)) {
        const uint64_t product =
            (uint64_t)size * ((number.bits & UINT32_C(0x7FFFFF)) | UINT32_C(0x800000));
        const uint64_t half = UINT64_C(1) << (shift - 1);
        const uint64_t fraction = product & (2 * half - 1);
        const uint64_t away = fraction > half ? fraction - half : half - fraction;
        if (away > (UINT64_C(1) << 23)) {
            const int32_t whole = (int32_t)(product >> shift) + (fraction > half);
            return sum < 0 ? -whole : whole;
        }
    }
    return round_even(clamp_float((float)sum * scale, -4194303.0f, 4194303.0f));
}
#endif

/* ---- requantize needs round_product, clamp_integer ---- */
/* From 32-bit sums to 8-bit results: clamp(round(sum * scale) + zero), as ONNX Runtime rounds.
   One bias (zero points folded in) and one scale for each output channel. */
struct requantization {
    const int32_t *bias;
    const float *scale;
    int32_t zero, low, high;
};

__attribute__((__unused__)) /* by the kernels for vectors */
static inline int8_t requantize(int32_t sum, float scale, const struct requantization *q)
{
#if defined(MODEL_NO_FLOAT_UNIT) || (defined(__riscv) && !defined(__riscv_flen))
    return (int8_t)clamp_integer(round_product(sum, scale) + q->zero, q->low, q->high);
#else
    const float value = (float)sum * scale;
    const float near = clamp_float(value, (float)(q->low - q->zero), (float)(q->high - q->zero));
    return (int8_t)(round_even(near) + q->zero);
#endif
}

/* ---- requantize_vectors needs requantize ---- */
#if defined(__riscv_vector)
static inline vint8m2_t narrow_m8(vfloat32m8_t value, const struct requantization *q, size_t n)
{
    vint16m4_t near = __riscv_vfncvt_x_f_w_i16m4(value, n);
    near = __riscv_vsadd_vx_i16m4(near, (int16_t)q->zero, n);
    near = __riscv_vmax_vx_i16m4(near, (int16_t)q->low, n);
    near = __riscv_vmin_vx_i16m4(near, (int16_t)q->high, n);
    return __riscv_vncvt_x_x_w_i8m2(near, n);
}
#endif

/* ---- fill ---- */
static void fill(void *to, int32_t value, int32_t bytes)
{
    int8_t *y = (int8_t *)to;
#if defined(__riscv_vector)
    for (size_t n; bytes > 0; bytes -= (int32_t)n, y += n) {
        n = __riscv_vsetvl_e8m8((size_t)bytes);
        __riscv_vse8_v_i8m8(y, __riscv_vmv_v_x_i8m8((int8_t)value, n), n);
    }
#else
    for (int32_t i = 0; i < bytes; i++)
        y[i] = (int8_t)value;
#endif
}

/* ---- move ---- */
/* Moves `sizes[0] x ... x sizes[rank - 1]` elements of `bytes` each from one place to another; the
   strides of both places are in elements. All that transposes, cuts, joins or repeats. */
struct movement {
    int32_t rank, bytes;
    int32_t sizes[6], from[6], to[6];
};

/* `rows` runs of `count` elements. */
static void move_runs(const int8_t *x, int8_t *y, int32_t rows, int32_t row_from, int32_t row_to,
                      int32_t count, int32_t from, int32_t to, int32_t bytes)
{
    row_from *= bytes;
    row_to *= bytes;
    if (from == 1 && to == 1) {
        count *= bytes;
        bytes = 1;
    }
#if defined(__riscv_vector)
    from *= bytes;
    to *= bytes;
    for (int32_t done = 0; done < count;) {
        size_t n;
        const int8_t *source = x + done * from;
        int8_t *result = y + done * to;
        if (bytes == 1 && from == 1 && to == 1) {
            n = __riscv_vsetvl_e8m8((size_t)(count - done));
#pragma GCC unroll 2
            for (int32_t row = 0; row < rows; row++, source += row_from, result += row_to)
                __riscv_vse8_v_i8m8(result, __riscv_vle8_v_i8m8(source, n), n);
        } else if (bytes == 1) {
            n = __riscv_vsetvl_e8m4((size_t)(count - done));
#pragma GCC unroll 2
            for (int32_t row = 0; row < rows; row++, source += row_from, result += row_to)
                __riscv_vsse8_v_i8m4(result, to, __riscv_vlse8_v_i8m4(source, from, n), n);
        } else if (bytes == 2) {
            n = __riscv_vsetvl_e16m4((size_t)(count - done));
            for (int32_t row = 0; row < rows; row++, source += row_from, result += row_to)
                __riscv_vsse16_v_i16m4((int16_t *)(void *)result, to,
                                       __riscv_vlse16_v_i16m4((const int16_t *)(const void *)source,
                                                              from, n), n);
        } else {
            n = __riscv_vsetvl_e32m4((size_t)(count - done));
            for (int32_t row = 0; row < rows; row++, source += row_from, result += row_to)
                __riscv_vsse32_v_i32m4((int32_t *)(void *)result, to,
                                       __riscv_vlse32_v_i32m4((const int32_t *)(const void *)source,
                                                              from, n), n);
        }
        done += (int32_t)n;
    }
#else
    for (int32_t row = 0; row < rows; row++, x += row_from, y += row_to) {
        const int8_t *source = x;
        int8_t *result = y;
        if (bytes == 1) {
            for (int32_t i = 0; i < count; i++, source += from, result += to)
                *result = *source;
        } else {
            for (int32_t i = 0; i < count; i++, source += from * bytes, result += to * bytes)
                for (int32_t k = 0; k < bytes; k++)
                    result[k] = source[k];
        }
    }
#endif
}

static void move(const void *from, void *to, const struct movement *m)
{
    int32_t at[6] = {0, 0, 0, 0, 0, 0};
    const int8_t *x = (const int8_t *)from;
    int8_t *y = (int8_t *)to;
    const int32_t last = m->rank - 1, rows = last > 0 ? last - 1 : 0;
    for (;;) {
        if (last > 0)
            move_runs(x, y, m->sizes[rows], m->from[rows], m->to[rows], m->sizes[last],
                      m->from[last], m->to[last], m->bytes);
        else
            move_runs(x, y, 1, 0, 0, m->sizes[0], m->from[0], m->to[0], m->bytes);
        int32_t axis = rows - 1;
        for (; axis >= 0; axis--) {
            x += m->from[axis] * m->bytes;
            y += m->to[axis] * m->bytes;
            if (++at[axis] < m->sizes[axis])
                break;
            x -= m->from[axis] * m->bytes * at[axis];
            y -= m->to[axis] * m->bytes * at[axis];
            at[axis] = 0;
        }
        if (axis < 0)
            return;
    }
}
