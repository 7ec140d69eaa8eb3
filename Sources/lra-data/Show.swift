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
  @Option(
    help: ArgumentHelp("Draw images with their labels into a contact sheet.", valueName: "file"))
  var png: String?
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
    if let png {
      let sheet = try ContactSheet(
        reader, positions: position..<min(position + count, reader.count))
      try sheet.publish(png)
      return try common.print("show", SheetJSON(file: png, images: sheet.count)) {
        "\(sheet.count) image\(sheet.count == 1 ? "" : "s") of \(name) \(split) in \(png), "
          + "label above each"
      }
    }
    let examples = try (position..<min(position + count, reader.count)).map {
      try Example(reader, at: $0)
    }
    try common.print("show", ShowJSON(examples: examples)) {
      examples.map { "\(name) \($0.heading)\n\($0.body)" }.joined(separator: "\n")
    }
    common.next("lra-data stats \(name) \(common.dbWord)")
  }

  private struct SheetJSON: Encodable {
    let file: String
    let images: Int
  }

  private struct ShowJSON: Encodable {
    let examples: [Example]
  }

  private struct Example: Encodable {
    let split: String
    let position: Int
    let label: Nullable<Int>
    /// The name of its class; left out when classes are numbers only.
    let labelName: String?
    let length: Int
    let tokens: [Int]
    let text: String
    let meta: Nullable<String>
    /// Those of a pair, whose own tokens and text are those of the first one; nil for other examples.
    let documents: [Example]?
    /// Not part of the JSON.
    let heading: String

    enum CodingKeys: CodingKey {
      case split, position, label, labelName, length, tokens, text, meta, documents
    }

    init(_ reader: SplitReader, at position: Int) throws {
      let label = reader.labels[position] == -1 ? nil : Int(reader.labels[position])
      let (tokens, text, about) = try reader.withSymbols(at: position) { symbols in
        let (text, about) = Example.described(symbols, reader.symbols)
        return (symbols.map { Int($0) + 1 }, text, about)
      }
      split = reader.split
      self.position = position
      self.label = Nullable(label)
      let names = reader.classNames
      labelName = label.flatMap { names.indices.contains($0) ? names[$0] : nil }
      length = Int(reader.lengths[position])
      self.tokens = tokens
      self.text = text
      meta = Nullable(reader.meta(at: position))
      documents = try Example.documents(reader, position)
      let plural = length == 1 ? "token" : "tokens"
      heading =
        "\(reader.split)/\(position) · \(Format.count(length)) \(plural) · "
        + (label.map { "label \($0)" } ?? "no label")
        + (labelName.map { " (\(Terminal.printable($0)))" } ?? "")
        + (about.map { " · \($0)" } ?? "")
    }

    /// The two documents of a pair.
    private static func documents(_ reader: SplitReader, _ position: Int) throws -> [Example]? {
      guard let documents = reader.documents else { return nil }
      let (first, second) = try reader.documentPositions(at: position)
      return try [Example(documents, at: first), Example(documents, at: second)]
    }

    /// What is printed below the heading.
    var body: String {
      guard let documents else { return text }
      return documents.map { document in
        let tokens = "\(Format.count(document.length)) token\(document.length == 1 ? "" : "s")"
        let meta = document.meta.value.map { " · \(Terminal.printable($0))" } ?? ""
        return "\(document.split)/\(document.position) · \(tokens)\(meta)\n\(document.text)"
      }.joined(separator: "\n")
    }

    /// The text of an example, and what else the heading says of it.
    private static func described(
      _ symbols: UnsafeBufferPointer<UInt8>, _ kind: SymbolKind
    ) -> (text: String, about: String?) {
      switch kind {
      case .listOps: (ListOpsVocabulary.text(of: symbols), shape(symbols))
      case .bytes: (Terminal.printable(String(decoding: symbols, as: UTF8.self)), nil)
      case .greyLevels(let size): (picture(symbols, size), "\(size)x\(size) pixels")
      case .numbers: (symbols.map { "\(Int($0) + 1)" }.joined(separator: " "), nil)
      }
    }

    private static func shape(_ symbols: UnsafeBufferPointer<UInt8>) -> String {
      let shape = ListOpsShape(symbols)
      let arguments = shape.maxArguments > 0 ? " · max \(shape.maxArguments) arguments" : ""
      return "depth \(shape.depth)\(arguments)"
    }

    /// Two characters per pixel, darker for brighter ink.
    private static func picture(_ symbols: UnsafeBufferPointer<UInt8>, _ size: Int) -> String {
      let shades = Array(" .:-=+*#%@")
      return (0..<size).map { y in
        (0..<size).map { x in
          let shade = shades[Int(symbols[y * size + x]) * shades.count / 256]
          return "\(shade)\(shade)"
        }.joined()
      }.joined(separator: "\n")
    }
  }
}
