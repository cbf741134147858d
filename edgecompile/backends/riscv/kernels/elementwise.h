/* Operators on 8-bit integers, element by element. */

/* ---- quantize_s8 needs round_even, clamp_float ---- */
static void quantize_s8(const float *x, int8_t *y, int32_t count, float scale, int32_t zero)
{
#if defined(__riscv_vector)
    for (size_t n; count > 0; count -= (int32_t)n, x += n, y += n) {
        n = __riscv_vsetvl_e32m8((size_t)count);
        vfloat32m8_t value = __riscv_vfdiv_vf_f32m8(__riscv_vle32_v_f32m8(x, n), scale, n);
        value = __riscv_vfmax_vf_f32m8(value, (float)(-128 - zero), n);
        value = __riscv_vfmin_vf_f32m8(value, (float)(127 - zero), n);
        const vint16m4_t near =
            __riscv_vadd_vx_i16m4(__riscv_vfncvt_x_f_w_i16m4(value, n), (int16_t)zero, n);
        __riscv_vse8_v_i8m2(y, __riscv_vncvt_x_x_w_i8m2(near, n), n);
    }
#else
    for (int32_t i = 0; i < count; i++) {
        const float value = clamp_float(x[i] / scale, (float)(-128 - zero), (float)(127 - zero));
        y[i] = (int8_t)(round_even(value) + zero);
    }
#endif
}

/* ---- dequantize_s8 ---- */
static void dequantize_s8(const int8_t *x, float *y, int32_t count, float scale, int32_t zero)
{
#if defined(__riscv_vector)
    for (size_t n; count > 0; count -= (int32_t)n, x += n, y += n) {
        n = __riscv_vsetvl_e32m8((size_t)count);
        vint16m4_t wide = __riscv_vsext_vf2_i16m4(__riscv_vle8_v_i8m2(x, n), n);
        wide = __riscv_vsub_vx_i16m4(wide, (int16_t)zero, n);
        __riscv_vse32_v_f32m8(
            y, __riscv_vfmul_vf_f32m8(__riscv_vfwcvt_f_x_v_f32m8(wide, n), scale, n), n);
    }
#else
    for (int32_t i = 0; i < count; i++)
        y[i] = (float)(x[i] - zero) * scale;
#endif
}

/* ---- table_s8 ---- */
/* Any function of one 8-bit integer: entry 0 is that of -128. */
static void table_s8(const int8_t *x, int8_t *y, int32_t count, const int8_t *table)
{
#if defined(__riscv_vector)
    for (size_t n; count > 0; count -= (int32_t)n, x += n, y += n) {
        n = __riscv_vsetvl_e8m8((size_t)count);
        vuint8m8_t place = __riscv_vle8_v_u8m8((const uint8_t *)(const void *)x, n);
        place = __riscv_vxor_vx_u8m8(place, 128, n);
        __riscv_vse8_v_i8m8(y, __riscv_vluxei8_v_i8m8(table, place, n), n);
    }
#else
    for (int32_t i = 0; i < count; i++)
        y[i] = table[x[i] + 128];
#endif
}

/* ---- clamp_s8 needs clamp_integer ---- */
static void clamp_s8(const int8_t *x, int8_t *y, int32_t count, int32_t low, int32_t high)
{
#if defined(__riscv_vector)
    for (size_t n; count > 0; count -= (int32_t)n, x += n, y += n) {
        n = __riscv_vsetvl_e8m8((size_t)count);
        vint8m8_t value = __riscv_vmax_vx_i8m8(__riscv_vle8_v_i8m8(x, n), (int8_t)low, n);
        __riscv_vse8_v_i8m8(y, __riscv_vmin_vx_i8m8(value, (int8_t)high, n), n);
    }
#else
    for (int32_t i = 0; i < count; i++)
        y[i] = (int8_t)clamp_integer(x[i], low, high);
#endif
}

/* ---- binary_shape ---- */
/* Two operands whose real values are scale * (q - zero); a step of 0 repeats one number. */
struct binary {
    int32_t count, step_a, step_b;
    float scale_a, scale_b, scale;
    int32_t zero_a, zero_b, zero, low, high;
};

/* ---- binary_vectors needs binary_shape ---- */
#if defined(__riscv_vector)
static inline vfloat32m8_t load_real(const int8_t *x, int32_t step, int32_t zero, size_t n)
{
    vint16m4_t wide;
    if (step == 0)
        wide = __riscv_vmv_v_x_i16m4((int16_t)(*x - zero), n);
    else
        wide = __riscv_vsub_vx_i16m4(__riscv_vsext_vf2_i16m4(__riscv_vle8_v_i8m2(x, n), n),
                                     (int16_t)zero, n);
    return __riscv_vfwcvt_f_x_v_f32m8(wide, n);
}

static inline void store_real(vfloat32m8_t value, int8_t *y, const struct binary *s, size_t n)
{
    vint16m4_t near = __riscv_vfncvt_x_f_w_i16m4(value, n);
    near = __riscv_vsadd_vx_i16m4(near, (int16_t)s->zero, n);
    near = __riscv_vmax_vx_i16m4(near, (int16_t)s->low, n);
    near = __riscv_vmin_vx_i16m4(near, (int16_t)s->high, n);
    __riscv_vse8_v_i8m2(y, __riscv_vncvt_x_x_w_i8m2(near, n), n);
}
#endif

/* ---- binary_store needs binary_shape, round_even, clamp_float ---- */
__attribute__((__unused__)) /* by the kernels for vectors */
static inline int8_t nearest_s8(float value, const struct binary *s)
{
    value = clamp_float(value, (float)(s->low - s->zero), (float)(s->high - s->zero));
    return (int8_t)(round_even(value) + s->zero);
}

/* ---- add_s8 needs binary_vectors, binary_store ---- */
/* Scales are those of the operands over that of the sum; of a difference, the second is negative.
   The hub chooses them such that no sum lies near a rounding tie. */
static void add_s8(const int8_t *a, const int8_t *b, int8_t *y, const struct binary *s)
{
#if defined(__riscv_vector)
    int32_t left = s->count;
    for (size_t n; left > 0; left -= (int32_t)n, y += n) {
        n = __riscv_vsetvl_e32m8((size_t)left);
        const vfloat32m8_t first =
            __riscv_vfmul_vf_f32m8(load_real(a, s->step_a, s->zero_a, n), s->scale_a, n);
        const vfloat32m8_t second = load_real(b, s->step_b, s->zero_b, n);
        store_real(__riscv_vfmacc_vf_f32m8(first, s->scale_b, second, n), y, s, n);
        a += (int32_t)n * s->step_a;
        b += (int32_t)n * s->step_b;
    }
#elif defined(MODEL_NO_FLOAT_UNIT) || (defined(__riscv) && !defined(__riscv_flen))
    /* Scales of 22 places: 1e-4 in all, and no sum of the hub is nearer than 1e-3 to a tie. */
    const int64_t scale_a = (int64_t)(s->scale_a * 4194304.0f);
    const int64_t scale_b = (int64_t)(s->scale_b * 4194304.0f);
    for (int32_t i = 0; i < s->count; i++, a += s->step_a, b += s->step_b) {
        const int64_t sum = (*a - s->zero_a) * scale_a + (*b - s->zero_b) * scale_b;
        const int64_t near = ((sum + (INT64_C(1) << 21)) >> 22) + s->zero;
        y[i] = (int8_t)(near < s->low ? s->low : near > s->high ? s->high : near);
    }
#else
    for (int32_t i = 0; i < s->count; i++, a += s->step_a, b += s->step_b)
        y[i] = nearest_s8((float)(*a - s->zero_a) * s->scale_a
                              + (float)(*b - s->zero_b) * s->scale_b, s);
#endif
}

/* ---- multiply_s8 needs binary_vectors, binary_store ---- */
static void multiply_s8(const int8_t *a, const int8_t *b, int8_t *y, const struct binary *s)
{
#if defined(__riscv_vector)
    int32_t left = s->count;
    for (size_t n; left > 0; left -= (int32_t)n, y += n) {
        n = __riscv_vsetvl_e32m8((size_t)left);
        const vfloat32m8_t first =
            __riscv_vfmul_vf_f32m8(load_real(a, s->step_a, s->zero_a, n), s->scale_a, n);
        const vfloat32m8_t second =
            __riscv_vfmul_vf_f32m8(load_real(b, s->step_b, s->zero_b, n), s->scale_b, n);
        const vfloat32m8_t product = __riscv_vfmul_vv_f32m8(first, second, n);
        store_real(__riscv_vfdiv_vf_f32m8(product, s->scale, n), y, s, n);
        a += (int32_t)n * s->step_a;
        b += (int32_t)n * s->step_b;
    }
#else
    for (int32_t i = 0; i < s->count; i++, a += s->step_a, b += s->step_b) {
        const float first = (float)(*a - s->zero_a) * s->scale_a;
        const float second = (float)(*b - s->zero_b) * s->scale_b;
        y[i] = nearest_s8(first * second / s->scale, s);
    }
#endif
}

/* ---- prelu_s8 needs binary_store ---- */
/* The second operand is the slope of negative numbers. */
static void prelu_s8(const int8_t *a, const int8_t *b, int8_t *y, const struct binary *s)
{
    for (int32_t i = 0; i < s->count; i++, a += s->step_a, b += s->step_b) {
        float value = (float)(*a - s->zero_a) * s->scale_a;
        if (value < 0.0f)
            value *= (float)(*b - s->zero_b) * s->scale_b;
        y[i] = nearest_s8(value / s->scale, s);
    }
}

/* ---- maximum_s8 needs binary_shape ---- */
static void maximum_s8(const int8_t *a, const int8_t *b, int8_t *y, const struct binary *s)
{
    for (int32_t i = 0; i < s->count; i++, a += s->step_a, b += s->step_b)
        y[i] = *a > *b ? *a : *b;
}

/* ---- minimum_s8 needs binary_shape ---- */
static void minimum_s8(const int8_t *a, const int8_t *b, int8_t *y, const struct binary *s)
{
    for (int32_t i = 0; i < s->count; i++, a += s->step_a, b += s->step_b)
        y[i] = *a < *b ? *a : *b;
}
