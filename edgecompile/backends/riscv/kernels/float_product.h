/* Convolutions and matrix products of floats, channels last. */

/* ---- channels_f32 needs product_shape, clamp_float ---- */
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
        for (int32_t column = 0; column < s->columns; column += 2) {
            /* Two pixels and eight outputs share their loads; the last pixel may be both. */
            const int32_t more = column + 1 < s->columns ? 1 : 0;
            const float *p0 = left + column * s->column_step, *p1 = p0 + more * s->column_step;
            float *out0 = out + column * s->output_step, *out1 = out0 + more * s->output_step;
            for (int32_t first = 0; first < s->outputs;) {
                const int32_t together = first + 8 <= s->outputs ? 8 : 1;
                const float *w = weights + first;
                float sums0[8], sums1[8];
                if (together == 8) {
                    for (int32_t o = 0; o < 8; o++)
                        sums0[o] = sums1[o] = bias[first + o];
                    for (int32_t run = 0; run < s->runs; run++) {
                        const int32_t start = offsets[run];
                        for (int32_t i = start; i < start + s->length; i++, w += s->outputs) {
                            const float left0 = p0[i], left1 = p1[i];
#pragma GCC unroll 8
                            for (int32_t o = 0; o < 8; o++) {
                                sums0[o] += left0 * w[o];
                                sums1[o] += left1 * w[o];
                            }
                        }
                    }
                } else {
                    sums0[0] = sums1[0] = bias[first];
                    for (int32_t run = 0; run < s->runs; run++) {
                        const int32_t start = offsets[run];
                        for (int32_t i = start; i < start + s->length; i++, w += s->outputs) {
                            sums0[0] += p0[i] * *w;
                            sums1[0] += p1[i] * *w;
                        }
                    }
                }
                for (int32_t o = 0; o < together; o++, first++) {
                    out0[first] = clamp_float(sums0[o], low, high);
                    out1[first] = clamp_float(sums1[o], low, high);
                }
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
