extension OwnExamples {
  /// The dataset's content.
  ///
  /// - Throws: `malformedInput` when some examples have a split and others do not; `usage` when there
  ///   are not enough.
  func content(
    of task: OwnTask, _ symbols: [UInt8], vocabularySize: Int, from sources: String
  ) throws -> ConvertedContent {
    try refuseUnknownSplits(from: sources)
    let final = try labels.final(of: sources)
    let splits = try splits(of: task, from: sources).map { name, rows in
      (
        name: name,
        rows: rows.map { row in
          var row = row
          row.label = row.label.map(final)
          return row
        }
      )
    }
    let names = labels.names
    let used = Set(splits.flatMap { $0.rows.compactMap(\.label) })
    let classes = max(names.count, (used.max() ?? 0) + 1)
    var content = ConvertedContent(symbols, splits: splits, unit: "examples", skipped: skipped)
    content.files = files.map { ReadFile(path: $0.path, split: $0.split?.rawValue) }
    content.notes = notes(on: splits, symbols, classes: classes, used)
    content.measured = [
      "max_length": .integer(rows.values.joined().map(\.count).max() ?? 0),
      "num_classes": .integer(classes), "vocabulary_size": .integer(vocabularySize),
    ]
    if !names.isEmpty { content.measured["class_names"] = ClassLabels.encoded(names) }
    return content
  }

  /// What is no mistake, but looks like one.
  private func notes(
    on splits: [(name: String, rows: [SequenceRow])], _ symbols: [UInt8], classes: Int,
    _ used: Set<Int>
  ) -> [String] {
    func list(_ missing: [Int]) -> String {
      let names = labels.names
      let shown = missing.prefix(10).map { names.isEmpty ? "\($0)" : "\($0) (\(names[$0]))" }
      return shown.joined(separator: ", ") + (missing.count > 10 ? ", ..." : "")
    }
    var notes: [String] = []
    let gaps = (0..<classes).filter { !used.contains($0) }
    if !gaps.isEmpty {
      notes.append(
        "labels leave gaps: \(classes.grouped) classes from 0 to \((classes - 1).grouped), "
          + "no example of \(list(gaps))")
    }
    let trained = Set(splits.first { $0.name == "train" }?.rows.compactMap(\.label) ?? [])
    let unseen = used.subtracting(trained).sorted()
    if !unseen.isEmpty { notes.append("no training example has class \(list(unseen))") }
    if let note = contradiction(in: splits, symbols) { notes.append(note) }
    return notes
  }

  /// Examples of one content and two labels, which no model can learn.
  private func contradiction(
    in splits: [(name: String, rows: [SequenceRow])], _ symbols: [UInt8]
  ) -> String? {
    var seen: [Int: [SequenceRow]] = [:]
    var count = 0
    var first: (SequenceRow, SequenceRow)?
    for row in splits.flatMap(\.rows) {
      let content = symbols[row.start..<(row.start + row.count)]
      var hasher = Hasher()
      content.withUnsafeBytes { hasher.combine(bytes: $0) }
      let hash = hasher.finalize()
      let same = seen[hash]?.first {
        symbols[$0.start..<($0.start + $0.count)].elementsEqual(content)
      }
      guard let same else {
        seen[hash, default: []].append(row)
        continue
      }
      guard same.label != row.label else { continue }
      count += 1
      first = first ?? (same, row)
    }
    guard let (one, other) = first else { return nil }
    func place(_ row: SequenceRow) -> String {
      "\(row.meta?.filter { $0.isLetter } ?? "row") \(row.meta?.filter { $0.isNumber } ?? "")"
    }
    return
      "\(count.grouped) example\(count == 1 ? " has" : "s have") the content of an earlier one and "
      + "another label, as \(place(one)) (label \(one.label ?? -1)) and \(place(other)) "
      + "(label \(other.label ?? -1))"
  }

  private func splits(
    of task: OwnTask, from sources: String
  ) throws -> [(name: String, rows: [SequenceRow])] {
    let open = rows[nil] ?? []
    guard rows.count > 1 || open.isEmpty else {
      return try chosen(open, task, validation: true, test: true)
    }
    guard open.isEmpty else {
      throw DatasetError.sourceMalformed(
        sources, member: nil, "some files name a split (train, validation, test), others do not",
        next: "nothing was written; name the split in every file's name, or in none")
    }
    guard let train = rows[.train] else {
      throw DatasetError.nothingFound(
        sources, "training examples", expected: "a file or a column value with the word train")
    }
    for (option, asked, split) in [
      ("validation", task.validation, OwnSplit.validation), ("test", task.test, .test),
    ] where asked != nil && rows[split] != nil {
      throw DatasetError.invalidParameter(
        "--\(option) has no meaning: \(sources) has its own \(split.rawValue) split")
    }
    let made = try chosen(
      train, task, validation: rows[.validation] == nil, test: rows[.test] == nil)
    return made.map { name, chosen in
      (name, OwnSplit(word: name).flatMap { $0 == .train ? nil : rows[$0] } ?? chosen)
    }
  }

  /// Chooses splits among rows.
  private func chosen(
    _ rows: [SequenceRow], _ task: OwnTask, validation: Bool, test: Bool
  ) throws -> [(name: String, rows: [SequenceRow])] {
    let validation = validation ? task.validation ?? rows.count / 10 : 0
    let test = test ? task.test ?? rows.count / 10 : 0
    let (held, overflow) = validation.addingReportingOverflow(test)
    guard !overflow, held < rows.count else {
      throw DatasetError.invalidParameter(
        "--validation \(validation) and --test \(test) leave nothing of \(rows.count.grouped) "
          + "examples for training")
    }
    let split = HashSplit(count: rows.count, validation: validation, test: test) { String($0) }
    return [
      ("train", split.train.map { rows[$0] }), ("validation", split.validation.map { rows[$0] }),
      ("test", split.test.map { rows[$0] }),
    ]
  }
}
