/// Examples in memory, by the split that was given for them.
struct OwnExamples {
  /// nil: the split is to be chosen.
  var rows: [OwnSplit?: [SequenceRow]] = [:]
  private(set) var greatestLabel = 0

  /// Appends an example.
  mutating func add(_ row: SequenceRow, _ split: OwnSplit?) {
    greatestLabel = max(greatestLabel, row.label ?? 0)
    rows[split, default: []].append(row)
  }
}
