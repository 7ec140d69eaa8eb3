@testable import Attention

extension MixerCase {
  /// Keys under which a mechanism's blocks, windows and buckets really cut a sequence of 40 tokens.
  ///
  /// A mechanism without an entry is tested with its defaults.
  static let variants: [String: [[String: ConfigurationValue]]] = [
    "linformer": [["low_rank_features": .integer(6)]]
  ]
}
