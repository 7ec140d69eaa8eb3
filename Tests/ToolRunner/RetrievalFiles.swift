import Foundation

/// Small files of pairs of documents, as the Long Range Arena releases them.
public enum RetrievalFiles {
  /// The names, train first.
  public static let names = ["train", "eval", "test"].map { "new_aan_pairs.\($0).tsv" }

  /// Every paper's text has its own length.
  public static func text(_ paper: Int) -> String {
    "Paper \(paper) on caf\u{E9}s. "
      + String(repeating: "Parsing is hard. ", count: paper * 7 % 11)
  }

  /// The content of a file: so many pairs of so many papers.
  public static func content(_ name: String, pairs: Int, papers: Int) -> String {
    let shift = (names.firstIndex(of: name) ?? 0) * 3
    return (0..<pairs).map { number in
      let one = (number * 7 + shift) % papers
      let other = (number * 11 + number / papers + shift + 1) % papers
      let label = number / 3 % 2 == 0 ? "0.0" : "1.0"
      return "\(label)\tP\(1000 + one)\tP\(1000 + other)\t\(text(one))\t\(text(other))\n"
    }.joined()
  }

  /// Writes the three files into a folder; train has most pairs.
  public static func write(to folder: String, pairs: Int = 60, papers: Int = 20) throws {
    for (name, count) in zip(names, [pairs, pairs / 3, pairs / 4]) {
      try Data(content(name, pairs: count, papers: papers).utf8)
        .write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
    }
  }

  /// The command that converts them, in their folder.
  public static let convert =
    ["convert", "aan"] + names.flatMap { ["--from", $0] } + ["--shard-examples", "8"]
}
