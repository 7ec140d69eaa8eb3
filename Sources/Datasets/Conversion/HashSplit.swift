import Crypto

/// Splits chosen by SHA-256: the same examples on every machine, in no order of their own.
struct HashSplit: Equatable {
  /// Positions, rising.
  let train: [Int]
  let validation: [Int]
  let test: [Int]

  /// Validation are the examples whose keys have the smallest SHA-256, test the next ones.
  ///
  /// - Parameter key: a text of each position that says which example it is.
  init(count: Int, validation: Int, test: Int, key: (Int) -> String) {
    struct Rank {
      let digest: (UInt64, UInt64)
      let position: Int
    }
    var ranks = (0..<count).map { position in
      SHA256.hash(data: Array(key(position).utf8)).withUnsafeBytes { bytes in
        let high = UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self))
        let low = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        return Rank(digest: (high, low), position: position)
      }
    }
    ranks.sort { ($0.digest.0, $0.digest.1, $0.position) < ($1.digest.0, $1.digest.1, $1.position) }
    let positions = ranks.map(\.position)
    let held = min(count, validation)
    let end = min(count, held + test)
    self.validation = positions[..<held].sorted()
    self.test = positions[held..<end].sorted()
    train = positions[end...].sorted()
  }
}
