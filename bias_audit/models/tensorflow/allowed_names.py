"""Names that a Keras file may use, as literal lists; a file with any other name is refused before Keras reads it.

Listed are classes and functions that compute on tensors and do nothing else: they touch no files and no network, run no
Python code of the file's choice, and take no other function. A missing name makes an honest model fail with a sentence;
a name too many lets a file act. So whoever adds an entry must look at what its arguments can do:
`nn.fixed_unigram_candidate_sampler` reads a vocabulary file, though it stands among ReLU and softmax.
"""

from __future__ import annotations

TENSOR_FUNCTIONS = frozenset({
    "__operators__.add", "__operators__.eq", "__operators__.getitem", "__operators__.ne", "abs", "acos", "acosh",
    "add", "add_n", "angle", "arg_max", "arg_min", "argmax", "argmin", "argsort", "asin", "asinh", "atan", "atan2",
    "atanh", "batch_gather", "batch_to_space", "batch_to_space_nd", "bitcast", "bitwise.bitwise_and",
    "bitwise.bitwise_or", "bitwise.bitwise_xor", "bitwise.invert", "bitwise.left_shift", "bitwise.right_shift",
    "boolean_mask", "broadcast_dynamic_shape", "broadcast_static_shape", "broadcast_to", "cast", "ceil",
    "clip_by_average_norm", "clip_by_global_norm", "clip_by_norm", "clip_by_value", "complex", "concat", "conj",
    "constant", "convert_to_tensor", "cos", "cosh", "count_nonzero", "cross", "cumprod", "cumsum", "depth_to_space",
    "diag", "diag_part", "div", "div_no_nan", "divide", "dtypes.cast", "dtypes.complex", "dtypes.saturate_cast",
    "dynamic_partition", "dynamic_stitch", "einsum", "ensure_shape", "equal", "erf", "erfc", "exp", "expand_dims",
    "expm1", "extract_image_patches", "extract_volume_patches", "eye", "fake_quant_with_min_max_args",
    "fake_quant_with_min_max_vars", "fake_quant_with_min_max_vars_per_channel", "fft", "fft2d", "fft3d", "fill",
    "floor", "floor_div", "floordiv", "floormod", "gather", "gather_nd", "global_norm", "greater", "greater_equal",
    "guarantee_const", "histogram_fixed_width", "identity", "identity_n", "ifft", "ifft2d", "ifft3d", "imag",
    "image.adjust_brightness", "image.adjust_contrast", "image.adjust_gamma", "image.adjust_hue",
    "image.adjust_jpeg_quality", "image.adjust_saturation", "image.central_crop",
    "image.combined_non_max_suppression", "image.convert_image_dtype", "image.crop_and_resize",
    "image.crop_to_bounding_box", "image.draw_bounding_boxes", "image.extract_glimpse", "image.extract_image_patches",
    "image.extract_patches", "image.flip_left_right", "image.flip_up_down", "image.grayscale_to_rgb",
    "image.hsv_to_rgb", "image.image_gradients", "image.non_max_suppression", "image.non_max_suppression_overlaps",
    "image.non_max_suppression_padded", "image.non_max_suppression_with_scores", "image.pad_to_bounding_box",
    "image.per_image_standardization", "image.psnr", "image.random_brightness", "image.random_contrast",
    "image.random_crop", "image.random_flip_left_right", "image.random_flip_up_down", "image.random_hue",
    "image.random_jpeg_quality", "image.random_saturation", "image.resize", "image.resize_area",
    "image.resize_bicubic", "image.resize_bilinear", "image.resize_image_with_crop_or_pad",
    "image.resize_image_with_pad", "image.resize_images", "image.resize_nearest_neighbor",
    "image.resize_with_crop_or_pad", "image.resize_with_pad", "image.rgb_to_grayscale", "image.rgb_to_hsv",
    "image.rgb_to_yiq", "image.rgb_to_yuv", "image.rot90", "image.sample_distorted_bounding_box", "image.sobel_edges",
    "image.ssim", "image.ssim_multiscale", "image.stateless_random_brightness", "image.stateless_random_contrast",
    "image.stateless_random_crop", "image.stateless_random_flip_left_right", "image.stateless_random_flip_up_down",
    "image.stateless_random_hue", "image.stateless_random_jpeg_quality", "image.stateless_random_saturation",
    "image.stateless_sample_distorted_bounding_box", "image.total_variation", "image.transpose",
    "image.transpose_image", "image.yiq_to_rgb", "image.yuv_to_rgb", "invert_permutation", "is_finite", "is_inf",
    "is_nan", "keras.activations.elu", "keras.activations.exponential", "keras.activations.gelu",
    "keras.activations.hard_sigmoid", "keras.activations.linear", "keras.activations.mish", "keras.activations.relu",
    "keras.activations.selu", "keras.activations.sigmoid", "keras.activations.softmax", "keras.activations.softplus",
    "keras.activations.softsign", "keras.activations.swish", "keras.activations.tanh", "keras.backend.abs",
    "keras.backend.all", "keras.backend.any", "keras.backend.arange", "keras.backend.argmax", "keras.backend.argmin",
    "keras.backend.batch_dot", "keras.backend.batch_flatten", "keras.backend.batch_normalization",
    "keras.backend.bias_add", "keras.backend.binary_crossentropy", "keras.backend.cast",
    "keras.backend.categorical_crossentropy", "keras.backend.clip", "keras.backend.concatenate",
    "keras.backend.constant", "keras.backend.conv1d", "keras.backend.conv2d", "keras.backend.conv2d_transpose",
    "keras.backend.conv3d", "keras.backend.cos", "keras.backend.cumprod", "keras.backend.cumsum",
    "keras.backend.depthwise_conv2d", "keras.backend.dot", "keras.backend.dropout", "keras.backend.elu",
    "keras.backend.equal", "keras.backend.exp", "keras.backend.expand_dims", "keras.backend.eye",
    "keras.backend.flatten", "keras.backend.gather", "keras.backend.greater", "keras.backend.greater_equal",
    "keras.backend.hard_sigmoid", "keras.backend.in_top_k", "keras.backend.l2_normalize", "keras.backend.less",
    "keras.backend.less_equal", "keras.backend.local_conv1d", "keras.backend.local_conv2d", "keras.backend.log",
    "keras.backend.max", "keras.backend.maximum", "keras.backend.mean", "keras.backend.min", "keras.backend.minimum",
    "keras.backend.not_equal", "keras.backend.one_hot", "keras.backend.ones", "keras.backend.ones_like",
    "keras.backend.permute_dimensions", "keras.backend.pool2d", "keras.backend.pool3d", "keras.backend.pow",
    "keras.backend.prod", "keras.backend.random_normal", "keras.backend.random_uniform", "keras.backend.relu",
    "keras.backend.repeat", "keras.backend.repeat_elements", "keras.backend.reshape", "keras.backend.resize_images",
    "keras.backend.resize_volumes", "keras.backend.reverse", "keras.backend.round", "keras.backend.separable_conv2d",
    "keras.backend.shape", "keras.backend.sigmoid", "keras.backend.sign", "keras.backend.sin",
    "keras.backend.softmax", "keras.backend.softplus", "keras.backend.softsign", "keras.backend.spatial_2d_padding",
    "keras.backend.spatial_3d_padding", "keras.backend.sqrt", "keras.backend.square", "keras.backend.squeeze",
    "keras.backend.stack", "keras.backend.std", "keras.backend.stop_gradient", "keras.backend.sum",
    "keras.backend.tanh", "keras.backend.temporal_padding", "keras.backend.tile", "keras.backend.transpose",
    "keras.backend.truncated_normal", "keras.backend.var", "keras.backend.zeros", "keras.backend.zeros_like", "less",
    "less_equal", "lgamma", "lin_space", "linalg.adjoint", "linalg.band_part", "linalg.banded_triangular_solve",
    "linalg.cholesky", "linalg.cholesky_solve", "linalg.cross", "linalg.det", "linalg.diag", "linalg.diag_part",
    "linalg.eig", "linalg.eigh", "linalg.eigh_tridiagonal", "linalg.eigvals", "linalg.eigvalsh", "linalg.einsum",
    "linalg.expm", "linalg.eye", "linalg.global_norm", "linalg.inv", "linalg.l2_normalize", "linalg.logdet",
    "linalg.logm", "linalg.lstsq", "linalg.lu", "linalg.lu_matrix_inverse", "linalg.lu_reconstruct",
    "linalg.lu_solve", "linalg.matmul", "linalg.matrix_rank", "linalg.matrix_transpose", "linalg.matvec",
    "linalg.norm", "linalg.normalize", "linalg.pinv", "linalg.qr", "linalg.set_diag", "linalg.slogdet",
    "linalg.solve", "linalg.sqrtm", "linalg.svd", "linalg.tensor_diag", "linalg.tensor_diag_part", "linalg.tensordot",
    "linalg.trace", "linalg.transpose", "linalg.triangular_solve", "linalg.tridiagonal_matmul",
    "linalg.tridiagonal_solve", "linspace", "log", "log1p", "log_sigmoid", "logical_and", "logical_not", "logical_or",
    "logical_xor", "math.abs", "math.accumulate_n", "math.acos", "math.acosh", "math.add", "math.add_n", "math.angle",
    "math.approx_max_k", "math.approx_min_k", "math.argmax", "math.argmin", "math.asin", "math.asinh", "math.atan",
    "math.atan2", "math.atanh", "math.bessel_i0", "math.bessel_i0e", "math.bessel_i1", "math.bessel_i1e",
    "math.betainc", "math.bincount", "math.ceil", "math.confusion_matrix", "math.conj", "math.cos", "math.cosh",
    "math.count_nonzero", "math.cumprod", "math.cumsum", "math.cumulative_logsumexp", "math.digamma", "math.divide",
    "math.divide_no_nan", "math.equal", "math.erf", "math.erfc", "math.erfcinv", "math.erfinv", "math.exp",
    "math.expm1", "math.floor", "math.floordiv", "math.floormod", "math.greater", "math.greater_equal", "math.igamma",
    "math.igammac", "math.imag", "math.in_top_k", "math.invert_permutation", "math.is_finite", "math.is_inf",
    "math.is_nan", "math.is_non_decreasing", "math.is_strictly_increasing", "math.l2_normalize", "math.lbeta",
    "math.less", "math.less_equal", "math.lgamma", "math.log", "math.log1p", "math.log_sigmoid", "math.log_softmax",
    "math.logical_and", "math.logical_not", "math.logical_or", "math.logical_xor", "math.maximum", "math.minimum",
    "math.mod", "math.multiply", "math.multiply_no_nan", "math.ndtri", "math.negative", "math.nextafter",
    "math.not_equal", "math.polygamma", "math.polyval", "math.pow", "math.real", "math.reciprocal",
    "math.reciprocal_no_nan", "math.reduce_all", "math.reduce_any", "math.reduce_euclidean_norm",
    "math.reduce_logsumexp", "math.reduce_max", "math.reduce_mean", "math.reduce_min", "math.reduce_prod",
    "math.reduce_std", "math.reduce_sum", "math.reduce_variance", "math.rint", "math.round", "math.rsqrt",
    "math.scalar_mul", "math.segment_max", "math.segment_mean", "math.segment_min", "math.segment_prod",
    "math.segment_sum", "math.sigmoid", "math.sign", "math.sin", "math.sinh", "math.sobol_sample", "math.softmax",
    "math.softplus", "math.softsign", "math.sqrt", "math.square", "math.squared_difference", "math.subtract",
    "math.tan", "math.tanh", "math.top_k", "math.truediv", "math.unsorted_segment_max", "math.unsorted_segment_mean",
    "math.unsorted_segment_min", "math.unsorted_segment_prod", "math.unsorted_segment_sqrt_n",
    "math.unsorted_segment_sum", "math.xdivy", "math.xlog1py", "math.xlogy", "math.zero_fraction", "math.zeta",
    "matmul", "matrix_band_part", "matrix_diag", "matrix_diag_part", "matrix_inverse", "matrix_set_diag",
    "matrix_transpose", "maximum", "meshgrid", "minimum", "mod", "multiply", "negative", "nn.approx_max_k",
    "nn.approx_min_k", "nn.atrous_conv2d", "nn.atrous_conv2d_transpose", "nn.avg_pool", "nn.avg_pool1d",
    "nn.avg_pool2d", "nn.avg_pool3d", "nn.avg_pool_v2", "nn.batch_norm_with_global_normalization",
    "nn.batch_normalization", "nn.bias_add", "nn.collapse_repeated", "nn.conv1d", "nn.conv1d_transpose", "nn.conv2d",
    "nn.conv2d_backprop_filter", "nn.conv2d_backprop_input", "nn.conv2d_transpose", "nn.conv3d",
    "nn.conv3d_backprop_filter", "nn.conv3d_backprop_filter_v2", "nn.conv3d_transpose", "nn.conv_transpose",
    "nn.convolution", "nn.crelu", "nn.depth_to_space", "nn.depthwise_conv2d", "nn.depthwise_conv2d_backprop_filter",
    "nn.depthwise_conv2d_backprop_input", "nn.depthwise_conv2d_native", "nn.depthwise_conv2d_native_backprop_filter",
    "nn.depthwise_conv2d_native_backprop_input", "nn.dilation2d", "nn.dropout", "nn.elu", "nn.embedding_lookup",
    "nn.erosion2d", "nn.fractional_avg_pool", "nn.fractional_max_pool", "nn.gelu", "nn.in_top_k",
    "nn.isotonic_regression", "nn.l2_loss", "nn.l2_normalize", "nn.leaky_relu", "nn.local_response_normalization",
    "nn.log_poisson_loss", "nn.log_softmax", "nn.lrn", "nn.max_pool", "nn.max_pool1d", "nn.max_pool2d",
    "nn.max_pool3d", "nn.max_pool_v2", "nn.max_pool_with_argmax", "nn.moments", "nn.normalize_moments", "nn.pool",
    "nn.quantized_avg_pool", "nn.quantized_conv2d", "nn.quantized_max_pool", "nn.quantized_relu_x", "nn.relu",
    "nn.relu6", "nn.relu_layer", "nn.selu", "nn.separable_conv2d", "nn.sigmoid",
    "nn.sigmoid_cross_entropy_with_logits", "nn.silu", "nn.softmax", "nn.softmax_cross_entropy_with_logits",
    "nn.softmax_cross_entropy_with_logits_v2", "nn.softplus", "nn.softsign", "nn.space_to_batch", "nn.space_to_depth",
    "nn.sparse_softmax_cross_entropy_with_logits", "nn.sufficient_statistics", "nn.swish", "nn.tanh", "nn.top_k",
    "nn.weighted_cross_entropy_with_logits", "nn.weighted_moments", "nn.zero_fraction", "norm", "not_equal",
    "one_hot", "ones", "ones_like", "pad", "pow", "quantization.fake_quant_with_min_max_args",
    "quantization.fake_quant_with_min_max_vars", "quantization.fake_quant_with_min_max_vars_per_channel",
    "quantization.quantize_and_dequantize", "quantization.quantize_and_dequantize_v2", "random.categorical",
    "random.gamma", "random.normal", "random.poisson", "random.shuffle", "random.stateless_categorical",
    "random.stateless_normal", "random.stateless_truncated_normal", "random.stateless_uniform",
    "random.truncated_normal", "random.uniform", "random_crop", "random_normal", "random_shuffle", "random_uniform",
    "range", "rank", "real", "realdiv", "reciprocal", "reduce_all", "reduce_any", "reduce_logsumexp", "reduce_max",
    "reduce_mean", "reduce_min", "reduce_prod", "reduce_sum", "repeat", "reshape", "reverse", "reverse_sequence",
    "reverse_v2", "rint", "roll", "round", "rsqrt", "saturate_cast", "scalar_mul", "scatter_nd", "searchsorted",
    "segment_max", "segment_mean", "segment_min", "segment_prod", "segment_sum", "sequence_mask", "shape", "shape_n",
    "sigmoid", "sign", "signal.dct", "signal.fft", "signal.fft2d", "signal.fft3d", "signal.fftshift", "signal.frame",
    "signal.idct", "signal.ifft", "signal.ifft2d", "signal.ifft3d", "signal.ifftshift", "signal.irfft",
    "signal.irfft2d", "signal.irfft3d", "signal.overlap_and_add", "signal.rfft", "signal.rfft2d", "signal.rfft3d",
    "sin", "sinh", "size", "slice", "sort", "space_to_batch", "space_to_batch_nd", "space_to_depth", "split", "sqrt",
    "square", "squared_difference", "squeeze", "stack", "stop_gradient", "strided_slice", "subtract", "svd", "tan",
    "tanh", "tensor_scatter_add", "tensor_scatter_nd_add", "tensor_scatter_nd_max", "tensor_scatter_nd_min",
    "tensor_scatter_nd_sub", "tensor_scatter_nd_update", "tensor_scatter_sub", "tensor_scatter_update", "tensordot",
    "tile", "to_bfloat16", "to_double", "to_float", "to_int32", "to_int64", "trace", "transpose", "truediv",
    "truncated_normal", "truncatediv", "truncatemod", "unique", "unique_with_counts", "unravel_index",
    "unsorted_segment_max", "unsorted_segment_mean", "unsorted_segment_min", "unsorted_segment_prod",
    "unsorted_segment_sqrt_n", "unsorted_segment_sum", "unstack", "where", "where_v2", "zeros", "zeros_like",
})  # fmt: skip
"""TensorFlow functions that Keras 2's TFOpLambda and SlicingOpLambda may call, as TensorFlow exports them.

A name may follow "compat.v1.": that is the first version of the function, and computes the same kind of thing.
"""

OPERATIONS = frozenset({
    "Abs", "Add", "AddN", "AddV2", "All", "Any", "ArgMax", "ArgMin", "AvgPool", "BatchMatMul", "BatchMatMulV2",
    "BiasAdd", "BroadcastTo", "Cast", "Ceil", "ClipByValue", "ConcatV2", "Conv2D", "Cos", "CropAndResize", "Cumsum",
    "DepthToSpace", "DepthwiseConv2dNative", "Div", "DivNoNan", "Einsum", "Elu", "Equal", "Erf", "Exp", "ExpandDims",
    "Fill", "Floor", "FloorDiv", "FloorMod", "FusedBatchNormV3", "GatherNd", "GatherV2", "Greater", "GreaterEqual",
    "Identity", "L2Loss", "LRN", "LeakyRelu", "Less", "LessEqual", "Log", "Log1p", "LogSoftmax", "LogicalAnd",
    "LogicalNot", "LogicalOr", "MatMul", "Max", "MaxPool", "Maximum", "Mean", "Min", "Minimum", "MirrorPad", "Mul",
    "Neg", "NotEqual", "OneHot", "OnesLike", "Pack", "Pad", "PadV2", "Pow", "Prod", "Range", "Rank", "RealDiv",
    "Reciprocal", "Relu", "Relu6", "Reshape", "ResizeArea", "ResizeBicubic", "ResizeBilinear",
    "ResizeNearestNeighbor", "ReverseV2", "Round", "Rsqrt", "Select", "SelectV2", "Selu", "Shape", "Sigmoid", "Sign",
    "Sin", "Size", "Slice", "Softmax", "Softplus", "Softsign", "SpaceToDepth", "Split", "SplitV", "Sqrt", "Square",
    "SquaredDifference", "Squeeze", "StopGradient", "StridedSlice", "Sub", "Sum", "Tanh", "Tile", "TopKV2",
    "Transpose", "Unpack", "ZerosLike",
})  # fmt: skip
"""Operations that Keras 2's TensorFlowOpLayer, a layer around a piece of a graph, may hold (TensorFlow 2.0 to 2.3)."""

LAYERS = frozenset({
    "Functional", "Model", "Sequential", "CustomScaleLayer", "Custom>CustomScaleLayer", "LayerScale", "StochasticDepth",
    "Activation", "ActivityRegularization", "AdaptiveAveragePooling1D", "AdaptiveAveragePooling2D",
    "AdaptiveAveragePooling3D", "AdaptiveMaxPooling1D", "AdaptiveMaxPooling2D", "AdaptiveMaxPooling3D", "Add",
    "AddLoss", "AdditiveAttention", "AlphaDropout", "Attention", "AugMix", "AutoContrast", "Average",
    "AveragePooling1D", "AveragePooling2D", "AveragePooling3D", "AvgPool1D", "AvgPool2D", "AvgPool3D",
    "BatchNormalization", "BatchNormalizationV1", "BatchNormalizationV2", "Bidirectional", "CategoryEncoding",
    "CenterCrop", "Concatenate", "ContrastLimitedAdaptiveHistogramEqualization", "Conv1D", "Conv1DTranspose",
    "Conv2D", "Conv2DTranspose", "Conv3D", "Conv3DTranspose", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D",
    "Convolution1D", "Convolution1DTranspose", "Convolution2D", "Convolution2DTranspose", "Convolution3D",
    "Convolution3DTranspose", "Cropping1D", "Cropping2D", "Cropping3D", "CuDNNGRU", "CuDNNLSTM", "CutMix", "Dense",
    "DepthwiseConv1D", "DepthwiseConv2D", "Discretization", "Dot", "Dropout", "ELU", "EinsumDense", "Embedding",
    "Equalization", "Flatten", "GRU", "GRUCell", "GRUCellV1", "GRUCellV2", "GRUV1", "GRUV2", "GaussianDropout",
    "GaussianNoise", "GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalAveragePooling3D", "GlobalAvgPool1D",
    "GlobalAvgPool2D", "GlobalAvgPool3D", "GlobalMaxPool1D", "GlobalMaxPool2D", "GlobalMaxPool3D",
    "GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalMaxPooling3D", "GroupNormalization", "GroupQueryAttention",
    "HashedCrossing", "Hashing", "Identity", "InputLayer", "LSTM", "LSTMCell", "LSTMCellV1", "LSTMCellV2", "LSTMV1",
    "LSTMV2", "LayerNormalization", "LeakyReLU", "LocallyConnected1D", "LocallyConnected2D", "Masking",
    "MaxNumBoundingBoxes", "MaxPool1D", "MaxPool2D", "MaxPool3D", "MaxPooling1D", "MaxPooling2D", "MaxPooling3D",
    "Maximum", "MelSpectrogram", "Minimum", "MixUp", "MultiHeadAttention", "Multiply", "Normalization", "PReLU",
    "Permute", "Pipeline", "RMSNormalization", "RNN", "RandAugment", "RandomBrightness", "RandomColorDegeneration",
    "RandomColorJitter", "RandomContrast", "RandomCrop", "RandomElasticTransform", "RandomErasing", "RandomFlip",
    "RandomGaussianBlur", "RandomGrayscale", "RandomHeight", "RandomHue", "RandomInvert", "RandomPerspective",
    "RandomPosterization", "RandomRotation", "RandomSaturation", "RandomSharpness", "RandomShear",
    "RandomTranslation", "RandomWidth", "RandomZoom", "ReLU", "RepeatVector", "Rescaling", "Reshape", "Resizing",
    "ReversibleEmbedding", "STFTSpectrogram", "SeparableConv1D", "SeparableConv2D", "SeparableConvolution1D",
    "SeparableConvolution2D", "SimpleRNN", "SimpleRNNCell", "Softmax", "Solarization", "SpatialDropout1D",
    "SpatialDropout2D", "SpatialDropout3D", "SpectralNormalization", "StackedRNNCells", "Subtract",
    "SyncBatchNormalization", "ThresholdedReLU", "TimeDistributed", "UnitNormalization", "UpSampling1D",
    "UpSampling2D", "UpSampling3D", "ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D",
})  # fmt: skip
"""Layers and models of Keras 2 and 3; CustomScaleLayer, LayerScale and StochasticDepth are of keras.applications."""

LOOKUPS = frozenset({"IntegerLookup", "StringLookup", "TextVectorization"})
"""Layers that may hold their vocabulary, but not name a path: Keras would read that file or fetch that address."""

OPERATION_LAYERS = frozenset({
    "Abs", "Absolute", "AdaptiveAveragePool", "AdaptiveMaxPool", "Add", "AffineTransform", "All", "AllClose", "Amax",
    "Amin", "Angle", "Any", "Append", "Arange", "Arccos", "Arccosh", "Arcsin", "Arcsinh", "Arctan", "Arctan2",
    "Arctanh", "Argmax", "Argmin", "Argpartition", "Argsort", "Array", "ArraySplit", "Average", "AveragePool",
    "BatchNorm", "BinaryCrossentropy", "Bincount", "BitwiseAnd", "BitwiseInvert", "BitwiseLeftShift", "BitwiseNot",
    "BitwiseOr", "BitwiseRightShift", "BitwiseXor", "BroadcastTo", "CDist", "CTCDecode", "CTCLoss", "Cast",
    "CategoricalCrossentropy", "Cbrt", "Ceil", "Celu", "CenterCrop", "Cholesky", "CholeskyInverse", "Clip",
    "Concatenate", "Conj", "Conjugate", "Conv", "ConvTranspose", "ConvertToTensor", "Copy", "Corrcoef", "Correlate",
    "Cos", "Cosh", "CountNonzero", "CropImages", "Cross", "Cumprod", "Cumsum", "Deg2rad", "DepthToSpace",
    "DepthwiseConv", "Det", "Diag", "Diagflat", "Diagonal", "Diff", "Digitize", "Divide", "DivideNoNan", "Dot",
    "DotProductAttention", "Dsplit", "Dstack", "Eig", "Eigh", "Einsum", "ElasticTransform", "Elu", "EmptyLike",
    "Equal", "Erf", "Erfc", "Erfinv", "Exp", "Exp2", "ExpandDims", "Expm1", "ExtractPatches", "ExtractSequences",
    "FFT", "FFT2", "Fabs", "Flip", "Fliplr", "Flipud", "Floor", "FloorDivide", "Fmax", "Fmin", "Fmod", "Fold", "Full",
    "FullLike", "GaussianBlur", "Gcd", "Gelu", "Geomspace", "GetItem", "Glu", "Greater", "GreaterEqual", "HSVToRGB",
    "HardShrink", "HardSigmoid", "HardSilu", "HardTanh", "Heaviside", "Histogram", "Hsplit", "Hstack", "Hypot", "I0",
    "IFFT2", "IRFFT", "ISTFT", "Imag", "InTopK", "Inner", "Inv", "IsIn", "Isclose", "Isfinite", "Isinf", "Isnan",
    "Isneginf", "Isposinf", "Isreal", "Kron", "LayerNorm", "Lcm", "Ldexp", "LeakyRelu", "LeftShift", "Less",
    "LessEqual", "Linspace", "Log", "Log10", "Log1p", "Log2", "LogSigmoid", "LogSoftmax", "Logaddexp", "Logaddexp2",
    "Logdet", "LogicalAnd", "LogicalNot", "LogicalOr", "LogicalXor", "Logspace", "Logsumexp", "Lstsq", "LuFactor",
    "MapCoordinates", "Matmul", "MatrixRank", "Max", "MaxPool", "Maximum", "Mean", "Median", "Meshgrid", "Min",
    "Minimum", "Mod", "Moments", "Moveaxis", "MultiHot", "Multiply", "NanToNum", "Nanargmax", "Nanargmin",
    "Nancumprod", "Nancumsum", "Nanmax", "Nanmean", "Nanmedian", "Nanmin", "Nanpercentile", "Nanprod", "Nanquantile",
    "Nanstd", "Nansum", "Nanvar", "Ndim", "Negative", "Nextafter", "Nonzero", "Norm", "Normalize", "NotEqual",
    "OneHot", "OnesLike", "Outer", "PSNR", "Pad", "PadImages", "Percentile", "PerspectiveTransform", "Pinv", "Polar",
    "Power", "Prod", "Ptp", "Qr", "Quantile", "RFFT", "RGBToGrayscale", "RGBToHSV", "RMSNorm", "Rad2deg", "Ravel",
    "Real", "Rearrange", "Reciprocal", "Relu", "Relu6", "Repeat", "Reshape", "Resize", "RightShift", "Roll", "Rot90",
    "Round", "Rsqrt", "SSIM", "STFT", "SVD", "SaturateCast", "ScaleAndTranslate", "Scatter", "ScatterUpdate",
    "SearchSorted", "SegmentMax", "SegmentMin", "SegmentProd", "SegmentReduction", "SegmentSum", "Select", "Selu",
    "SeparableConv", "Sigmoid", "Sign", "Signbit", "Silu", "Sin", "Sinc", "Sinh", "Size", "Slice", "SliceUpdate",
    "Slogdet", "SobelEdges", "SoftShrink", "Softmax", "Softplus", "Softsign", "Solve", "SolveTriangular", "Sort",
    "SpaceToDepth", "SparseCategoricalCrossentropy", "SparsePlus", "SparseSigmoid", "Sparsemax", "Split", "Sqrt",
    "Square", "Squareplus", "Squeeze", "Stack", "Std", "StopGradient", "Subtract", "Sum", "Swapaxes", "Take",
    "TakeAlongAxis", "Tan", "Tanh", "TanhShrink", "Tensordot", "Threshold", "Tile", "TopK", "Trace", "Transpose",
    "Trapezoid", "Tril", "Triu", "TrueDivide", "Trunc", "Unfold", "Unique", "UnravelIndex", "Unstack", "Vander",
    "Var", "Vdot", "View", "ViewAsComplex", "ViewAsReal", "Vsplit", "Vstack", "Where", "ZerosLike",
})  # fmt: skip
"""Operations of keras.ops, which Keras 3 writes like layers, except those that take a function (Map, Scan, ...)."""

SETTINGS = frozenset({
    "AbsMaxQuantizer", "DTypePolicy", "DTypePolicyMap", "Float8QuantizationConfig", "FloatDTypePolicy",
    "Int4QuantizationConfig", "Int8QuantizationConfig", "Policy", "PolicyV1", "QuantizedDTypePolicy",
    "QuantizedFloat8DTypePolicy", "SeedGenerator",
})  # fmt: skip

INITIALIZERS = frozenset({
    "Constant", "ConstantV2", "GlorotNormal", "GlorotNormalV2", "GlorotUniform", "GlorotUniformV2", "HeNormal",
    "HeNormalV2", "HeUniform", "HeUniformV2", "Identity", "IdentityInitializer", "IdentityV2", "LecunNormal",
    "LecunNormalV2", "LecunUniform", "LecunUniformV2", "Ones", "OnesV2", "Orthogonal", "OrthogonalInitializer",
    "OrthogonalV2", "RandomNormal", "RandomNormalV2", "RandomUniform", "RandomUniformV2", "STFT", "STFTInitializer",
    "TruncatedNormal", "TruncatedNormalV2", "VarianceScaling", "VarianceScalingV2", "Zeros", "ZerosV2", "constant",
    "glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "identity", "lecun_normal", "lecun_uniform",
    "normal", "one", "ones", "orthogonal", "random_normal", "random_uniform", "stft", "truncated_normal", "uniform",
    "variance_scaling", "zero", "zeros",
})  # fmt: skip

REGULARIZERS = frozenset({
    "L1", "L1L2", "L2", "OrthogonalRegularizer", "l1", "l1_l2", "l1l2", "l2", "orthogonal_regularizer",
})  # fmt: skip

CONSTRAINTS = frozenset({
    "MaxNorm", "MinMaxNorm", "NonNeg", "RadialConstraint", "UnitNorm", "max_norm", "maxnorm", "min_max_norm",
    "non_neg", "nonneg", "radial_constraint", "unit_norm", "unitnorm",
})  # fmt: skip

TRAINING = frozenset({
    "AUC", "Accuracy", "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "BinaryAccuracy",
    "BinaryCrossentropy", "BinaryFocalCrossentropy", "BinaryIoU", "CTC", "CategoricalAccuracy",
    "CategoricalCrossentropy", "CategoricalFocalCrossentropy", "CategoricalGeneralizedCrossEntropy",
    "CategoricalHinge", "Circle", "ConcordanceCorrelation", "CosineDecay", "CosineDecayRestarts", "CosineSimilarity",
    "Dice", "ExponentialDecay", "F1Score", "FBetaScore", "FalseNegatives", "FalsePositives", "Ftrl", "Hinge", "Huber",
    "InverseTimeDecay", "IoU", "KLDivergence", "Lamb", "Lion", "LogCosh", "LogCoshError", "LossScaleOptimizer",
    "Mean", "MeanAbsoluteError", "MeanAbsolutePercentageError", "MeanIoU", "MeanRelativeError", "MeanSquaredError",
    "MeanSquaredLogarithmicError", "MeanTensor", "Muon", "Nadam", "OneHotIoU", "OneHotMeanIoU", "PearsonCorrelation",
    "PiecewiseConstantDecay", "Poisson", "PolynomialDecay", "Precision", "PrecisionAtRecall", "R2Score", "RMSprop",
    "Recall", "RecallAtPrecision", "RootMeanSquaredError", "SGD", "ScheduleFreeAdamW", "SensitivityAtSpecificity",
    "SparseCategoricalAccuracy", "SparseCategoricalCrossentropy", "SparseTopKCategoricalAccuracy",
    "SpecificityAtSensitivity", "SquaredHinge", "Sum", "TopKCategoricalAccuracy", "TrueNegatives", "TruePositives",
    "Tversky",
})  # fmt: skip
"""Losses, metrics, optimizers and schedules. Keras builds those of a model inside a model even with compile=False."""

CLASSES = LAYERS | LOOKUPS | OPERATION_LAYERS | SETTINGS | INITIALIZERS | REGULARIZERS | CONSTRAINTS | TRAINING

CLASS_MODULES = frozenset({
    "keras", "keras.activations", "keras.constraints", "keras.dtype_policies", "keras.initializers", "keras.layers",
    "keras.losses", "keras.metrics", "keras.mixed_precision", "keras.models", "keras.optimizers",
    "keras.optimizers.legacy", "keras.optimizers.schedules", "keras.random", "keras.quantizers", "keras.regularizers",
    "keras.layers.experimental", "keras.layers.experimental.preprocessing", "keras.applications.convnext",
    "keras.src.applications.convnext", "keras.applications.inception_resnet_v2",
    "keras.src.applications.inception_resnet_v2", "keras.engine.functional", "keras.engine.sequential",
    "keras.engine.training", "keras.engine.input_layer", "keras.engine.base_layer", "keras.src.engine.functional",
    "keras.src.engine.sequential", "keras.src.engine.training", "keras.src.engine.input_layer",
    "keras.src.engine.base_layer", "keras.src.models.functional", "keras.src.models.sequential",
    "keras.src.models.model", "keras.layers.core.tf_op_layer", "keras.src.layers.core.tf_op_layer",
    "keras.mixed_precision.policy", "keras.src.mixed_precision.policy", "keras.src.dtype_policies.dtype_policy",
    "keras.src.dtype_policies.dtype_policy_map", "keras.src.random.seed_generator", "keras.src.ops.core",
    "keras.src.ops.einops", "keras.src.ops.image", "keras.src.ops.linalg", "keras.src.ops.math", "keras.src.ops.nn",
    "keras.src.ops.numpy", "keras.src.layers.core.input_layer",
    "tensorflow.python.ops.init_ops_v2",  # tf.constant_initializer and its kind: EfficientNetV2 of Keras 2 uses it
})  # fmt: skip
"""Modules that may be named as the home of a class; tf_keras writes "tf_" before the names of its modules.

Names must match exactly, because Keras imports the module that a file names: allowing all of `keras.src` would open
every file of the package.
"""

ACTIVATIONS = frozenset({
    "celu", "elu", "exponential", "gelu", "glu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_swish",
    "hard_tanh", "leaky_relu", "linear", "log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu", "sigmoid",
    "silu", "soft_shrink", "softmax", "softplus", "softsign", "sparse_plus", "sparse_sigmoid", "sparsemax",
    "squareplus", "swish", "tanh", "tanh_shrink", "threshold",
})  # fmt: skip

FUNCTIONS = ACTIVATIONS | frozenset({
    "KLD", "MAE", "MAPE", "MSE", "MSLE", "binary_accuracy", "binary_crossentropy", "binary_focal_crossentropy",
    "categorical_accuracy", "categorical_crossentropy", "categorical_focal_crossentropy",
    "categorical_generalized_cross_entropy", "categorical_hinge", "circle", "concordance_correlation",
    "cosine_similarity", "ctc", "dice", "hinge", "huber", "kl_divergence", "kld", "kullback_leibler_divergence",
    "log_cosh", "logcosh", "mae", "mape", "mean_absolute_error", "mean_absolute_percentage_error",
    "mean_squared_error", "mean_squared_logarithmic_error", "mse", "msle", "pearson_correlation", "poisson",
    "sparse_categorical_accuracy", "sparse_categorical_crossentropy", "sparse_top_k_categorical_accuracy",
    "squared_hinge", "top_k_categorical_accuracy", "tversky",
})  # fmt: skip
"""Functions that a file may name: activations, losses and metrics."""

FUNCTION_MODULES = frozenset({
    "builtins", "keras.activations", "keras.losses", "keras.metrics", "keras.ops", "keras.ops.nn",
    "keras.src.activations.activations", "keras.src.losses.losses", "keras.src.metrics.accuracy_metrics",
    "keras.activations.activations",
})  # fmt: skip
