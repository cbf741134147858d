/* Operators on two floats, element by element; a step of 0 repeats one number. */

/* ---- binary_f32_shape ---- */
struct binary_f32 {
    int32_t count, step_a, step_b;
    float low, high;
};

/* ---- add_f32 needs binary_f32_shape, clamp_float ---- */
static void add_f32(const float *a, const float *b, float *y, const struct binary_f32 *s)
{
    for (int32_t i = 0; i < s->count; i++, a += s->step_a, b += s->step_b)
        y[i] = clamp_float(*a + *b, s->low, s->high);
}

/* ---- subtract_f32 needs binary_f32_shape, clamp_float ---- */
static void subtract_f32(const float *a, const float *b, float *y, const struct binary_f32 *s)
{
    for (int32_t i = 0; i < s->count; i++, a += s->step_a, b += s->step_b)
        y[i] = clamp_float(*a - *b, s->low, s->high);
}

/* ---- multiply_f32 needs binary_f32_shape, clamp_float ---- */
static void multiply_f32(const float *a, const float *b, float *y, const struct binary_f32 *s)
{
    for (int32_t i = 0; i < s->count; i++, a += s->step_a, b += s->step_b)
        y[i] = clamp_float(*a * *b, s->low, s->high);
}

/* ---- divide_f32 needs binary_f32_shape, clamp_float ---- */
static void divide_f32(const float *a, const float *b, float *y, const struct binary_f32 *s)
{
    for (int32_t i = 0; i < s->count; i++, a += s->step_a, b += s->step_b)
        y[i] = clamp_float(*a / *b, s->low, s->high);
}

/* ---- maximum_f32 needs binary_f32_shape, clamp_float ---- */
static void maximum_f32(const float *a, const float *b, float *y, const struct binary_f32 *s)
{
    for (int32_t i = 0; i < s->count; i++, a += s->step_a, b += s->step_b)
        y[i] = clamp_float(*a > *b ? *a : *b, s->low, s->high);
}

/* ---- minimum_f32 needs binary_f32_shape, clamp_float ---- */
static void minimum_f32(const float *a, const float *b, float *y, const struct binary_f32 *s)
{
    for (int32_t i = 0; i < s->count; i++, a += s->step_a, b += s->step_b)
        y[i] = clamp_float(*a < *b ? *a : *b, s->low, s->high);
}

/* ---- prelu_f32 needs binary_f32_shape, clamp_float ---- */
static void prelu_f32(const float *a, const float *b, float *y, const struct binary_f32 *s)
{
    for (int32_t i = 0; i < s->count; i++, a += s->step_a, b += s->step_b)
        y[i] = clamp_float(*a < 0.0f ? *a * *b : *a, s->low, s->high);
}

/* ---- power_f32 needs binary_f32_shape, exponential, logarithm, clamp_float ---- */
static inline double power(double base, double exponent)
{
    if (exponent == 2.0)
        return base * base;
    if (exponent == 0.0)
        return 1.0;
    if (base == 0.0)
        return exponent > 0.0 ? 0.0 : 1.0 / base;
    if (base > 0.0)
        return exponential(exponent * logarithm(base));
    /* A negative number has powers with whole exponents only. */
    const int32_t whole = exponent < 2e9 && exponent > -2e9 ? (int32_t)exponent : 0;
    if ((double)whole != exponent)
        return (base - base) / (base - base);
    const double size = exponential(exponent * logarithm(-base));
    return (whole & 1) ? -size : size;
}

static void power_f32(const float *a, const float *b, float *y, const struct binary_f32 *s)
{
    for (int32_t i = 0; i < s->count; i++, a += s->step_a, b += s->step_b)
        y[i] = clamp_float((float)power((double)*a, (double)*b), s->low, s->high);
}
