@testable import Attention

extension MixerCase {
  /// Keys under which a mechanism's blocks, windows and buckets really cut a sequence of 40 tokens.
  ///
  /// A mechanism without an entry is tested with its defaults.
  static let variants: [String: [[String: ConfigurationValue]]] = [
    "linformer": [
      ["low_rank_features": .integer(6)],
      ["low_rank_features": .integer(5), "per_head": .bool(true)],
    ],
    "local": [
      ["block_size": .integer(4)],
      ["block_size": .integer(5), "blocks_before": .integer(1), "blocks_after": .integer(2)],
    ],
    "sparse_transformer": [
      ["block_size": .integer(4), "summary_size": .integer(1)],
      ["block_size": .integer(5), "summary_size": .integer(2), "heads": .string("split")],
      ["block_size": .integer(4), "pattern": .string("strided")],
      ["block_size": .integer(5), "pattern": .string("strided"), "heads": .string("alternate")],
    ],
    "longformer": [
      ["window": .integer(6)],
      ["window": .integer(4), "dilation": .integer(3), "global_tokens": .integer(3)],
    ],
    "bigbird": [
      ["block_size": .integer(4), "num_rand_blocks": .integer(2)],
      ["block_size": .integer(2), "num_rand_blocks": .integer(0)],
    ],
    "reformer": [
      ["chunk_length": .integer(4), "n_hashes": .integer(3), "n_buckets": .integer(6)],
      ["chunk_length": .integer(5), "n_hashes": .integer(2), "count_pairs_once": .bool(false)],
      ["chunk_length": .integer(20), "n_hashes": .integer(1), "n_buckets": .integer(1)],
      ["chunk_length": .integer(4), "n_hashes": .integer(2), "n_buckets": .integer(70)],
    ],
    "sinkhorn": [
      ["block_size": .integer(4)], ["block_size": .integer(7), "iterations": .integer(5)],
    ],
    "synthesizer": [
      [:], ["synthesizer_mode": .string("dense"), "ignore_dot_product": .bool(false)],
      ["synthesizer_mode": .string("factorized_dense+factorized_random"), "k": .integer(3)],
    ],
    "performer": [
      ["nb_features": .integer(16)],
      ["nb_features": .integer(10), "ortho_scaling": .integer(1), "redraw_features": .bool(true)],
      ["nb_features": .integer(12), "projection_maxima": .bool(true), "eps": .number(1e-3)],
      ["nb_features": .integer(12), "scaled_twice": .bool(true), "filled_rows": .bool(true)],
    ],
    "linear": [[:], ["unnormalized": .bool(true)]],
    "nystromformer": [
      ["num_landmarks": .integer(5), "conv_kernel_size": .integer(5)],
      ["num_landmarks": .integer(40), "conv_kernel_size": .integer(0)],
      ["num_landmarks": .integer(16), "filled_rows": .bool(true)],
    ],
    "luna": [
      ["projected_length": .integer(3)],
      ["projected_length": .integer(6), "tie_key_value": .bool(true)],
    ],
    "routing_transformer": [
      ["num_clusters": .integer(5)],
      ["num_clusters": .integer(3), "window": .integer(4), "share_qk": .bool(true)],
    ],
    "image_transformer": [
      [
        "block_height": .integer(2), "block_width": .integer(3), "flange_height": .integer(1),
        "flange_width": .integer(2),
      ],
      ["form": .string("1d"), "block_width": .integer(5), "flange_height": .integer(3)],
    ],
    "transformer_xl": [
      ["segment_length": .integer(5), "memory_length": .integer(7)],
      ["segment_length": .integer(8), "memory_length": .integer(0)],
    ],
    "compressive_transformer": [
      [
        "segment_length": .integer(4), "memory_length": .integer(6),
        "compressed_memory_length": .integer(3), "compression_rate": .integer(2),
      ],
      [
        "segment_length": .integer(6), "memory_length": .integer(0),
        "compressed_memory_length": .integer(4), "compression_rate": .integer(3),
        "compression": .string("max"), "weigh_slots": .bool(true),
      ],
    ],
    "s4d": [
      ["d_state": .integer(8)],
      [
        "d_state": .integer(4), "n_ssm": .integer(2), "init": .string("real"),
        "rescale": .integer(4),
      ],
    ],
    "s5": [
      ["ssm_size": .integer(8)],
      [
        "ssm_size": .integer(12), "blocks": .integer(3), "c_init": .string("complex_normal"),
        "clip_eigs": .bool(true),
      ],
    ],
    "lru": [["d_state": .integer(6)], ["d_state": .integer(3), "r_min": .number(0.9)]],
    "long_conv": [["kernel_deviation": .number(0.2)], ["lam": .number(0.001)]],
    "sgconv": [["kernel_dim": .integer(4)], ["kernel_dim": .integer(64), "decay": .number(1.5)]],
    "skyformer": [["nb_features": .integer(6)]],
    "informer": [["factor": .integer(1)]],
    "taylor": [[:], ["degree": .integer(4), "bound": .number(2)]],
  ]

  /// What released code does: options that give up the padding contract, or may.
  static let released: [String: [[String: ConfigurationValue]]] = [
    "local": [["block_size": .integer(4), "strided_groups": .bool(true)]],
    "sparse_transformer": [
      [
        "block_size": .integer(4), "summary_size": .integer(1), "causal_pattern": .bool(true),
        "open_first_token": .bool(true), "summary_of_first": .bool(true),
      ]
    ],
    "longformer": [["window": .integer(6), "uneven_window": .bool(true)]],
    "bigbird": [["block_size": .integer(4), "attended_filling": .bool(true)]],
    "reformer": [
      ["chunk_length": .integer(4), "unmasked": .bool(true)],
      [
        "chunk_length": .integer(4), "across_buckets": .bool(true), "unit_logits": .bool(true),
        "filled_rows": .bool(true), "count_pairs_once": .bool(false), "unbiased": .bool(true),
      ],
    ],
    "sinkhorn": [["block_size": .integer(4), "unsorted_sum": .bool(true)]],
    "linear": [["attended_padding": .bool(true)]],
    "performer": [
      ["nb_features": .integer(16), "haar": .bool(false), "attended_padding": .bool(true)],
      [
        "nb_features": .integer(16), "projection_maxima": .bool(true), "batch_maximum": .bool(true),
        "filled_rows": .bool(true),
      ],
    ],
    "performer_relu": [["attended_padding": .bool(true)]],
    "nystromformer": [
      [
        "num_landmarks": .integer(5), "segments_from_batch": .bool(true),
        "global_init": .bool(true),
      ],
      [
        "num_landmarks": .integer(8), "filled_rows": .bool(true), "global_init": .bool(true),
        "uniform_conv_init": .bool(true),
      ],
    ],
    "cosformer": [["length_from_batch": .bool(true)]],
    "fnet": [["length_from_batch": .bool(true)]],
  ]
}
