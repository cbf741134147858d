/* Products of 8-bit integers for cores without vectors. */

/* ---- window_shape ---- */
/* A window of a convolution over an image of `step` numbers per pixel, of which it reads `length`
   beginning at the image's pointer. Outside of the image lies `zero`. */
struct window {
    int32_t height, width, step, length;
    int32_t rows, columns, outputs, output_step;
    int32_t kernel_height, kernel_width, stride_y, stride_x, dilation_y, dilation_x, top, left;
    int32_t zero;
};

/* ---- patch needs window_shape ---- */
/* Four pixels of the result: where their windows begin in the image, and their own places. Beyond
   the last pixel stands the last one again. */
struct quartet {
    int32_t row[4], column[4];
    int8_t *out[4];
};

static void find_quartet(struct quartet *four, const struct window *s, int32_t pixel, int8_t *y)
{
    const int32_t last = s->rows * s->columns - 1;
    for (int32_t i = 0; i < 4; i++) {
        const int32_t at = pixel + i < last ? pixel + i : last;
        four->row[i] = at / s->columns * s->stride_y - s->top;
        four->column[i] = at % s->columns * s->stride_x - s->left;
        four->out[i] = y + at * s->output_step;
    }
}

/* The numbers of one tap of a window, or NULL outside of the image. */
static inline const int8_t *patch(const int8_t *x, const struct window *s, int32_t row,
                                  int32_t column)
{
    if (row < 0 || row >= s->height || column < 0 || column >= s->width)
        return NULL;
    return x + (row * s->width + column) * s->step;
}

/* ---- packed_s8 needs patch, requantize ---- */
/* Two sums in one 64-bit register: (a + b * 2^32) * w = a * w + (b * w) * 2^32, and what the lower
   sum borrows from the upper one is given back in the end. One multiplication is two. The patches
   of four pixels lie side by side in `columns`; weights: four outputs (then one), number. */
typedef uint64_t packed_type __attribute__((__may_alias__));

static inline uint64_t pack(int32_t low, int32_t high)
{
    return (uint64_t)(int64_t)low + ((uint64_t)(int64_t)high << 32);
}

__attribute__((__noinline__)) static void pack_patches(const int8_t *x, packed_type *columns,
                                                        const struct window *s,
                                                        const struct quartet *four)
{
    const int8_t zero = (int8_t)s->zero;
    for (int32_t ky = 0; ky < s->kernel_height; ky++)
        for (int32_t kx = 0; kx < s->kernel_width; kx++) {
            const int32_t down = ky * s->dilation_y, right = kx * s->dilation_x;
            const int8_t *a = patch(x, s, four->row[0] + down, four->column[0] + right);
            const int8_t *b = patch(x, s, four->row[1] + down, four->column[1] + right);
            const int8_t *c = patch(x, s, four->row[2] + down, four->column[2] + right);
            const int8_t *d = patch(x, s, four->row[3] + down, four->column[3] + right);
            if (a != NULL && b != NULL && c != NULL && d != NULL) {
#pragma GCC unroll 2
                for (int32_t i = 0; i < s->length; i++, columns += 2) {
                    columns[0] = pack(a[i], b[i]);
                    columns[1] = pack(c[i], d[i]);
                }
            } else {
                for (int32_t i = 0; i < s->length; i++, columns += 2) {
                    columns[0] = pack(a ? a[i] : zero, b ? b[i] : zero);
                    columns[1] = pack(c ? c[i] : zero, d ? d[i] : zero);
                }
            }
        }
}

static inline void store_packed(uint64_t low, uint64_t high, int32_t output,
                                const struct quartet *four, const struct requantization *q)
{
    const int32_t a = (int32_t)(uint32_t)low, c = (int32_t)(uint32_t)high;
    const int32_t b = (int32_t)(uint32_t)((low - (uint64_t)(int64_t)a) >> 32);
    const int32_t d = (int32_t)(uint32_t)((high - (uint64_t)(int64_t)c) >> 32);
    const float scale = q->scale[output];
    four->out[0][output] = requantize(a, scale, q);
    four->out[1][output] = requantize(b, scale, q);
    four->out[2][output] = requantize(c, scale, q);
    four->out[3][output] = requantize(d, scale, q);
}

/* The inner loop by itself, so that its sums stay in registers. Returns the next weights. */
__attribute__((__noinline__)) static const int8_t *multiply_packed(const packed_type *c,
                                                                   const packed_type *end,
                                                                   const int8_t *w,
                                                                   const int32_t *bias,
                                                                   uint64_t *sums)
{
    uint64_t a0 = pack(bias[0], bias[0]), a1 = pack(bias[1], bias[1]);
    uint64_t a2 = pack(bias[2], bias[2]), a3 = pack(bias[3], bias[3]);
    uint64_t b0 = a0, b1 = a1, b2 = a2, b3 = a3;
#pragma GCC unroll 1 /* unrolled, clang adds up products of several turns, in memory */
    for (; c < end; c += 2, w += 4) {
        const uint64_t left = c[0], right = c[1];
        const uint64_t w0 = (uint64_t)(int64_t)w[0], w1 = (uint64_t)(int64_t)w[1];
        const uint64_t w2 = (uint64_t)(int64_t)w[2], w3 = (uint64_t)(int64_t)w[3];
        a0 += left * w0;
        b0 += right * w0;
        a1 += left * w1;
        b1 += right * w1;
        a2 += left * w2;
        b2 += right * w2;
        a3 += left * w3;
        b3 += right * w3;
    }
    sums[0] = a0, sums[1] = b0, sums[2] = a1, sums[3] = b1;
    sums[4] = a2, sums[5] = b2, sums[6] = a3, sums[7] = b3;
    return w;
}

static void packed_s8(const int8_t *x, const int8_t *weights, int8_t *y, packed_type *columns,
                      const struct window *s, const struct requantization *q)
{
    const int32_t count = s->kernel_height * s->kernel_width * s->length;
    struct quartet four;
    for (int32_t pixel = 0; pixel < s->rows * s->columns; pixel += 4) {
        find_quartet(&four, s, pixel, y);
        pack_patches(x, columns, s, &four);
        const int8_t *w = weights;
        const packed_type *const end = columns + 2 * count;
        int32_t output = 0;
        for (; output + 4 <= s->outputs; output += 4) {
            uint64_t sums[8];
            w = multiply_packed(columns, end, w, q->bias + output, sums);
#pragma GCC unroll 4
            for (int32_t i = 0; i < 4; i++)
                store_packed(sums[2 * i], sums[2 * i + 1], output + i, &four, q);
        }
        for (; output < s->outputs; output++) {
            uint64_t a = pack(q->bias[output], q->bias[output]), b = a;
#pragma GCC unroll 4
            for (const packed_type *c = columns; c < end; c += 2, w++) {
                const uint64_t weight = (uint64_t)(int64_t)*w;
                a += c[0] * weight;
                b += c[1] * weight;
            }
            store_packed(a, b, output, &four, q);
        }
    }
}

/* ---- blocked_s8 needs patch, requantize ---- */
/* Four pixels and two outputs share their loads. The patches of four pixels lie side by side in
   `columns`; weights: two outputs (then one), number. */
static void gather_patches(const int8_t *x, int8_t *columns, const struct window *s,
                           const struct quartet *four)
{
    for (int32_t ky = 0; ky < s->kernel_height; ky++)
        for (int32_t kx = 0; kx < s->kernel_width; kx++) {
            const int32_t down = ky * s->dilation_y, right = kx * s->dilation_x;
            for (int32_t p = 0; p < 4; p++) {
                const int8_t *a = patch(x, s, four->row[p] + down, four->column[p] + right);
                if (a != NULL)
                    for (int32_t i = 0; i < s->length; i++)
                        columns[i * 4 + p] = a[i];
                else
                    for (int32_t i = 0; i < s->length; i++)
                        columns[i * 4 + p] = (int8_t)s->zero;
            }
            columns += 4 * s->length;
        }
}

/* The inner loop by itself, so that its sums stay in registers. Returns the next weights. */
__attribute__((__noinline__)) static const int8_t *multiply_blocked(const int8_t *c,
                                                                    const int8_t *end,
                                                                    const int8_t *w,
                                                                    const int32_t *bias,
                                                                    int32_t *sums)
{
    int32_t a0 = bias[0], a1 = a0, a2 = a0, a3 = a0;
    int32_t b0 = bias[1], b1 = b0, b2 = b0, b3 = b0;
#pragma GCC unroll 1
    for (; c < end; c += 4, w += 2) {
        const int32_t x0 = c[0], x1 = c[1], x2 = c[2], x3 = c[3];
        const int32_t first = w[0], second = w[1];
        a0 += x0 * first;
        a1 += x1 * first;
        a2 += x2 * first;
        a3 += x3 * first;
        b0 += x0 * second;
        b1 += x1 * second;
        b2 += x2 * second;
        b3 += x3 * second;
    }
    sums[0] = a0, sums[1] = a1, sums[2] = a2, sums[3] = a3;
    sums[4] = b0, sums[5] = b1, sums[6] = b2, sums[7] = b3;
    return w;
}

static void blocked_s8(const int8_t *x, const int8_t *weights, int8_t *y, int8_t *columns,
                       const struct window *s, const struct requantization *q)
{
    const int32_t count = s->kernel_height * s->kernel_width * s->length;
    struct quartet four;
    for (int32_t pixel = 0; pixel < s->rows * s->columns; pixel += 4) {
        find_quartet(&four, s, pixel, y);
        gather_patches(x, columns, s, &four);
        const int8_t *w = weights, *const end = columns + 4 * count;
        for (int32_t output = 0; output < s->outputs;) {
            int32_t sums[8];
            const int32_t together = output + 2 <= s->outputs ? 2 : 1;
            if (together == 2) {
                w = multiply_blocked(columns, end, w, q->bias + output, sums);
            } else {
                for (int32_t p = 0; p < 4; p++)
                    sums[p] = q->bias[output];
                for (const int8_t *c = columns; c < end; c += 4, w++)
                    for (int32_t p = 0; p < 4; p++)
                        sums[p] += *w * c[p];
            }
            for (int32_t o = 0; o < together; o++, output++)
                for (int32_t p = 0; p < 4; p++)
                    four.out[p][output] = requantize(sums[o * 4 + p], q->scale[output], q);
        }
    }
}

/* ---- dense_s8 needs requantize ---- */
/* One row times a matrix (weights: four outputs (then one), number). */
static void dense_s8(const int8_t *x, const int8_t *w, int8_t *y, int32_t count, int32_t outputs,
                     const struct requantization *q)
{
    int32_t output = 0;
    for (; output + 4 <= outputs; output += 4) {
        int32_t sums[4];
#pragma GCC unroll 4
        for (int32_t i = 0; i < 4; i++)
            sums[i] = q->bias[output + i];
#pragma GCC unroll 4
        for (int32_t k = 0; k < count; k++, w += 4) {
            const int32_t value = x[k];
#pragma GCC unroll 4
            for (int32_t i = 0; i < 4; i++)
                sums[i] += value * w[i];
        }
#pragma GCC unroll 4
        for (int32_t i = 0; i < 4; i++)
            y[output + i] = requantize(sums[i], q->scale[output + i], q);
    }
    for (; output < outputs; output++) {
        int32_t sum = q->bias[output];
#pragma GCC unroll 4
        for (int32_t k = 0; k < count; k++)
            sum += x[k] * w[k];
        w += count;
        y[output] = requantize(sum, q->scale[output], q);
    }
}

/* ---- depthwise_blocked_s8 needs product_shape, requantize ---- */
/* One window for each channel; four pixels of a row share the weights (weights: channel, tap). */
static void depthwise_blocked_s8(const int8_t *x, const int8_t *weights, const int32_t *offsets,
                                 int8_t *y, const struct product *s,
                                 const struct requantization *q)
{
    const int32_t step = s->column_step;
    for (int32_t channel = 0; channel < s->outputs; channel++, weights += s->runs)
        for (int32_t row = 0; row < s->rows; row++) {
            const int8_t *left = x + row * s->row_step + channel;
            int8_t *out = y + row * s->columns * s->output_step + channel;
            const int32_t bias = q->bias[channel];
            const float scale = q->scale[channel];
            int32_t column = 0;
            for (; column + 4 <= s->columns; column += 4) {
                int32_t sum0 = bias, sum1 = bias, sum2 = bias, sum3 = bias;
                for (int32_t tap = 0; tap < s->runs; tap++) {
                    const int8_t *at = left + offsets[tap];
                    const int32_t weight = weights[tap];
                    sum0 += at[0] * weight;
                    sum1 += at[step] * weight;
                    sum2 += at[2 * step] * weight;
                    sum3 += at[3 * step] * weight;
                }
                out[0] = requantize(sum0, scale, q);
                out[s->output_step] = requantize(sum1, scale, q);
                out[2 * s->output_step] = requantize(sum2, scale, q);
                out[3 * s->output_step] = requantize(sum3, scale, q);
                left += 4 * step;
                out += 4 * s->output_step;
            }
            for (; column < s->columns; column++) {
                int32_t sum = bias;
                for (int32_t tap = 0; tap < s->runs; tap++)
                    sum += left[offsets[tap]] * weights[tap];
                *out = requantize(sum, scale, q);
                left += step;
                out += s->output_step;
            }
        }
}
