/* Convolutions and matrix products of floats, channels last. */

/* ---- multiply_add ---- */
__attribute__((__unused__)) /* by the kernels for vectors */
static inline float multiply_add(float a, float b, float c)
{
#if defined(__riscv_flen)
    /* __builtin_fmaf would be a call of a library where -fno-builtin is given. */
    float result;
    __asm__("fmadd.s %0, %1, %2, %3" : "=f"(result) : "f"(a), "f"(b), "f"(c));
    return result;
#else
    return a * b + c;
#endif
}

/* ---- multiply_four needs multiply_add ---- */
/* Four pixels and four outputs share their loads; by itself, so that the sums stay in registers. */
#if !defined(__riscv_vector)
#define ROW(p)                                                                                     \
    s##p##0 = multiply_add(x##p, w0, s##p##0);                                                     \
    s##p##1 = multiply_add(x##p, w1, s##p##1);                                                     \
    s##p##2 = multiply_add(x##p, w2, s##p##2);                                                     \
    s##p##3 = multiply_add(x##p, w3, s##p##3)
#define LOAD(p)                                                                                    \
    float s##p##0 = sums[p * 4], s##p##1 = sums[p * 4 + 1];                                        \
    float s##p##2 = sums[p * 4 + 2], s##p##3 = sums[p * 4 + 3]
#define STORE(p)                                                                                   \
    sums[p * 4] = s##p##0, sums[p * 4 + 1] = s##p##1;                                              \
    sums[p * 4 + 2] = s##p##2, sums[p * 4 + 3] = s##p##3
__attribute__((__noinline__)) static void multiply_four(const float *const at[4], const float *w,
                                                        int32_t length, int32_t step, float *sums)
{
    const float *p0 = at[0], *p1 = at[1], *p2 = at[2], *p3 = at[3];
    LOAD(0);
    LOAD(1);
    LOAD(2);
    LOAD(3);
#pragma GCC unroll 1
    for (const float *const end = p0 + length; p0 < end; p0++, p1++, p2++, p3++, w += step) {
        const float x0 = *p0, x1 = *p1, x2 = *p2, x3 = *p3;
        const float w0 = w[0], w1 = w[1], w2 = w[2], w3 = w[3];
        ROW(0);
        ROW(1);
        ROW(2);
        ROW(3);
    }
    STORE(0);
    STORE(1);
    STORE(2);
    STORE(3);
}
#undef ROW
#undef LOAD
#undef STORE

static void multiply_one(const float *const at[4], const float *w, int32_t length, int32_t step,
                         float *sums)
{
    for (int32_t i = 0; i < length; i++, w += step)
        for (int32_t p = 0; p < 4; p++)
            sums[p * 4] = multiply_add(at[p][i], *w, sums[p * 4]);
}
#endif

/* ---- channels_f32 needs product_shape, multiply_four, clamp_float ---- */
/* Vectors run over output channels, six pixels share each load of the weights
   (weights: run, number in the run, output channel). */
static void channels_f32(const float *x, const float *weights, const int32_t *offsets, float *y,
                         const struct product *s, const float *bias, float low, float high)
{
    for (int32_t row = 0; row < s->rows; row++) {
        const float *left = x + row * s->row_step;
        float *out = y + row * s->columns * s->output_step;
#if defined(__riscv_vector)
        const int32_t step = s->column_step;
        size_t n;
        for (int32_t first = 0; first < s->outputs; first += (int32_t)n) {
            n = __riscv_vsetvl_e32m4((size_t)(s->outputs - first));
            const vfloat32m4_t start = __riscv_vle32_v_f32m4(bias + first, n);
            for (int32_t column = 0; column < s->columns; column += 6) {
                /* Of the last pixels, several may be the same one. */
                const int32_t last = s->columns - column - 1;
                const float *at = left + column * step;
                const float *p1 = at + (last < 1 ? last : 1) * step;
                const float *p2 = at + (last < 2 ? last : 2) * step;
                const float *p3 = at + (last < 3 ? last : 3) * step;
                const float *p4 = at + (last < 4 ? last : 4) * step;
                const float *p5 = at + (last < 5 ? last : 5) * step;
                vfloat32m4_t sum0 = start, sum1 = start, sum2 = start;
                vfloat32m4_t sum3 = start, sum4 = start, sum5 = start;
                const float *w = weights + first;
                for (int32_t run = 0; run < s->runs; run++) {
                    const int32_t o = offsets[run];
#pragma GCC unroll 2
                    for (int32_t i = o; i < o + s->length; i++, w += s->outputs) {
                        const vfloat32m4_t wide = __riscv_vle32_v_f32m4(w, n);
                        sum0 = __riscv_vfmacc_vf_f32m4(sum0, at[i], wide, n);
                        sum1 = __riscv_vfmacc_vf_f32m4(sum1, p1[i], wide, n);
                        sum2 = __riscv_vfmacc_vf_f32m4(sum2, p2[i], wide, n);
                        sum3 = __riscv_vfmacc_vf_f32m4(sum3, p3[i], wide, n);
                        sum4 = __riscv_vfmacc_vf_f32m4(sum4, p4[i], wide, n);
                        sum5 = __riscv_vfmacc_vf_f32m4(sum5, p5[i], wide, n);
                    }
                }
#define STORE(number, sum)                                                                         \
    if (last >= number)                                                                            \
        __riscv_vse32_v_f32m4(                                                                     \
            out + (column + number) * s->output_step + first,                                      \
            __riscv_vfmin_vf_f32m4(__riscv_vfmax_vf_f32m4(sum, low, n), high, n), n);
                STORE(0, sum0)
                STORE(1, sum1)
                STORE(2, sum2)
                STORE(3, sum3)
                STORE(4, sum4)
                STORE(5, sum5)
#undef STORE
            }
        }
#else
        for (int32_t column = 0; column < s->columns; column += 4) {
            /* Beyond the last pixel stands the last one again. */
            const float *at[4];
            float *to[4];
            for (int32_t p = 0; p < 4; p++) {
                const int32_t pixel = column + p < s->columns ? column + p : s->columns - 1;
                at[p] = left + pixel * s->column_step;
                to[p] = out + pixel * s->output_step;
            }
            for (int32_t first = 0; first < s->outputs;) {
                const float *w = weights + first;
                float sums[16];
                const int32_t together = first + 4 <= s->outputs ? 4 : 1;
                for (int32_t i = 0; i < 16; i++)
                    sums[i] = bias[together == 4 ? first + i % 4 : first];
                for (int32_t run = 0; run < s->runs; run++) {
                    const float *starts[4];
                    for (int32_t p = 0; p < 4; p++)
                        starts[p] = at[p] + offsets[run];
                    if (together == 4)
                        multiply_four(starts, w, s->length, s->outputs, sums);
                    else
                        multiply_one(starts, w, s->length, s->outputs, sums);
                    w += s->length * s->outputs;
                }
                for (int32_t o = 0; o < together; o++, first++)
                    for (int32_t p = 0; p < 4; p++)
                        to[p][first] = clamp_float(sums[p * 4 + o], low, high);
            }
        }
#endif
    }
}

/* ---- depthwise_f32 needs product_shape, clamp_float ---- */
/* One window for each channel (weights: tap, channel). */
static void depthwise_f32(const float *x, const float *weights, const int32_t *offsets, float *y,
                          const struct product *s, const float *bias, float low, float high)
{
    for (int32_t row = 0; row < s->rows; row++)
        for (int32_t column = 0; column < s->columns; column++) {
            const float *left = x + row * s->row_step + column * s->column_step;
            float *out = y + (row * s->columns + column) * s->output_step;
#if defined(__riscv_vector)
            size_t n;
            for (int32_t first = 0; first < s->outputs; first += (int32_t)n) {
                n = __riscv_vsetvl_e32m8((size_t)(s->outputs - first));
                vfloat32m8_t sum = __riscv_vle32_v_f32m8(bias + first, n);
                const float *w = weights + first;
                for (int32_t tap = 0; tap < s->runs; tap++, w += s->outputs)
                    sum = __riscv_vfmacc_vv_f32m8(
                        sum, __riscv_vle32_v_f32m8(left + offsets[tap] + first, n),
                        __riscv_vle32_v_f32m8(w, n), n);
                sum = __riscv_vfmin_vf_f32m8(__riscv_vfmax_vf_f32m8(sum, low, n), high, n);
                __riscv_vse32_v_f32m8(out + first, sum, n);
            }
#else
            for (int32_t channel = 0; channel < s->outputs; channel++) {
                float sum = bias[channel];
                const float *w = weights + channel;
                for (int32_t tap = 0; tap < s->runs; tap++, w += s->outputs)
                    sum += left[offsets[tap] + channel] * *w;
                out[channel] = clamp_float(sum, low, high);
            }
#endif
        }
}

/* ---- depthwise_blocked_f32 needs product_shape, multiply_add, clamp_float ---- */
/* One window for each channel; four pixels of a row share the weights (weights: channel, tap). */
static void depthwise_blocked_f32(const float *x, const float *weights, const int32_t *offsets,
                                  float *y, const struct product *s, const float *bias, float low,
                                  float high)
{
    const int32_t step = s->column_step;
    for (int32_t channel = 0; channel < s->outputs; channel++, weights += s->runs)
        for (int32_t row = 0; row < s->rows; row++) {
            const float *left = x + row * s->row_step + channel;
            float *out = y + row * s->columns * s->output_step + channel;
            int32_t column = 0;
            for (; column + 4 <= s->columns; column += 4) {
                float sum0 = bias[channel], sum1 = sum0, sum2 = sum0, sum3 = sum0;
                for (int32_t tap = 0; tap < s->runs; tap++) {
                    const float *at = left + offsets[tap];
                    const float weight = weights[tap];
                    sum0 = multiply_add(at[0], weight, sum0);
                    sum1 = multiply_add(at[step], weight, sum1);
                    sum2 = multiply_add(at[2 * step], weight, sum2);
                    sum3 = multiply_add(at[3 * step], weight, sum3);
                }
                out[0] = clamp_float(sum0, low, high);
                out[s->output_step] = clamp_float(sum1, low, high);
                out[2 * s->output_step] = clamp_float(sum2, low, high);
                out[3 * s->output_step] = clamp_float(sum3, low, high);
                left += 4 * step;
                out += 4 * s->output_step;
            }
            for (; column < s->columns; column++) {
                float sum = bias[channel];
                for (int32_t tap = 0; tap < s->runs; tap++)
                    sum = multiply_add(left[offsets[tap]], weights[tap], sum);
                *out = clamp_float(sum, low, high);
                left += step;
                out += s->output_step;
            }
        }
}

/* ---- matmul_f32 needs clamp_float ---- */
/* Two activations; steps between rows and columns say how either matrix lies. */
struct matmul_f32 {
    int32_t rows, inner, columns, a_row, a_column, b_row, b_column;
    float low, high;
};

static void matmul_f32(const float *a, const float *b, float *y, const struct matmul_f32 *s)
{
    for (int32_t row = 0; row < s->rows; row++)
        for (int32_t column = 0; column < s->columns; column++) {
            const float *left = a + row * s->a_row, *right = b + column * s->b_column;
            float sum = 0.0f;
            for (int32_t i = 0; i < s->inner; i++, left += s->a_column, right += s->b_row)
                sum += *left * *right;
            *y++ = clamp_float(sum, s->low, s->high);
        }
}
