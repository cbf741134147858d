/* Convolutions and matrix products of 8-bit integers: NHWC activations, zero points in the bias. */

/* ---- product_shape ---- */
/* A window slides over rows and columns. It reads `runs` runs of `length` numbers that lie
   together, each at an offset of its own from the window's first number. */
struct product {
    int32_t rows, columns, row_step, column_step;
    int32_t runs, length, outputs, output_step;
};

/* ---- channels_s8 needs product_shape, requantize_vectors ---- */
/* Vectors run over output channels, three pixels share each load of the weights
   (weights: run, number in the run, output channel). */
#if defined(__riscv_vector)
static inline void store_channels(vint32m8_t sum, const struct requantization *q, int32_t first,
                                  int8_t *y, size_t n)
{
    const vfloat32m8_t scale = __riscv_vle32_v_f32m8(q->scale + first, n);
    const vfloat32m8_t value = __riscv_vfmul_vv_f32m8(__riscv_vfcvt_f_x_v_f32m8(sum, n), scale, n);
    __riscv_vse8_v_i8m2(y, narrow_m8(value, q, n), n);
}
#endif

static void channels_s8(const int8_t *x, const int8_t *weights, const int32_t *offsets, int8_t *y,
                        const struct product *s, const struct requantization *q)
{
#if defined(__riscv_vector)
    size_t n;
    for (int32_t first = 0; first < s->outputs; first += (int32_t)n) {
        n = __riscv_vsetvl_e32m8((size_t)(s->outputs - first));
        const vint32m8_t bias = __riscv_vle32_v_i32m8(q->bias + first, n);
        for (int32_t row = 0; row < s->rows; row++) {
            const int8_t *left = x + row * s->row_step;
            int8_t *out = y + row * s->columns * s->output_step + first;
            int32_t column = 0;
            for (; column + 3 <= s->columns; column += 3) {
                vint32m8_t sum0 = bias, sum1 = bias, sum2 = bias;
                const int8_t *w = weights + first;
                for (int32_t run = 0; run < s->runs; run++) {
                    const int8_t *x0 = left + offsets[run];
                    const int8_t *x1 = x0 + s->column_step, *x2 = x1 + s->column_step;
#pragma GCC unroll 4
                    for (int32_t i = 0; i < s->length; i++, w += s->outputs) {
                        const vint16m4_t wide =
                            __riscv_vsext_vf2_i16m4(__riscv_vle8_v_i8m2(w, n), n);
                        sum0 = __riscv_vwmacc_vx_i32m8(sum0, x0[i], wide, n);
                        sum1 = __riscv_vwmacc_vx_i32m8(sum1, x1[i], wide, n);
                        sum2 = __riscv_vwmacc_vx_i32m8(sum2, x2[i], wide, n);
                    }
                }
                store_channels(sum0, q, first, out, n);
                store_channels(sum1, q, first, out + s->output_step, n);
                store_channels(sum2, q, first, out + 2 * s->output_step, n);
                left += 3 * s->column_step;
                out += 3 * s->output_step;
            }
            for (; column < s->columns; column++) {
                vint32m8_t sum = bias;
                const int8_t *w = weights + first;
                for (int32_t run = 0; run < s->runs; run++) {
                    const int8_t *x0 = left + offsets[run];
#pragma GCC unroll 4
                    for (int32_t i = 0; i < s->length; i++, w += s->outputs)
                        sum = __riscv_vwmacc_vx_i32m8(
                            sum, x0[i], __riscv_vsext_vf2_i16m4(__riscv_vle8_v_i8m2(w, n), n), n);
                }
                store_channels(sum, q, first, out, n);
                left += s->column_step;
                out += s->output_step;
            }
        }
    }
#else
    for (int32_t row = 0; row < s->rows; row++)
        for (int32_t column = 0; column < s->columns; column++) {
            const int8_t *left = x + row * s->row_step + column * s->column_step;
            int8_t *out = y + (row * s->columns + column) * s->output_step;
            for (int32_t output = 0; output < s->outputs; output++) {
                int32_t sum = q->bias[output];
                const int8_t *w = weights + output;
                for (int32_t run = 0; run < s->runs; run++)
                    for (int32_t i = 0; i < s->length; i++, w += s->outputs)
                        sum += left[offsets[run] + i] * *w;
                out[output] = requantize(sum, q->scale[output], q);
            }
        }
#endif
}

/* ---- planes_shape ---- */
/* The image is stored one channel after the other. `positions` run through all rows of `pitch`
   numbers; the first `columns` of a row are pixels of the result. */
struct planes {
    int32_t positions, pitch, columns, plane;
    int32_t taps, channels, outputs, output_step;
};

/* ---- pixels_s8 needs planes_shape, requantize_vectors ---- */
/* Vectors run over pixels, three output channels share each load of the image
   (weights: three output channels, tap, input channel, output channel of the three). */
#if defined(__riscv_vector)
static inline void store_pixels(vint32m8_t sum, vbool4_t is_pixel, const struct requantization *q,
                                int32_t output, int8_t *y, int32_t step, size_t n, size_t pixels)
{
    const vfloat32m8_t value =
        __riscv_vfmul_vf_f32m8(__riscv_vfcvt_f_x_v_f32m8(sum, n), q->scale[output], n);
    const vint8m2_t dense = __riscv_vcompress_vm_i8m2(narrow_m8(value, q, n), is_pixel, n);
    __riscv_vsse8_v_i8m2(y + output, step, dense, pixels);
}
#endif

static void pixels_s8(const int8_t *x, const int8_t *weights, const int32_t *offsets, int8_t *y,
                      const struct planes *s, const struct requantization *q)
{
#if defined(__riscv_vector)
    size_t n;
    for (int32_t first = 0; first < s->positions; first += (int32_t)n) {
        n = __riscv_vsetvl_e32m8((size_t)(s->positions - first));
        vuint16m4_t place = __riscv_vid_v_u16m4(n);
        place = __riscv_vadd_vx_u16m4(place, (uint16_t)(first % s->pitch), n);
        place = __riscv_vremu_vx_u16m4(place, (uint16_t)s->pitch, n);
        const vbool4_t is_pixel = __riscv_vmsltu_vx_u16m4_b4(place, (uint16_t)s->columns, n);
        const size_t pixels = __riscv_vcpop_m_b4(is_pixel, n);
        const int8_t *w = weights;
        int32_t output = 0;
        for (; output + 3 <= s->outputs; output += 3) {
            vint32m8_t sum0 = __riscv_vmv_v_x_i32m8(q->bias[output], n);
            vint32m8_t sum1 = __riscv_vmv_v_x_i32m8(q->bias[output + 1], n);
            vint32m8_t sum2 = __riscv_vmv_v_x_i32m8(q->bias[output + 2], n);
            for (int32_t tap = 0; tap < s->taps; tap++) {
                const int8_t *plane = x + offsets[tap] + first;
#pragma GCC unroll 4
                for (int32_t i = 0; i < s->channels; i++, plane += s->plane, w += 3) {
                    const vint16m4_t wide =
                        __riscv_vsext_vf2_i16m4(__riscv_vle8_v_i8m2(plane, n), n);
                    sum0 = __riscv_vwmacc_vx_i32m8(sum0, w[0], wide, n);
                    sum1 = __riscv_vwmacc_vx_i32m8(sum1, w[1], wide, n);
                    sum2 = __riscv_vwmacc_vx_i32m8(sum2, w[2], wide, n);
                }
            }
            store_pixels(sum0, is_pixel, q, output, y, s->output_step, n, pixels);
            store_pixels(sum1, is_pixel, q, output + 1, y, s->output_step, n, pixels);
            store_pixels(sum2, is_pixel, q, output + 2, y, s->output_step, n, pixels);
        }
        for (; output < s->outputs; output++) {
            vint32m8_t sum = __riscv_vmv_v_x_i32m8(q->bias[output], n);
            for (int32_t tap = 0; tap < s->taps; tap++) {
                const int8_t *plane = x + offsets[tap] + first;
#pragma GCC unroll 4
                for (int32_t i = 0; i < s->channels; i++, plane += s->plane, w++)
                    sum = __riscv_vwmacc_vx_i32m8(
                        sum, w[0], __riscv_vsext_vf2_i16m4(__riscv_vle8_v_i8m2(plane, n), n), n);
            }
            store_pixels(sum, is_pixel, q, output, y, s->output_step, n, pixels);
        }
        y += (int32_t)pixels * s->output_step;
    }
#else
    for (int32_t at = 0; at < s->positions; at++) {
        if (at % s->pitch >= s->columns)
            continue;
        const int8_t *w = weights;
        for (int32_t output = 0; output < s->outputs; output++) {
            const int32_t together = output / 3 * 3 + 3 <= s->outputs ? 3 : 1;
            int32_t sum = q->bias[output];
            for (int32_t tap = 0; tap < s->taps; tap++)
                for (int32_t i = 0; i < s->channels; i++)
                    sum += x[offsets[tap] + at + i * s->plane]
                           * w[(tap * s->channels + i) * together];
            y[output] = requantize(sum, q->scale[output], q);
            /* On to the next of the three; behind the last one to the next three. */
            w += together == 3 && output % 3 < 2 ? 1
                 : together == 3                 ? 3 * s->taps * s->channels - 2
                                                 : s->taps * s->channels;
        }
        y += s->output_step;
    }
#endif
}

/* ---- depthwise_s8 needs product_shape, requantize_vectors ---- */
/* One window for each channel; vectors run over channels (weights: tap, channel). */
static void depthwise_s8(const int8_t *x, const int8_t *weights, const int32_t *offsets, int8_t *y,
                         const struct product *s, const struct requantization *q)
{
    for (int32_t row = 0; row < s->rows; row++)
        for (int32_t column = 0; column < s->columns; column++) {
            const int8_t *corner = x + row * s->row_step + column * s->column_step;
            int8_t *out = y + (row * s->columns + column) * s->output_step;
#if defined(__riscv_vector)
            size_t n;
            for (int32_t first = 0; first < s->outputs; first += (int32_t)n) {
                n = __riscv_vsetvl_e32m8((size_t)(s->outputs - first));
                vint32m8_t sum = __riscv_vle32_v_i32m8(q->bias + first, n);
                const int8_t *w = weights + first, *left = corner + first;
                int32_t tap = 0;
                /* Weights are -127 or more: two products fit into 16 bits. */
                for (; tap + 2 <= s->runs; tap += 2, w += 2 * s->outputs) {
                    vint16m4_t pair = __riscv_vwmul_vv_i16m4(
                        __riscv_vle8_v_i8m2(left + offsets[tap], n), __riscv_vle8_v_i8m2(w, n), n);
                    pair = __riscv_vwmacc_vv_i16m4(
                        pair, __riscv_vle8_v_i8m2(left + offsets[tap + 1], n),
                        __riscv_vle8_v_i8m2(w + s->outputs, n), n);
                    sum = __riscv_vwadd_wv_i32m8(sum, pair, n);
                }
                if (tap < s->runs)
                    sum = __riscv_vwadd_wv_i32m8(
                        sum,
                        __riscv_vwmul_vv_i16m4(__riscv_vle8_v_i8m2(left + offsets[tap], n),
                                               __riscv_vle8_v_i8m2(w, n), n),
                        n);
                const vfloat32m8_t scale = __riscv_vle32_v_f32m8(q->scale + first, n);
                const vfloat32m8_t value =
                    __riscv_vfmul_vv_f32m8(__riscv_vfcvt_f_x_v_f32m8(sum, n), scale, n);
                __riscv_vse8_v_i8m2(out + first, narrow_m8(value, q, n), n);
            }
#else
            for (int32_t channel = 0; channel < s->outputs; channel++) {
                int32_t sum = q->bias[channel];
                const int8_t *w = weights + channel;
                for (int32_t tap = 0; tap < s->runs; tap++, w += s->outputs)
                    sum += corner[offsets[tap] + channel] * *w;
                out[channel] = requantize(sum, q->scale[channel], q);
            }
#endif
        }
}

/* ---- matmul_s8 needs round_even, clamp_float ---- */
/* Two activations; steps between rows and columns say how either matrix lies. */
struct matmul_s8 {
    int32_t rows, inner, columns, a_row, a_column, b_row, b_column;
    int32_t zero_a, zero_b, zero;
    float scale;
    int32_t low, high;
};

#if defined(__riscv_vector)
static inline void store_product(vint32m4_t sum, int8_t *y, const struct matmul_s8 *s, size_t n)
{
    const vfloat32m4_t value =
        __riscv_vfmul_vf_f32m4(__riscv_vfcvt_f_x_v_f32m4(sum, n), s->scale, n);
    vint16m2_t near = __riscv_vfncvt_x_f_w_i16m2(value, n);
    near = __riscv_vsadd_vx_i16m2(near, (int16_t)s->zero, n);
    near = __riscv_vmax_vx_i16m2(near, (int16_t)s->low, n);
    near = __riscv_vmin_vx_i16m2(near, (int16_t)s->high, n);
    __riscv_vse8_v_i8m1(y, __riscv_vncvt_x_x_w_i8m1(near, n), n);
}
#endif

static void matmul_s8(const int8_t *a, const int8_t *b, int8_t *y, const struct matmul_s8 *s)
{
#if defined(__riscv_vector)
    /* Vectors run over columns; four rows share each load. */
    size_t n;
    for (int32_t first = 0; first < s->columns; first += (int32_t)n) {
        n = __riscv_vsetvl_e32m4((size_t)(s->columns - first));
        for (int32_t row = 0; row < s->rows; row += 4) {
            /* Beyond the last row stands the last one again. */
            const int32_t last = s->rows - row - 1;
            const int8_t *a0 = a + row * s->a_row, *a1 = a0 + (last < 1 ? 0 : 1) * s->a_row;
            const int8_t *a2 = a0 + (last < 2 ? 0 : 2) * s->a_row;
            const int8_t *a3 = a0 + (last < 3 ? 0 : 3) * s->a_row;
            const int8_t *right = b + first * s->b_column;
            vint32m4_t sum0 = __riscv_vmv_v_x_i32m4(0, n), sum1 = sum0, sum2 = sum0, sum3 = sum0;
#pragma GCC unroll 2
            for (int32_t i = 0, at = 0; i < s->inner; i++, at += s->a_column, right += s->b_row) {
                const vint8m1_t narrow = s->b_column == 1
                                             ? __riscv_vle8_v_i8m1(right, n)
                                             : __riscv_vlse8_v_i8m1(right, s->b_column, n);
                const vint16m2_t wide = __riscv_vsub_vx_i16m2(
                    __riscv_vsext_vf2_i16m2(narrow, n), (int16_t)s->zero_b, n);
                sum0 = __riscv_vwmacc_vx_i32m4(sum0, (int16_t)(a0[at] - s->zero_a), wide, n);
                sum1 = __riscv_vwmacc_vx_i32m4(sum1, (int16_t)(a1[at] - s->zero_a), wide, n);
                sum2 = __riscv_vwmacc_vx_i32m4(sum2, (int16_t)(a2[at] - s->zero_a), wide, n);
                sum3 = __riscv_vwmacc_vx_i32m4(sum3, (int16_t)(a3[at] - s->zero_a), wide, n);
            }
            int8_t *out = y + row * s->columns + first;
            store_product(sum0, out, s, n);
            if (last >= 1)
                store_product(sum1, out + s->columns, s, n);
            if (last >= 2)
                store_product(sum2, out + 2 * s->columns, s, n);
            if (last >= 3)
                store_product(sum3, out + 3 * s->columns, s, n);
        }
    }
#else
    const float low = (float)(s->low - s->zero), high = (float)(s->high - s->zero);
    for (int32_t row = 0; row < s->rows; row++)
        for (int32_t column = 0; column < s->columns; column++) {
            const int8_t *left = a + row * s->a_row, *right = b + column * s->b_column;
            int32_t sum = 0;
            for (int32_t i = 0; i < s->inner; i++, left += s->a_column, right += s->b_row)
                sum += (*left - s->zero_a) * (*right - s->zero_b);
            const float value = clamp_float((float)sum * s->scale, low, high);
            *y++ = (int8_t)(round_even(value) + s->zero);
        }
#endif
}
