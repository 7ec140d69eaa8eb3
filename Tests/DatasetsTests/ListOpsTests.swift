import Testing
import Tokenizers

@testable import Datasets

@Suite struct ListOpsTests {
  static let train = SplitSize(name: "train", ordinal: 0, count: 0)

  static func value(_ text: String) -> Int? {
    guard let symbols = ListOpsVocabulary.symbols(of: text) else { return nil }
    var evaluation = ListOpsEvaluation()
    return symbols.withUnsafeBufferPointer { evaluation.value(of: $0) }
  }

  @Test(
    "values of expressions",
    arguments: [
      ("[MAX 4 [MIN 2 3 ] 1 ]", 4), ("[MED 1 2 ]", 1), ("[MED 0 9 ]", 4), ("[MED 3 4 5 9 ]", 4),
      ("[MED 9 0 5 ]", 5), ("[SM 7 8 9 ]", 4), ("[MIN 7 8 3 ]", 3), ("5", 5),
      ("[SM [MAX 1 9 ] [MED 2 2 8 ] ]", 1),
    ])
  func values(text: String, value: Int) {
    #expect(Self.value(text) == value)
  }

  @Test(
    "what is no whole expression has no value",
    arguments: ["", "]", "1 2", "[MAX 1 2", "[MAX ]", "[MAX 1 2 ] ]", "[MIN [MAX 1 ]"])
  func malformed(text: String) {
    #expect(Self.value(text) == nil)
  }

  @Test(
    "examples equal the naive reference",
    arguments: [
      ListOpsConfiguration(), ListOpsConfiguration(length: 64),
      ListOpsConfiguration(minLength: 16, maxLength: 64, maxDepth: 3, maxArgs: 5),
      ListOpsConfiguration(minLength: 0, maxLength: 2, maxDepth: 1, maxArgs: 10),
      ListOpsConfiguration(minLength: 0, maxLength: 100, maxDepth: 2, maxArgs: 2),
      ListOpsConfiguration(minLength: 300, maxLength: 5000, maxDepth: 6, maxArgs: 50),
    ])
  func naive(configuration: ListOpsConfiguration) throws {
    try configuration.validate()
    let generator = ListOpsGenerator(configuration, seed: 7)
    let reference = NaiveListOps(configuration, seed: 7)
    var workspace = ListOpsGenerator.Workspace(configuration)
    for split in SplitSize.standard(train: 0, validation: 0, test: 0) {
      for position in Array(0..<40) + [4095, 4096, 95_999, 1 << 40] {
        let expected = reference.example(split: split.ordinal, position: position)
        try generator.example(split: split, position: position, in: &workspace) { symbols, value in
          #expect(Array(symbols) == expected.symbols)
          #expect(value == expected.value)
        }
      }
    }
  }

  @Test("lengths and labels of the default task are those of the release")
  func statistics() throws {
    let configuration = ListOpsConfiguration()
    let generator = ListOpsGenerator(configuration, seed: 0)
    var workspace = ListOpsGenerator.Workspace(configuration)
    var lengths: [Int] = []
    var labels = [Int](repeating: 0, count: 10)
    for position in 0..<8000 {
      try generator.example(split: Self.train, position: position, in: &workspace) {
        symbols, value in
        lengths.append(symbols.count)
        labels[value] += 1
      }
    }
    lengths.sort()
    #expect(lengths[0] > 500)
    #expect(lengths[7999] < 2000)
    #expect(abs(lengths.reduce(0, +) / 8000 - 1035) < 20)
    #expect(abs(lengths[4000] - 953) < 35)
    #expect(abs(lengths[2000] - 701) < 25)
    #expect(abs(lengths[6000] - 1309) < 35)
    let expected = [16.8, 9.3, 7.3, 8.2, 8.9, 8.8, 7.7, 7.5, 8.5, 17.0]
    for (label, percent) in expected.enumerated() {
      #expect(abs(Double(labels[label]) / 80 - percent) < 1.5)
    }
  }

  @Test("lists of up to 63 arguments have a value", arguments: [2, 3, 40, 62, 63, 64])
  func longLists(count: Int) {
    for name in ["MIN", "MAX", "MED", "SM"] {
      for step in [0, 1, 7] {
        let values = (0..<count).map { ($0 * step + 3) % 10 }
        let text = "[\(name) " + values.map(String.init).joined(separator: " ") + " ]"
        let kind = ["MIN", "MAX", "MED", "SM"].firstIndex(of: name) ?? 0
        let expected = NaiveListOps.Node.list(kind, values.map { .digit($0) }).value
        #expect(Self.value(text) == (count > 63 ? nil : expected))
      }
    }
  }

  @Test("names follow the length")
  func names() {
    #expect(ListOpsConfiguration().datasetName == "listops-2k")
    #expect(ListOpsConfiguration(length: 2000) == ListOpsConfiguration())
    #expect(ListOpsConfiguration(length: 64).datasetName == "listops-64")
    #expect(ListOpsConfiguration(length: 16_000).datasetName == "listops-16k")
    #expect(ListOpsConfiguration(length: 8000).maxDepth == 10)
    #expect(ListOpsConfiguration(length: 16_000).maxDepth == 12)
    #expect(ListOpsConfiguration(length: 64_000).maxDepth == 16)
  }

  @Test("impossible parameters are refused, all at once")
  func refusals() {
    func message(_ configuration: ListOpsConfiguration) -> String? {
      do {
        try configuration.validate()
        return nil
      } catch let error as DatasetError {
        #expect(error.code == .usage)
        return error.message
      } catch {
        return "\(error)"
      }
    }
    #expect(
      message(.init(minLength: 10, maxLength: 11, maxDepth: 0, maxArgs: 1)) == """
        --max-args is 1, 2...63 allowed
        --max-depth is 0, 1...64 allowed
        no length lies strictly between --min-length 10 and --max-length 11
        """)
    #expect(
      message(.init(minLength: 500, maxLength: 2000, maxDepth: 2, maxArgs: 10)) == """
        expressions of depth 2 and 10 arguments have 1...12 tokens: none lies strictly between \
        --min-length 500 and --max-length 2000
        """)
    #expect(message(.init()) == nil)
  }

  @Test("lengths that never come up end with an error", .timeLimit(.minutes(1)))
  func exhausted() {
    let configuration = ListOpsConfiguration(
      minLength: 9_990, maxLength: 9_999, maxDepth: 5, maxArgs: 10)
    let generator = ListOpsGenerator(configuration, seed: 0, attemptLimit: 5000)
    var workspace = ListOpsGenerator.Workspace(configuration)
    #expect(throws: DatasetError.self) {
      try generator.example(split: Self.train, position: 3, in: &workspace) { _, _ in }
    }
  }
}
