/* Softmax and LayerNormalization of 8-bit integers. */

/* ---- softmax_s8 needs round_even, clamp_float ---- */
/* `exponentials` holds exp(-k * scale) for each difference k to the largest number of a row. */
static void softmax_s8(const int8_t *x, int8_t *y, int32_t rows, int32_t count,
                       const float *exponentials, float inverse, int32_t zero)
{
    for (int32_t row = 0; row < rows; row++, x += count, y += count) {
        int32_t largest = x[0];
        for (int32_t i = 1; i < count; i++)
            largest = x[i] > largest ? x[i] : largest;
        float sum = 0.0f;
        for (int32_t i = 0; i < count; i++)
            sum += exponentials[largest - x[i]];
        for (int32_t i = 0; i < count; i++) {
            const float value = exponentials[largest - x[i]] / sum * inverse;
            y[i] = (int8_t)(round_even(clamp_float(value, (float)(-128 - zero),
                                                   (float)(127 - zero))) + zero);
        }
    }
}

/* ---- square_root ---- */
static inline double square_root(double value)
{
#if defined(__riscv_flen) && __riscv_flen >= 64
    double result;
    __asm__("fsqrt.d %0, %1" : "=f"(result) : "f"(value));
    return result;
#else
    union {
        double real;
        uint64_t bits;
    } near;
    if (!(value > 0.0))
        return value == 0.0 ? 0.0 : (value - value) / (value - value);
    /* Half the exponent; then Newton's iteration doubles the right digits each time. */
    near.real = value;
    near.bits = (near.bits >> 1) + (UINT64_C(1023) << 51);
    for (int32_t i = 0; i < 5; i++)
        near.real = 0.5 * (near.real + value / near.real);
    return near.real;
#endif
}

/* ---- layer_norm_s8 needs square_root, round_even, clamp_float ---- */
/* Sums and squares are exact integers; the mean does not depend on the zero point. */
struct normalization {
    int32_t rows, count;
    float epsilon, scale_x, scale;
    int32_t zero, low, high;
};

static void layer_norm_s8(const int8_t *x, int8_t *y, const float *weight, const float *bias,
                          const struct normalization *s)
{
    const float low = (float)(s->low - s->zero), high = (float)(s->high - s->zero);
    for (int32_t row = 0; row < s->rows; row++, x += s->count, y += s->count) {
        int32_t sum = 0, squares = 0;
        for (int32_t i = 0; i < s->count; i++) {
            sum += x[i];
            squares += x[i] * x[i];
        }
        const double scale = (double)s->scale_x, count = (double)s->count;
        const double spread = (double)squares / count - (double)sum / count * ((double)sum / count);
        const float inverse =
            (float)(scale / square_root(spread * scale * scale + (double)s->epsilon));
        const float mean = (float)((double)sum / count);
        for (int32_t i = 0; i < s->count; i++) {
            const float value = ((float)x[i] - mean) * inverse * weight[i] + bias[i];
            y[i] = (int8_t)(round_even(clamp_float(value / s->scale, low, high)) + s->zero);
        }
    }
}
