"""LayerNormalization."""

from edgecompile.conformance.cases.case import Case

CASES = [
    Case("LayerNormalization", "a sequence", "float[1,6,16] x",
         "y = LayerNormalization<axis=-1>(x, w, b)", "float[16] w, float[16] b"),
    Case("LayerNormalization", "without bias", "float[1,6,16] x",
         "y = LayerNormalization<axis=2, epsilon=0.001>(x, w)", "float[16] w"),
    Case("LayerNormalization", "between products", "float[1,6,16] x",
         "c = MatMul(x, v) n = LayerNormalization(c, w, b) y = MatMul(n, v)",
         "float[16,16] v, float[16] w, float[16] b", lsb=3),  # three roundings
    Case("LayerNormalization", "a vector", "float[1,16] x",
         "y = LayerNormalization(x, w, b)", "float[16] w, float[16] b"),
    Case("LayerNormalization", "the last axis of an image", "float[1,3,4,8] x",
         "y = LayerNormalization(x, w, b)", "float[8] w, float[8] b"),
    Case("LayerNormalization", "channels last, as ConvNeXt has them", "float[1,8,4,4] x",
         "t = Transpose<perm=[0,2,3,1]>(x) n = LayerNormalization(t, w, b) "
         "y = Transpose<perm=[0,3,1,2]>(n)", "float[8] w, float[8] b"),
]  # fmt: skip
