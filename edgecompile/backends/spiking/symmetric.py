"""The same connection in the narrower forms that file formats have."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgecompile.backends.spiking.network import Connection


def with_equal_pads(connection: Connection) -> Connection:
    """Equal padding on both sides: where it was larger on one, the kernel gets zeros there.

    ``out[i]`` then covers more rows, of which the new ones have weight 0: exact.
    """
    top, left, bottom, right = connection.pads
    if (top, left) == (bottom, right):
        return connection
    height, width = max(top, bottom), max(left, right)
    step_y, step_x = connection.dilation
    if ((height - top) % step_y, (width - left) % step_x) != (0, 0):
        raise NotImplementedError("unequal padding of a dilated convolution")
    grown = (
        ((height - top) // step_y, (height - bottom + step_y - 1) // step_y),
        ((width - left) // step_x, (width - right + step_x - 1) // step_x),
    )
    # Zeros before the kernel make up for padding before the image; those behind it keep the size.
    weight = np.pad(connection.weight, ((0, 0), (0, 0), *grown))
    return replace(connection, weight=weight, pads=(height, width, height, width))


def with_pool_in_kernel(connection: Connection) -> Connection:
    """The sum of windows as a kernel that is larger by the window: each weight is repeated. Exact
    unless the image is padded and what fills no window lies at its border."""
    pool_y, pool_x = connection.pool
    if connection.area == 1 or connection.is_dense:
        return connection
    weight = connection.weight.repeat(pool_y, axis=2).repeat(pool_x, axis=3)
    if connection.dilation != (1, 1):
        raise NotImplementedError("a dilated convolution of a pool")
    top, left, bottom, right = connection.pads
    return replace(
        connection,
        weight=weight,
        stride=(connection.stride[0] * pool_y, connection.stride[1] * pool_x),
        pads=(top * pool_y, left * pool_x, bottom * pool_y, right * pool_x),
        pool=(1, 1),
    )
