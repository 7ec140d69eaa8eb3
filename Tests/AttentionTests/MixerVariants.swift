@testable import Attention

extension MixerCase {
  /// Keys under which a mechanism's blocks, windows and buckets really cut a sequence of 40 tokens.
  ///
  /// A mechanism without an entry is tested with its defaults.
  static let variants: [String: [[String: ConfigurationValue]]] = [
    "linformer": [["low_rank_features": .integer(6)]],
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
  ]
}
