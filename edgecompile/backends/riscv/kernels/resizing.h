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
/* Two neighbours by row and by column, and how much of the second one a pixel has. */
struct resizing {
    int32_t rows, columns, width, channels;
};

/* ---- resize_linear_s8 needs resizing_shape, round_even ---- */
static void resize_linear_s8(const int8_t *x, int8_t *y, const int32_t *row_of,
                             const float *row_share, const int32_t *column_of,
                             const float *column_share, const struct resizing *s)
{
    for (int32_t row = 0; row < s->rows; row++)
        for (int32_t column = 0; column < s->columns; column++) {
            const float down = row_share[row], right = column_share[column];
            const int32_t top = row_of[2 * row] * s->width, low = row_of[2 * row + 1] * s->width;
            const int32_t near = column_of[2 * column], far = column_of[2 * column + 1];
            for (int32_t c = 0; c < s->channels; c++) {
                const float upper = (1.0f - right) * (float)x[(top + near) * s->channels + c]
                                    + right * (float)x[(top + far) * s->channels + c];
                const float lower = (1.0f - right) * (float)x[(low + near) * s->channels + c]
                                    + right * (float)x[(low + far) * s->channels + c];
                *y++ = (int8_t)round_even((1.0f - down) * upper + down * lower);
            }
        }
}

/* ---- resize_linear_f32 needs resizing_shape ---- */
static void resize_linear_f32(const float *x, float *y, const int32_t *row_of,
                              const float *row_share, const int32_t *column_of,
                              const float *column_share, const struct resizing *s)
{
    for (int32_t row = 0; row < s->rows; row++)
        for (int32_t column = 0; column < s->columns; column++) {
            const float down = row_share[row], right = column_share[column];
            const int32_t top = row_of[2 * row] * s->width, low = row_of[2 * row + 1] * s->width;
            const int32_t near = column_of[2 * column], far = column_of[2 * column + 1];
            for (int32_t c = 0; c < s->channels; c++) {
                const float upper = (1.0f - right) * x[(top + near) * s->channels + c]
                                    + right * x[(top + far) * s->channels + c];
                const float lower = (1.0f - right) * x[(low + near) * s->channels + c]
                                    + right * x[(low + far) * s->channels + c];
                *y++ = (1.0f - down) * upper + down * lower;
            }
        }
}
