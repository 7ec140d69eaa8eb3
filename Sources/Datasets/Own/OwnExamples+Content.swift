extension OwnExamples {
  /// The dataset's content.
  ///
  /// - Throws: `malformedInput` when some examples have a split and others do not; `usage` when there
  ///   are not enough.
  func content(
    of task: OwnTask, _ symbols: [UInt8], vocabularySize: Int, from sources: String
  ) throws -> ConvertedContent {
    let splits = try splits(of: task, from: sources)
    var content = ConvertedContent(symbols, splits: splits, unit: "examples")
    content.measured = [
      "max_length": .integer(rows.values.joined().map(\.count).max() ?? 0),
      "num_classes": .integer(greatestLabel + 1), "vocabulary_size": .integer(vocabularySize),
    ]
    return content
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
