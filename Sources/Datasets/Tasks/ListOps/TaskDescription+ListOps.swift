import Tokenizers

extension TaskDescription {
  /// ListOps: the value of nested operations on digits.
  static let listOps: TaskDescription = {
    var task = TaskDescription(
      ListOpsConfiguration.task, title: "ListOps", canonicalDataset: "listops-2k")
    task.generator = ListOpsConfiguration.self
    task.symbols = { _ in .listOps }
    task.benchmarkLength = 2000
    task.labels = .perExample(classes: 10)
    task.vocabularySize = ListOpsVocabulary.size
    task.releasedVocabularySize = 17  // one of them never occurs
    task.isAveraged = true
    task.rules = [
      BaselineRule("first_token", key: firstToken),
      BaselineRule("first_token_and_digits", key: rootDigits),
    ]
    task.strata = [
      StratumRule("depth") { split, position in
        try split.withSymbols(at: position) { ListOpsShape($0).depth }
      }
    ]
    task.layout = { _ in ListOpsLayout() }
    task.licence = "CC0-1.0"
    task.citation = citation(
      "Nangia and Bowman, ListOps: A Diagnostic Dataset for Latent Tree Learning, NAACL SRW 2018, "
        + "arXiv 1804.06028")
    return task
  }()

  /// The root operator, or the only digit.
  private static func firstToken(_ symbols: UnsafeBufferPointer<UInt8>) -> Int {
    symbols.first.map(Int.init) ?? -1
  }

  /// The root operator with the least and the greatest of its direct digits.
  private static func rootDigits(_ symbols: UnsafeBufferPointer<UInt8>) -> Int {
    var depth = 0
    var least: UInt8 = 10
    var most: UInt8 = 10
    for symbol in symbols {
      if symbol >= ListOpsVocabulary.minimum {
        depth += symbol == ListOpsVocabulary.close ? -1 : 1
      } else if depth == 1 {
        least = min(least, symbol)
        most = most == 10 ? symbol : max(most, symbol)
      }
    }
    return firstToken(symbols) * 121 + Int(least) * 11 + Int(most)
  }
}
