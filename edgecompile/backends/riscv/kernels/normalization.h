/* Softmax and LayerNormalization of 8-bit integers. */

/* ---- softmax_s8 needs round_even, clamp_float ---- */
/* `exponentials` holds exp(-k * scale) for each difference k to the largest number of a row. */
static void softmax_s8(const int8_t *x, int8_t *y, int32_t rows, int32_t count,
                       const float *exponentials, float inverse, int32_t zero)
{
    for (int32_t row = 0; row < rows; row++, x += count, y += count) {
#if defined(__riscv_vector)
        vint8m1_t most = __riscv_vmv_s_x_i8m1(-128, 1);
        vfloat32m1_t total = __riscv_vfmv_s_f_f32m1(0.0f, 1);
        size_t n;
        for (int32_t i = 0; i < count; i += (int32_t)n) {
            n = __riscv_vsetvl_e8m2((size_t)(count - i));
            most = __riscv_vredmax_vs_i8m2_i8m1(__riscv_vle8_v_i8m2(x + i, n), most, n);
        }
        const int32_t largest = __riscv_vmv_x_s_i8m1_i8(most);
        for (int32_t pass = 0; pass < 2; pass++) {
            const float sum = __riscv_vfmv_f_s_f32m1_f32(total);
            for (int32_t i = 0; i < count; i += (int32_t)n) {
                n = __riscv_vsetvl_e32m8((size_t)(count - i));
                /* Distances to the largest number, as offsets of bytes into the table. */
                vint16m4_t away = __riscv_vsext_vf2_i16m4(__riscv_vle8_v_i8m2(x + i, n), n);
                away = __riscv_vrsub_vx_i16m4(away, (int16_t)largest, n);
                away = __riscv_vsll_vx_i16m4(away, 2, n);
                vfloat32m8_t value = __riscv_vluxei16_v_f32m8(
                    exponentials, __riscv_vreinterpret_v_i16m4_u16m4(away), n);
                if (pass == 0) {
                    total = __riscv_vfredusum_vs_f32m8_f32m1(value, total, n);
                    continue;
                }
                value = __riscv_vfmul_vf_f32m8(__riscv_vfdiv_vf_f32m8(value, sum, n), inverse, n);
                vint16m4_t near = __riscv_vfncvt_x_f_w_i16m4(value, n);
                near = __riscv_vsadd_vx_i16m4(near, (int16_t)zero, n);
                near = __riscv_vmin_vx_i16m4(near, 127, n);
                __riscv_vse8_v_i8m2(y + i, __riscv_vncvt_x_x_w_i8m2(near, n), n);
            }
        }
#else
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
#endif
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
#if defined(__riscv_vector)
        vint32m1_t total = __riscv_vmv_s_x_i32m1(0, 1), square = total;
        size_t n;
        for (int32_t i = 0; i < s->count; i += (int32_t)n) {
            n = __riscv_vsetvl_e16m4((size_t)(s->count - i));
            const vint8m2_t narrow = __riscv_vle8_v_i8m2(x + i, n);
            total = __riscv_vwredsum_vs_i16m4_i32m1(__riscv_vsext_vf2_i16m4(narrow, n), total, n);
            square = __riscv_vwredsum_vs_i16m4_i32m1(__riscv_vwmul_vv_i16m4(narrow, narrow, n),
                                                     square, n);
        }
        sum = __riscv_vmv_x_s_i32m1_i32(total);
        squares = __riscv_vmv_x_s_i32m1_i32(square);
#else
        for (int32_t i = 0; i < s->count; i++) {
            sum += x[i];
            squares += x[i] * x[i];
        }
#endif
        const double scale = (double)s->scale_x, count = (double)s->count;
        const double spread = (double)squares / count - (double)sum / count * ((double)sum / count);
        const float inverse =
            (float)(scale / square_root(spread * scale * scale + (double)s->epsilon));
        const float mean = (float)((double)sum / count);
#if defined(__riscv_vector)
        for (int32_t i = 0; i < s->count; i += (int32_t)n) {
            n = __riscv_vsetvl_e32m8((size_t)(s->count - i));
            const vint16m4_t wide = __riscv_vsext_vf2_i16m4(__riscv_vle8_v_i8m2(x + i, n), n);
            vfloat32m8_t value =
                __riscv_vfsub_vf_f32m8(__riscv_vfwcvt_f_x_v_f32m8(wide, n), mean, n);
            value = __riscv_vfmul_vf_f32m8(value, inverse, n);
            value = __riscv_vfmul_vv_f32m8(value, __riscv_vle32_v_f32m8(weight + i, n), n);
            value = __riscv_vfadd_vv_f32m8(value, __riscv_vle32_v_f32m8(bias + i, n), n);
            value = __riscv_vfdiv_vf_f32m8(value, s->scale, n);
            value = __riscv_vfmin_vf_f32m8(__riscv_vfmax_vf_f32m8(value, low, n), high, n);
            const vint16m4_t near =
                __riscv_vadd_vx_i16m4(__riscv_vfncvt_x_f_w_i16m4(value, n), (int16_t)s->zero, n);
            __riscv_vse8_v_i8m2(y + i, __riscv_vncvt_x_x_w_i8m2(near, n), n);
        }
#else
        for (int32_t i = 0; i < s->count; i++) {
            const float value = ((float)x[i] - mean) * inverse * weight[i] + bias[i];
            y[i] = (int8_t)(round_even(clamp_float(value / s->scale, low, high)) + s->zero);
        }
#endif
    }
}
