import ArgumentParser
import Console
import Datasets
import Tokenizers

/// `show`: examples as people read them.
struct Show: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Print examples of a dataset.")

  @Argument(help: "The dataset.")
  var name: String
  @Argument(help: ArgumentHelp("The first example's position in its split.", valueName: "pos"))
  var position = 0
  @Option(help: "The split.")
  var split = "train"
  @Option(help: ArgumentHelp("How many examples.", valueName: "n"))
  var count = 1
  @OptionGroup var common: CommonOptions

  func run() throws {
    let store = common.store
    let reader = try store.open(dataset: name, split: split)
    guard count >= 1 else { throw Failure.usage("--count is \(count), 1 or more allowed") }
    guard position >= 0, position < reader.count else {
      throw Failure.usage(
        "\(name) \(split) has \(Format.count(reader.count)) examples; "
          + "\(Format.count(position)) is not among 0…\(Format.count(reader.count - 1))")
    }
    let examples = try (position..<min(position + count, reader.count)).map {
      try Example(reader, at: $0)
    }
    try common.print("show", ShowJSON(examples: examples)) {
      examples.map { "\(name) \($0.heading)\n\($0.text)" }.joined(separator: "\n")
    }
    common.next("lra-data stats \(name) \(common.dbWord)")
  }

  private struct ShowJSON: Encodable {
    let examples: [Example]
  }

  private struct Example: Encodable {
    let split: String
    let position: Int
    let label: Nullable<Int>
    let length: Int
    let tokens: [Int]
    let text: String
    let meta: Nullable<String>
    /// Not part of the JSON.
    let heading: String

    enum CodingKeys: CodingKey { case split, position, label, length, tokens, text, meta }

    init(_ reader: SplitReader, at position: Int) throws {
      let label = reader.labels[position] == -1 ? nil : Int(reader.labels[position])
      let (tokens, text, shape) = try reader.withSymbols(at: position) {
        ($0.map { Int($0) + 1 }, ListOpsVocabulary.text(of: $0), ListOpsShape($0))
      }
      split = reader.split
      self.position = position
      self.label = Nullable(label)
      length = tokens.count
      self.tokens = tokens
      self.text = text
      meta = Nullable(reader.meta(at: position))
      let plural = length == 1 ? "token" : "tokens"
      let arguments = shape.maxArguments > 0 ? " · max \(shape.maxArguments) arguments" : ""
      heading =
        "\(reader.split)/\(position) · \(Format.count(length)) \(plural) · "
        + "\(label.map { "label \($0)" } ?? "no label") · depth \(shape.depth)\(arguments)"
    }
  }
}
