/* Reductions and normalizations of floats. */

/* ---- reduction_f32_shape ---- */
/* x is (count, inner): the first axis is reduced. */
struct reduction_f32 {
    int32_t count, inner;
    float low, high;
};

/* ---- mean_f32 needs reduction_f32_shape, clamp_float ---- */
/* A sum has the divisor 1. */
static void mean_f32(const float *x, float *y, const struct reduction_f32 *s, float divisor)
{
    for (int32_t k = 0; k < s->inner; k++) {
        double sum = 0.0;
        for (int32_t i = 0; i < s->count; i++)
            sum += (double)x[i * s->inner + k];
        y[k] = clamp_float((float)(sum / (double)divisor), s->low, s->high);
    }
}

/* ---- largest_f32 needs reduction_f32_shape, clamp_float ---- */
static void largest_f32(const float *x, float *y, const struct reduction_f32 *s)
{
    for (int32_t k = 0; k < s->inner; k++) {
        float value = x[k];
        for (int32_t i = 1; i < s->count; i++)
            value = x[i * s->inner + k] > value ? x[i * s->inner + k] : value;
        y[k] = clamp_float(value, s->low, s->high);
    }
}

/* ---- smallest_f32 needs reduction_f32_shape, clamp_float ---- */
static void smallest_f32(const float *x, float *y, const struct reduction_f32 *s)
{
    for (int32_t k = 0; k < s->inner; k++) {
        float value = x[k];
        for (int32_t i = 1; i < s->count; i++)
            value = x[i * s->inner + k] < value ? x[i * s->inner + k] : value;
        y[k] = clamp_float(value, s->low, s->high);
    }
}

/* ---- softmax_f32 needs exponential ---- */
static void softmax_f32(const float *x, float *y, int32_t rows, int32_t count)
{
    for (int32_t row = 0; row < rows; row++, x += count, y += count) {
        float largest = x[0], sum = 0.0f;
        for (int32_t i = 1; i < count; i++)
            largest = x[i] > largest ? x[i] : largest;
        for (int32_t i = 0; i < count; i++) {
            y[i] = (float)exponential((double)(x[i] - largest));
            sum += y[i];
        }
        for (int32_t i = 0; i < count; i++)
            y[i] /= sum;
    }
}

/* ---- log_softmax_f32 needs exponential, logarithm ---- */
static void log_softmax_f32(const float *x, float *y, int32_t rows, int32_t count)
{
    for (int32_t row = 0; row < rows; row++, x += count, y += count) {
        float largest = x[0];
        for (int32_t i = 1; i < count; i++)
            largest = x[i] > largest ? x[i] : largest;
        double sum = 0.0;
        for (int32_t i = 0; i < count; i++)
            sum += exponential((double)(x[i] - largest));
        const float shift = (float)logarithm(sum);
        for (int32_t i = 0; i < count; i++)
            y[i] = x[i] - largest - shift;
    }
}

/* ---- layer_norm_f32 needs square_root, clamp_float ---- */
struct normalization_f32 {
    int32_t rows, count;
    float epsilon, low, high;
};

static void layer_norm_f32(const float *x, float *y, const float *weight, const float *bias,
                           const struct normalization_f32 *s)
{
    for (int32_t row = 0; row < s->rows; row++, x += s->count, y += s->count) {
        double mean = 0.0, spread = 0.0;
        for (int32_t i = 0; i < s->count; i++)
            mean += (double)x[i];
        mean /= (double)s->count;
        for (int32_t i = 0; i < s->count; i++)
            spread += ((double)x[i] - mean) * ((double)x[i] - mean);
        const double inverse =
            1.0 / square_root(spread / (double)s->count + (double)s->epsilon);
        for (int32_t i = 0; i < s->count; i++) {
            const double value = ((double)x[i] - mean) * inverse;
            y[i] = clamp_float((float)(value * (double)weight[i] + (double)bias[i]), s->low,
                               s->high);
        }
    }
}
