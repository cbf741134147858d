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
/* Where tap (ky, kx) of the window of a pixel of the result lies, or NULL outside of the image. */
static inline const int8_t *patch(const int8_t *x, const struct window *s, int32_t pixel,
                                  int32_t ky, int32_t kx)
{
    const int32_t row = pixel / s->columns * s->stride_y - s->top + ky * s->dilation_y;
    const int32_t column = pixel % s->columns * s->stride_x - s->left + kx * s->dilation_x;
    if (row < 0 || row >= s->height || column < 0 || column >= s->width)
        return NULL;
    return x + (row * s->width + column) * s->step;
}

/* ---- packed_s8 needs patch, requantize ---- */
/* Two sums in one 64-bit register: (a + b * 2^32) * w = a * w + (b * w) * 2^32, and what the lower
   sum borrows from the upper one is given back in the end. One multiplication is two. The patches
   of four pixels lie side by side in `columns`; weights: eight outputs (then one), number. */
typedef uint64_t packed_type __attribute__((__may_alias__));

static inline uint64_t pack(int32_t low, int32_t high)
{
    return (uint64_t)(int64_t)low + ((uint64_t)(int64_t)high << 32);
}

static void pack_patches(const int8_t *x, packed_type *columns, const struct window *s,
                         const int32_t pixels[4])
{
    const int8_t zero = (int8_t)s->zero;
    for (int32_t ky = 0; ky < s->kernel_height; ky++)
        for (int32_t kx = 0; kx < s->kernel_width; kx++) {
            const int8_t *a = patch(x, s, pixels[0], ky, kx), *b = patch(x, s, pixels[1], ky, kx);
            const int8_t *c = patch(x, s, pixels[2], ky, kx), *d = patch(x, s, pixels[3], ky, kx);
            if (a != NULL && b != NULL && c != NULL && d != NULL) {
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

static inline void store_packed(uint64_t low, uint64_t high, int32_t output, int8_t *y[4],
                                const struct requantization *q)
{
    const int32_t a = (int32_t)(uint32_t)low, c = (int32_t)(uint32_t)high;
    const int32_t b = (int32_t)(uint32_t)((low - (uint64_t)(int64_t)a) >> 32);
    const int32_t d = (int32_t)(uint32_t)((high - (uint64_t)(int64_t)c) >> 32);
    const float scale = q->scale[output];
    /* The last pixel may stand for several: it is written last. */
    y[3][output] = requantize(d, scale, q);
    y[2][output] = requantize(c, scale, q);
    y[1][output] = requantize(b, scale, q);
    y[0][output] = requantize(a, scale, q);
}

static void packed_s8(const int8_t *x, const int8_t *weights, int8_t *y, packed_type *columns,
                      const struct window *s, const struct requantization *q)
{
    const int32_t count = s->kernel_height * s->kernel_width * s->length;
    const int32_t all = s->rows * s->columns;
    for (int32_t pixel = 0; pixel < all; pixel += 4) {
        int32_t pixels[4];
        int8_t *out[4];
        for (int32_t i = 0; i < 4; i++) {
            pixels[i] = pixel + i < all ? pixel + i : all - 1;
            out[i] = y + pixels[i] * s->output_step;
        }
        pack_patches(x, columns, s, pixels);
        const int8_t *w = weights;
        int32_t output = 0;
        for (; output + 8 <= s->outputs; output += 8) {
            uint64_t a[8], b[8];
#pragma GCC unroll 8
            for (int32_t i = 0; i < 8; i++)
                a[i] = b[i] = pack(q->bias[output + i], q->bias[output + i]);
            const packed_type *c = columns;
#pragma GCC unroll 2
            for (int32_t k = 0; k < count; k++, c += 2, w += 8) {
                const uint64_t left = c[0], right = c[1];
#pragma GCC unroll 8
                for (int32_t i = 0; i < 8; i++) {
                    const uint64_t weight = (uint64_t)(int64_t)w[i];
                    a[i] += left * weight;
                    b[i] += right * weight;
                }
            }
#pragma GCC unroll 8
            for (int32_t i = 0; i < 8; i++)
                store_packed(a[i], b[i], output + i, out, q);
        }
        for (; output < s->outputs; output++) {
            uint64_t a = pack(q->bias[output], q->bias[output]), b = a;
            const packed_type *c = columns;
#pragma GCC unroll 4
            for (int32_t k = 0; k < count; k++, c += 2, w++) {
                const uint64_t weight = (uint64_t)(int64_t)*w;
                a += c[0] * weight;
                b += c[1] * weight;
            }
            store_packed(a, b, output, out, q);
        }
    }
}

/* ---- blocked_s8 needs patch, requantize ---- */
/* Four pixels and four outputs share their loads. The patches of four pixels lie side by side in
   `columns`; weights: four outputs (then one), number. */
static void gather_patches(const int8_t *x, int8_t *columns, const struct window *s,
                           const int32_t pixels[4])
{
    for (int32_t ky = 0; ky < s->kernel_height; ky++)
        for (int32_t kx = 0; kx < s->kernel_width; kx++) {
            for (int32_t p = 0; p < 4; p++) {
                const int8_t *a = patch(x, s, pixels[p], ky, kx);
                for (int32_t i = 0; i < s->length; i++)
                    columns[i * 4 + p] = a != NULL ? a[i] : (int8_t)s->zero;
            }
            columns += 4 * s->length;
        }
}

static void blocked_s8(const int8_t *x, const int8_t *weights, int8_t *y, int8_t *columns,
                       const struct window *s, const struct requantization *q)
{
    const int32_t count = s->kernel_height * s->kernel_width * s->length;
    const int32_t all = s->rows * s->columns;
    for (int32_t pixel = 0; pixel < all; pixel += 4) {
        int32_t pixels[4];
        for (int32_t i = 0; i < 4; i++)
            pixels[i] = pixel + i < all ? pixel + i : all - 1;
        gather_patches(x, columns, s, pixels);
        const int8_t *w = weights;
        int32_t output = 0;
        while (output < s->outputs) {
            int32_t sums[16];
            const int8_t *c = columns;
            const int32_t together = output + 4 <= s->outputs ? 4 : 1;
            if (together == 4) {
#pragma GCC unroll 16
                for (int32_t i = 0; i < 16; i++)
                    sums[i] = q->bias[output + i / 4];
                for (int32_t k = 0; k < count; k++, c += 4, w += 4) {
#pragma GCC unroll 16
                    for (int32_t i = 0; i < 16; i++)
                        sums[i] += w[i / 4] * c[i % 4];
                }
            } else {
#pragma GCC unroll 4
                for (int32_t i = 0; i < 4; i++)
                    sums[i] = q->bias[output];
                for (int32_t k = 0; k < count; k++, c += 4, w++) {
#pragma GCC unroll 4
                    for (int32_t i = 0; i < 4; i++)
                        sums[i] += *w * c[i];
                }
            }
            for (int32_t o = 0; o < together; o++, output++)
                for (int32_t p = 0; p < 4; p++)
                    y[pixels[p] * s->output_step + output] =
                        requantize(sums[o * 4 + p], q->scale[output], q);
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
