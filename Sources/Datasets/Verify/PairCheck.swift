/// What a look at one split of pairs gave.
struct PairCheck: Sendable {
  let split: SplitRecord
  /// How many pairs there should be by now.
  let expected: Int
  var damaged: [VerifyReport.Damage] = []
  /// Pairs that are as they should be.
  var checked = 0
  /// The pairs by position, when nothing is damaged.
  var rows: [PairRow] = []
  /// The digests of the pairs, 32 bytes each.
  var leaves: [UInt8] = []

  private mutating func damage(_ reason: String, position: Int? = nil) {
    damaged.append(
      .init(split: split.name, position: position, shard: nil, offset: nil, reason: reason))
  }

  /// Looks at a split.
  ///
  /// - Parameters:
  ///   - documents: how many documents there are to refer to.
  ///   - complete: the dataset is; else pairs are there all or not at all.
  static func run(
    _ split: SplitRecord, documents: Int, complete: Bool, _ depth: VerifyDepth, _ index: Index
  ) throws -> PairCheck {
    let count = try index.pairCount(of: split)
    var check = PairCheck(split: split, expected: complete || count > 0 ? split.count : 0)
    let strangers = try index.exampleCount(of: split)
    if strangers > 0 || count > check.expected {
      let surplus = strangers + max(0, count - check.expected)
      check.damage("\(surplus.grouped) rows too many in the index")
    }
    if depth == .quick {
      check.checked = min(count, check.expected)
      if count < check.expected {
        check.damage("\(count.grouped) of its \(check.expected.grouped) pairs are in the index")
      }
      return check
    }
    do {
      check.look(at: try index.pairs(of: split), documents: documents)
    } catch let error as DatasetError where error.code == .checksumMismatch {
      check.damage("its pairs in the index cannot be read")
    }
    return check
  }

  private mutating func look(at rows: [PairRow], documents: Int) {
    if rows.isEmpty && expected > 0 { return damage("its pairs are missing from the index") }
    var next = 0
    for row in rows where (0..<expected).contains(row.position) {
      while next < row.position {
        damage("its row is missing from the index", position: next)
        next += 1
      }
      next += 1
      if !row.isSound {
        damage("its row does not match its checksum", position: row.position)
      } else if !(0..<documents).contains(row.document1) || !(0..<documents).contains(row.document2)
      {
        damage("it refers to a document that is not there", position: row.position)
      } else {
        checked += 1
      }
    }
    while next < expected {
      damage("its row is missing from the index", position: next)
      next += 1
    }
    if damaged.isEmpty { self.rows = rows }
  }
}
