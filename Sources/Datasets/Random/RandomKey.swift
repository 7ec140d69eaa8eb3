import Crypto

/// The key of all random numbers of one dataset: everything that decides its content, but for the place
/// of an example in it.
public struct RandomKey: Sendable, Hashable {
  /// The first key word.
  public let word0: UInt64
  /// The second key word.
  public let word1: UInt64

  /// A key from its two words.
  public init(_ word0: UInt64, _ word1: UInt64) {
    self.word0 = word0
    self.word1 = word1
  }

  /// The key of a dataset: bytes 0-15 of SHA-256 of its identity, as two little-endian words.
  ///
  /// - Parameter parameters: the generator's parameters as canonical JSON.
  public init(task: String, generatorVersion: Int, parameters: String, seed: Int) {
    let identity = "lra-rng-1\n\(task)\n\(generatorVersion)\n\(parameters)\n\(seed)"
    let bytes = Array(SHA256.hash(data: Array(identity.utf8)))
    self.init(
      bytes.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) },
      bytes.withUnsafeBytes {
        UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
      })
  }

  /// The stream of one attempt at one example.
  ///
  /// - Parameter split: the split's ordinal: train 0, validation 1, test 2, others 3...
  public func stream(split: Int, position: Int, attempt: UInt64 = 0) -> RandomStream {
    RandomStream(
      key: self, attempt: attempt, position: UInt64(position), split: UInt64(split))
  }
}
