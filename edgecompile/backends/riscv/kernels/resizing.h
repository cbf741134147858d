/* Images in another size. */

/* ---- pick_pixels ---- */
/* Row and column of the source by row and column of the result; a pixel is `bytes` long. */
static void pick_pixels(const void *from, void *to, const int32_t *row_of, const int32_t *column_of,
                        int32_t rows, int32_t columns, int32_t width, int32_t bytes)
{
    const int8_t *x = (const int8_t *)from;
    int8_t *y = (int8_t *)to;
    for (int32_t row = 0; row < rows; row++)
        for (int32_t column = 0; column < columns; column++) {
            const int8_t *pixel = x + (row_of[row] * width + column_of[column]) * bytes;
            for (int32_t i = 0; i < bytes; i++)
                *y++ = pixel[i];
        }
}

/* ---- resizing_shape ---- */
/* A pixel of the result lies between two rows and two columns; two shares say how near to which. */
struct resizing {
    int32_t rows, columns, width, channels;
};

/* ---- resize_linear_s8 needs resizing_shape, round_even ---- */
/* Many results are ties: the reals are multiplied and added in ONNX Runtime's order. */
static void resize_linear_s8(const int8_t *x, int8_t *y, const int32_t *row_of,
                             const float *row_share, const int32_t *column_of,
                             const float *column_share, const struct resizing *s, int32_t zero,
                             float scale)
{
    for (int32_t row = 0; row < s->rows; row++, row_of += 2, row_share += 2)
        for (int32_t column = 0; column < s->columns; column++) {
            const float left = column_share[2 * column], right = column_share[2 * column + 1];
            const int8_t *top = x + row_of[0] * s->width * s->channels;
            const int8_t *low = x + row_of[1] * s->width * s->channels;
            const int32_t near = column_of[2 * column] * s->channels;
            const int32_t far = column_of[2 * column + 1] * s->channels;
            for (int32_t c = 0; c < s->channels; c++) {
                const float value =
                    left * row_share[0] * ((float)(top[near + c] - zero) * scale)
                    + right * row_share[0] * ((float)(top[far + c] - zero) * scale)
                    + left * row_share[1] * ((float)(low[near + c] - zero) * scale)
                    + right * row_share[1] * ((float)(low[far + c] - zero) * scale);
                *y++ = (int8_t)(round_even(value / scale) + zero);
            }
        }
}

/* ---- resize_linear_f32 needs resizing_shape ---- */
static void resize_linear_f32(const float *x, float *y, const int32_t *row_of,
                              const float *row_share, const int32_t *column_of,
                              const float *column_share, const struct resizing *s)
{
    for (int32_t row = 0; row < s->rows; row++, row_of += 2, row_share += 2)
        for (int32_t column = 0; column < s->columns; column++) {
            const float left = column_share[2 * column], right = column_share[2 * column + 1];
            const float *top = x + row_of[0] * s->width * s->channels;
            const float *low = x + row_of[1] * s->width * s->channels;
            const int32_t near = column_of[2 * column] * s->channels;
            const int32_t far = column_of[2 * column + 1] * s->channels;
            for (int32_t c = 0; c < s->channels; c++)
                *y++ = left * row_share[0] * top[near + c] + right * row_share[0] * top[far + c]
                       + left * row_share[1] * low[near + c] + right * row_share[1] * low[far + c];
        }
}
