/* Functions of one real number, computed in double precision: the result is the float32 nearest to
   the exact one, but for a few units in its last place. */

/* ---- exponential ---- */
static inline double exponential(double x)
{
    /* x = k ln 2 + r with |r| < 0.35; the series of e^r to r^11. Adding 1.5 * 2^52 rounds to k. */
    union {
        double real;
        uint64_t bits;
    } power, shifted;
    x = x < -700.0 ? -700.0 : x > 700.0 ? 700.0 : x;
    shifted.real = x * 1.4426950408889634 + 6755399441055744.0;
    const double k = shifted.real - 6755399441055744.0;
    const double r = x - k * 0.6931471805599453;
    double sum = 1.0;
    for (int32_t i = 11; i > 0; i--)
        sum = 1.0 + sum * r / (double)i;
    power.bits = (shifted.bits + 1023U) << 52;
    return sum * power.real;
}

/* ---- logarithm ---- */
static inline double logarithm(double x)
{
    /* x = m 2^e with m in [0.7, 1.4]; ln m = 2 artanh((m - 1) / (m + 1)). */
    union {
        double real;
        uint64_t bits;
    } number;
    if (!(x > 0.0))
        return x == 0.0 ? -1.0 / x : (x - x) / (x - x);
    number.real = x;
    int32_t exponent = (int32_t)(number.bits >> 52) - 1023;
    number.bits = (number.bits & UINT64_C(0xFFFFFFFFFFFFF)) | UINT64_C(0x3FF0000000000000);
    if (number.real > 1.4142135623730951) {
        number.real *= 0.5;
        exponent++;
    }
    const double s = (number.real - 1.0) / (number.real + 1.0), square = s * s;
    double sum = 0.0;
    for (int32_t i = 19; i > 0; i -= 2)
        sum = sum * square + 1.0 / (double)i;
    return 2.0 * s * sum + (double)exponent * 0.6931471805599453;
}

/* ---- sine ---- */
/* The sine of x + quarter * pi / 2. */
static inline double sine(double x, int32_t quarter)
{
    union {
        double real;
        uint64_t bits;
    } turns;
    turns.real = x * 0.6366197723675814 + 6755399441055744.0;
    const double whole = turns.real - 6755399441055744.0;
    /* pi / 2 in two parts, of which the first has few bits. */
    const double r = (x - whole * 1.57079632673412561417) - whole * 6.07710050650619224932e-11;
    const uint32_t phase = ((uint32_t)turns.bits + (uint32_t)quarter) & 3U;
    const double square = r * r;
    double sum = 1.0;
    const int32_t odd = (phase & 1U) ? 0 : 1;
    for (int32_t i = 16 + odd; i > 1; i -= 2)
        sum = 1.0 - sum * square / (double)(i * (i - 1));
    const double value = odd ? r * sum : sum;
    return (phase & 2U) ? -value : value;
}

/* ---- error_function needs exponential ---- */
/* Its Taylor series near zero; else Abramowitz and Stegun 7.1.26, which is right to 1.5e-7. */
static inline double error_function(double x)
{
    const double size = x < 0.0 ? -x : x, square = x * x;
    double value;
    if (size < 1.0) {
        double term = size, sum = size;
        for (int32_t n = 1; n < 14; n++) {
            term *= -square / (double)n;
            sum += term / (double)(2 * n + 1);
        }
        value = 1.1283791670955126 * sum;
    } else {
        const double t = 1.0 / (1.0 + 0.3275911 * size);
        const double tail =
            ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t
             + 0.254829592) * t;
        value = 1.0 - tail * exponential(-square);
    }
    return x < 0.0 ? -value : value;
}

/* ---- hyperbolic_tangent needs exponential ---- */
static inline double hyperbolic_tangent(double x)
{
    const double size = x < 0.0 ? -x : x;
    const double value = 1.0 - 2.0 / (exponential(2.0 * size) + 1.0);
    return x < 0.0 ? -value : value;
}

/* ---- nearest_whole ---- */
/* Ties to even; what has no fraction any more stays. */
static inline float nearest_whole(float x)
{
    const float size = x < 0.0f ? -x : x;
    if (!(size < 8388608.0f))
        return x;
    volatile float raised = size + 8388608.0f;
    const float whole = raised - 8388608.0f;
    return x < 0.0f ? -whole : whole;
}

/* ---- clamp_f32 needs clamp_float ---- */
static void clamp_f32(const float *x, float *y, int32_t count, float low, float high)
{
    for (int32_t i = 0; i < count; i++)
        y[i] = clamp_float(x[i], low, high);
}

/* ---- exp_f32 needs exponential ---- */
static void exp_f32(const float *x, float *y, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        y[i] = (float)exponential((double)x[i]);
}

/* ---- log_f32 needs logarithm ---- */
static void log_f32(const float *x, float *y, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        y[i] = (float)logarithm((double)x[i]);
}

/* ---- sqrt_f32 needs square_root ---- */
static void sqrt_f32(const float *x, float *y, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        y[i] = (float)square_root((double)x[i]);
}

/* ---- sin_f32 needs sine ---- */
static void sin_f32(const float *x, float *y, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        y[i] = (float)sine((double)x[i], 0);
}

/* ---- cos_f32 needs sine ---- */
static void cos_f32(const float *x, float *y, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        y[i] = (float)sine((double)x[i], 1);
}

/* ---- erf_f32 needs error_function ---- */
static void erf_f32(const float *x, float *y, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        y[i] = (float)error_function((double)x[i]);
}

/* ---- gelu_f32 needs error_function ---- */
static void gelu_f32(const float *x, float *y, int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        const double value = (double)x[i];
        y[i] = (float)(0.5 * value * (1.0 + error_function(value * 0.7071067811865476)));
    }
}

/* ---- gelu_tanh_f32 needs hyperbolic_tangent ---- */
static void gelu_tanh_f32(const float *x, float *y, int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        const double v = (double)x[i];
        y[i] = (float)(0.5 * v
                       * (1.0 + hyperbolic_tangent(0.7978845608028654
                                                   * (v + 0.044715 * v * v * v))));
    }
}

/* ---- tanh_f32 needs hyperbolic_tangent ---- */
static void tanh_f32(const float *x, float *y, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        y[i] = (float)hyperbolic_tangent((double)x[i]);
}

/* ---- sigmoid_f32 needs exponential ---- */
static void sigmoid_f32(const float *x, float *y, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        y[i] = (float)(1.0 / (1.0 + exponential(-(double)x[i])));
}

/* ---- softplus_f32 needs exponential, logarithm ---- */
static void softplus_f32(const float *x, float *y, int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        const double v = (double)x[i];
        y[i] = (float)((v > 0.0 ? v : 0.0) + logarithm(1.0 + exponential(v > 0.0 ? -v : v)));
    }
}

/* ---- elu_f32 needs exponential ---- */
static void elu_f32(const float *x, float *y, int32_t count, float alpha)
{
    for (int32_t i = 0; i < count; i++)
        y[i] = x[i] < 0.0f ? (float)((double)alpha * (exponential((double)x[i]) - 1.0)) : x[i];
}

/* ---- leaky_relu_f32 ---- */
static void leaky_relu_f32(const float *x, float *y, int32_t count, float alpha)
{
    for (int32_t i = 0; i < count; i++)
        y[i] = x[i] < 0.0f ? alpha * x[i] : x[i];
}

/* ---- hard_sigmoid_f32 needs clamp_float ---- */
static void hard_sigmoid_f32(const float *x, float *y, int32_t count, float alpha, float beta)
{
    for (int32_t i = 0; i < count; i++)
        y[i] = clamp_float(alpha * x[i] + beta, 0.0f, 1.0f);
}

/* ---- hard_swish_f32 needs clamp_float ---- */
static void hard_swish_f32(const float *x, float *y, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        y[i] = x[i] * clamp_float(x[i] / 6.0f + 0.5f, 0.0f, 1.0f);
}

/* ---- reciprocal_f32 ---- */
static void reciprocal_f32(const float *x, float *y, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        y[i] = 1.0f / x[i];
}

/* ---- abs_f32 ---- */
static void abs_f32(const float *x, float *y, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        y[i] = x[i] < 0.0f ? -x[i] : x[i];
}

/* ---- neg_f32 ---- */
static void neg_f32(const float *x, float *y, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        y[i] = -x[i];
}

/* ---- sign_f32 ---- */
static void sign_f32(const float *x, float *y, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        y[i] = x[i] > 0.0f ? 1.0f : x[i] < 0.0f ? -1.0f : x[i];
}

/* ---- round_f32 needs nearest_whole ---- */
static void round_f32(const float *x, float *y, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        y[i] = nearest_whole(x[i]);
}

/* ---- floor_f32 needs nearest_whole ---- */
static void floor_f32(const float *x, float *y, int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        const float near = nearest_whole(x[i]);
        y[i] = near > x[i] ? near - 1.0f : near;
    }
}

/* ---- ceil_f32 needs nearest_whole ---- */
static void ceil_f32(const float *x, float *y, int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        const float near = nearest_whole(x[i]);
        y[i] = near < x[i] ? near + 1.0f : near;
    }
}
