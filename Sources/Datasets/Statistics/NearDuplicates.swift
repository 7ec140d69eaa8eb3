/// Which sequences nearly repeat an earlier one.
///
/// Two sequences are near-duplicates when the Jaccard similarity of their sets of 8-symbol shingles is 0.8
/// or more. Pairs are found by sketches of 128 hashes in 32 bands of 4: a pair at 0.8 shares a band with
/// probability 1 - (1 - 0.8^4)^32, all but 5 in 10^8. Candidates whose sketches agree in 83 bins or
/// more (0.65; 0.8 less four standard deviations) are compared exactly. Exact duplicates are
/// near-duplicates too.
///
/// Deterministic, and bounded where everything resembles everything, as long sequences of three symbols do:
/// an example meets at most the first 64 candidates of a band and 16 exact comparisons in its own split,
/// and as many in earlier splits. Counts are lower bounds there.
struct NearDuplicates: Sendable {
  static let threshold = 0.8
  private static let bands = 32
  private static let rows = ShingleSketch.bins / bands
  private static let agreeing = 83
  private static let candidates = 64
  private static let exact = 16

  /// Per split: examples with a near-duplicate earlier in the same split.
  private(set) var within: [Int]
  /// Examples of a later split with a near-duplicate in an earlier split.
  private(set) var across = 0

  /// - Throws: `checksumMismatch` when an example is damaged.
  init(_ readers: [SplitReader], threads: Int) throws {
    within = [Int](repeating: 0, count: readers.count)
    var search = try Search(readers, threads: threads)
    for band in 0..<NearDuplicates.bands { try search.look(at: band) }
    for (number, split) in search.splitOf.enumerated() {
      if search.isWithin[number] { within[split] += 1 }
      if search.isAcross[number] { across += 1 }
    }
  }

  /// Examples of all splits, numbered split after split.
  private struct Search {
    let readers: [SplitReader]
    /// 128 values per example.
    let sketches: [UInt32]
    let splitOf: [Int]
    let firstOf: [Int]
    var isWithin: [Bool]
    var isAcross: [Bool]
    /// Exact comparisons of each example, in its own split and in earlier ones.
    private var exactWithin: [UInt8]
    private var exactAcross: [UInt8]

    init(_ readers: [SplitReader], threads: Int) throws {
      self.readers = readers
      let all = Guarded<[UInt32]>([])
      var splitOf: [Int] = []
      var firstOf: [Int] = []
      let total = readers.reduce(0) { $0 + $1.count }
      all.withLock { $0.reserveCapacity(total * ShingleSketch.bins) }
      for (split, reader) in readers.enumerated() {
        firstOf.append(splitOf.count)
        splitOf += [Int](repeating: split, count: reader.count)
        try reader.inPieces(threads: threads) { positions in
          try Search.sketches(reader, positions)
        } commit: { piece in
          all.withLock { $0 += piece }
        }
      }
      sketches = all.withLock { $0 }
      self.splitOf = splitOf
      self.firstOf = firstOf
      isWithin = [Bool](repeating: false, count: total)
      isAcross = isWithin
      exactWithin = [UInt8](repeating: 0, count: total)
      exactAcross = exactWithin
    }

    private static func sketches(_ reader: SplitReader, _ positions: Range<Int>) throws -> [UInt32]
    {
      var piece = [UInt32](repeating: 0, count: positions.count * ShingleSketch.bins)
      try piece.withUnsafeMutableBufferPointer { piece in
        for (index, position) in positions.enumerated() {
          let start = index * ShingleSketch.bins
          let own = UnsafeMutableBufferPointer(
            rebasing: piece[start..<(start + ShingleSketch.bins)])
          try reader.withSymbols(at: position) { ShingleSketch.make($0, into: own) }
        }
      }
      return piece
    }

    /// Compares the examples that agree in a band.
    mutating func look(at band: Int) throws {
      var keyed = splitOf.indices.map { (key: key($0, band), number: $0) }
      keyed.sort { ($0.key, $0.number) < ($1.key, $1.number) }
      var start = 0
      while start < keyed.count {
        var end = start + 1
        while end < keyed.count && keyed[end].key == keyed[start].key { end += 1 }
        if end - start > 1 { try compare(keyed[start..<end].map(\.number)) }
        start = end
      }
    }

    private func key(_ number: Int, _ band: Int) -> UInt64 {
      var hash: UInt64 = 0xCBF2_9CE4_8422_2325
      let start = number * ShingleSketch.bins + band * NearDuplicates.rows
      for row in 0..<NearDuplicates.rows {
        hash = (hash ^ UInt64(sketches[start + row])) &* 0x9E37_79B9_7F4A_7C15
        hash ^= hash >> 29
      }
      return hash
    }

    /// - Parameter group: numbers of examples, ascending, so split after split.
    private mutating func compare(_ group: [Int]) throws {
      var start = 0  // the first one of the example's split
      for (index, number) in group.enumerated() {
        if splitOf[number] != splitOf[group[start]] { start = index }
        var shingles: [UInt64]?
        for (earlier, isSame) in [(group[..<start], false), (group[start..<index], true)] {
          for other in earlier.prefix(NearDuplicates.candidates) {
            guard !isSettled(number, isSame), agree(number, other) else { continue }
            let own = try shingles ?? self.shingles(number)
            shingles = own
            let similarity = ShingleSketch.jaccard(own, try self.shingles(other))
            note(number, isSame, isNear: similarity >= NearDuplicates.threshold)
          }
        }
      }
    }

    private func isSettled(_ number: Int, _ isSame: Bool) -> Bool {
      isSame
        ? isWithin[number] || exactWithin[number] >= NearDuplicates.exact
        : isAcross[number] || exactAcross[number] >= NearDuplicates.exact
    }

    private mutating func note(_ number: Int, _ isSame: Bool, isNear: Bool) {
      if isSame {
        isWithin[number] = isNear
        exactWithin[number] += 1
      } else {
        isAcross[number] = isNear
        exactAcross[number] += 1
      }
    }

    private func agree(_ one: Int, _ other: Int) -> Bool {
      let bins = ShingleSketch.bins
      return sketches.withUnsafeBufferPointer { sketches in
        var equal = 0
        for bin in 0..<bins {
          equal += sketches[one * bins + bin] == sketches[other * bins + bin] ? 1 : 0
        }
        return equal >= NearDuplicates.agreeing
      }
    }

    private func shingles(_ number: Int) throws -> [UInt64] {
      let split = splitOf[number]
      return try readers[split].withSymbols(at: number - firstOf[split]) {
        ShingleSketch.shingles($0)
      }
    }
  }
}
