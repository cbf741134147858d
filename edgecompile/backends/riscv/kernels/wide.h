/* Activations of 16 bits: operators on them are computed in float between these. */

/* ---- quantize_s16 needs clamp_float, round_even ---- */
static void quantize_s16(const float *x, int16_t *y, int32_t count, float scale, int32_t zero)
{
    for (int32_t i = 0; i < count; i++) {
        const float low = (float)(-32768 - zero), high = (float)(32767 - zero);
        y[i] = (int16_t)(round_even(clamp_float(x[i] / scale, low, high)) + zero);
    }
}

/* ---- dequantize_s16 ---- */
static void dequantize_s16(const int16_t *x, float *y, int32_t count, float scale, int32_t zero)
{
    for (int32_t i = 0; i < count; i++)
        y[i] = (float)(x[i] - zero) * scale;
}
