/* Pools and reductions of 8-bit integers. */

/* ---- reduction_shape ---- */
/* x is (count, inner): the first axis is reduced. */
struct reduction {
    int32_t count, inner;
    float scale;
    int32_t zero_x, zero, low, high;
};

/* ---- mean_s8 needs reduction_shape, round_even, clamp_float ---- */
/* round(sum(x - zero_x) * scale_x / divisor / scale): `scale` holds the three factors, in the order
   in which they are applied. A sum has the divisor 1. */
static void mean_s8(const int8_t *x, int8_t *y, const struct reduction *s, float scale_x,
                    float divisor)
{
    const float low = (float)(s->low - s->zero), high = (float)(s->high - s->zero);
#if defined(__riscv_vector)
    size_t n;
    for (int32_t first = 0; first < s->inner; first += (int32_t)n) {
        n = __riscv_vsetvl_e32m8((size_t)(s->inner - first));
        vint32m8_t sum = __riscv_vmv_v_x_i32m8(-s->zero_x * s->count, n);
        for (int32_t i = 0; i < s->count; i++)
            sum = __riscv_vwadd_wv_i32m8(
                sum,
                __riscv_vsext_vf2_i16m4(__riscv_vle8_v_i8m2(x + i * s->inner + first, n), n), n);
        vfloat32m8_t value = __riscv_vfmul_vf_f32m8(__riscv_vfcvt_f_x_v_f32m8(sum, n), scale_x, n);
        value = __riscv_vfdiv_vf_f32m8(value, divisor, n);
        value = __riscv_vfdiv_vf_f32m8(value, s->scale, n);
        value = __riscv_vfmax_vf_f32m8(value, low, n);
        value = __riscv_vfmin_vf_f32m8(value, high, n);
        const vint16m4_t near =
            __riscv_vadd_vx_i16m4(__riscv_vfncvt_x_f_w_i16m4(value, n), (int16_t)s->zero, n);
        __riscv_vse8_v_i8m2(y + first, __riscv_vncvt_x_x_w_i8m2(near, n), n);
    }
#else
    for (int32_t k = 0; k < s->inner; k++) {
        int32_t sum = -s->zero_x * s->count;
        for (int32_t i = 0; i < s->count; i++)
            sum += x[i * s->inner + k];
        const float value = clamp_float((float)sum * scale_x / divisor / s->scale, low, high);
        y[k] = (int8_t)(round_even(value) + s->zero);
    }
#endif
}

/* ---- largest_s8 needs reduction_shape ---- */
static void largest_s8(const int8_t *x, int8_t *y, const struct reduction *s)
{
    for (int32_t k = 0; k < s->inner; k++)
        y[k] = x[k];
    for (int32_t i = 1; i < s->count; i++)
        for (int32_t k = 0; k < s->inner; k++)
            y[k] = x[i * s->inner + k] > y[k] ? x[i * s->inner + k] : y[k];
}

/* ---- smallest_s8 needs reduction_shape ---- */
static void smallest_s8(const int8_t *x, int8_t *y, const struct reduction *s)
{
    for (int32_t k = 0; k < s->inner; k++)
        y[k] = x[k];
    for (int32_t i = 1; i < s->count; i++)
        for (int32_t k = 0; k < s->inner; k++)
            y[k] = x[i * s->inner + k] < y[k] ? x[i * s->inner + k] : y[k];
}

/* ---- pool_shape ---- */
struct pool {
    int32_t height, width, channels, rows, columns;
    int32_t kernel_height, kernel_width, stride_y, stride_x, dilation_y, dilation_x, top, left;
    int32_t counts_padding;
};

static inline int32_t inside(int32_t at, int32_t size)
{
    return at >= 0 && at < size;
}

/* ---- maximum_pool_s8 needs pool_shape, clamp_integer ---- */
static void maximum_pool_s8(const int8_t *x, int8_t *y, const struct pool *s, int32_t zero,
                            int32_t low, int32_t high)
{
    (void)zero;
    for (int32_t row = 0; row < s->rows; row++)
        for (int32_t column = 0; column < s->columns; column++, y += s->channels) {
            for (int32_t c = 0; c < s->channels; c++)
                y[c] = (int8_t)low;
            for (int32_t ky = 0; ky < s->kernel_height; ky++)
                for (int32_t kx = 0; kx < s->kernel_width; kx++) {
                    const int32_t at_y = row * s->stride_y - s->top + ky * s->dilation_y;
                    const int32_t at_x = column * s->stride_x - s->left + kx * s->dilation_x;
                    if (!inside(at_y, s->height) || !inside(at_x, s->width))
                        continue;
                    const int8_t *pixel = x + (at_y * s->width + at_x) * s->channels;
#if defined(__riscv_vector)
                    size_t n;
                    for (int32_t c = 0; c < s->channels; c += (int32_t)n) {
                        n = __riscv_vsetvl_e8m8((size_t)(s->channels - c));
                        const vint8m8_t more = __riscv_vle8_v_i8m8(pixel + c, n);
                        __riscv_vse8_v_i8m8(
                            y + c, __riscv_vmax_vv_i8m8(__riscv_vle8_v_i8m8(y + c, n), more, n), n);
                    }
#else
                    for (int32_t c = 0; c < s->channels; c++)
                        y[c] = pixel[c] > y[c] ? pixel[c] : y[c];
#endif
                }
            if (high < 127)
                for (int32_t c = 0; c < s->channels; c++)
                    y[c] = (int8_t)clamp_integer(y[c], low, high);
        }
}

/* ---- average_pool_s8 needs pool_shape, clamp_integer, round_even ---- */
/* Input and result have one scale, so that many means are ties: ONNX Runtime adds up the reals, and
   rounds what that gives. */
static void average_pool_s8(const int8_t *x, int8_t *y, const struct pool *s, int32_t zero,
                            int32_t low, int32_t high, float scale)
{
    for (int32_t row = 0; row < s->rows; row++)
        for (int32_t column = 0; column < s->columns; column++)
            for (int32_t c = 0; c < s->channels; c++) {
                float sum = 0.0f;
                int32_t count = 0;
                for (int32_t ky = 0; ky < s->kernel_height; ky++)
                    for (int32_t kx = 0; kx < s->kernel_width; kx++) {
                        const int32_t at_y = row * s->stride_y - s->top + ky * s->dilation_y;
                        const int32_t at_x = column * s->stride_x - s->left + kx * s->dilation_x;
                        if (!inside(at_y, s->height) || !inside(at_x, s->width))
                            continue;
                        const int32_t at = (at_y * s->width + at_x) * s->channels + c;
                        sum += (float)(x[at] - zero) * scale;
                        count++;
                    }
                if (s->counts_padding)
                    count = s->kernel_height * s->kernel_width;
                const int32_t mean = round_even(sum / (float)count / scale) + zero;
                *y++ = (int8_t)clamp_integer(mean, low, high);
            }
}

/* ---- maximum_pool_f32 needs pool_shape, clamp_float ---- */
static void maximum_pool_f32(const float *x, float *y, const struct pool *s, float low, float high)
{
    for (int32_t row = 0; row < s->rows; row++)
        for (int32_t column = 0; column < s->columns; column++)
            for (int32_t c = 0; c < s->channels; c++) {
                float largest = low;
                for (int32_t ky = 0; ky < s->kernel_height; ky++)
                    for (int32_t kx = 0; kx < s->kernel_width; kx++) {
                        const int32_t at_y = row * s->stride_y - s->top + ky * s->dilation_y;
                        const int32_t at_x = column * s->stride_x - s->left + kx * s->dilation_x;
                        if (!inside(at_y, s->height) || !inside(at_x, s->width))
                            continue;
                        const float value = x[(at_y * s->width + at_x) * s->channels + c];
                        largest = value > largest ? value : largest;
                    }
                *y++ = clamp_float(largest, low, high);
            }
}

/* ---- average_pool_f32 needs pool_shape, clamp_float ---- */
static void average_pool_f32(const float *x, float *y, const struct pool *s, float low, float high)
{
    for (int32_t row = 0; row < s->rows; row++)
        for (int32_t column = 0; column < s->columns; column++)
            for (int32_t c = 0; c < s->channels; c++) {
                float sum = 0.0f;
                int32_t count = 0;
                for (int32_t ky = 0; ky < s->kernel_height; ky++)
                    for (int32_t kx = 0; kx < s->kernel_width; kx++) {
                        const int32_t at_y = row * s->stride_y - s->top + ky * s->dilation_y;
                        const int32_t at_x = column * s->stride_x - s->left + kx * s->dilation_x;
                        if (!inside(at_y, s->height) || !inside(at_x, s->width))
                            continue;
                        sum += x[(at_y * s->width + at_x) * s->channels + c];
                        count++;
                    }
                if (s->counts_padding)
                    count = s->kernel_height * s->kernel_width;
                *y++ = clamp_float(sum / (float)count, low, high);
            }
}
