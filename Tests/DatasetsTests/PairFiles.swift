import Foundation

@testable import Datasets

/// The three files of pairs, in memory.
struct PairFiles {
  /// Label, id1, id2, text1, text2.
  typealias Line = (label: Int, id1: String, id2: String, text1: String, text2: String)

  var train: [Line]
  var eval: [Line]
  var test: [Line]

  static let names = ["train", "eval", "test"].map { "new_aan_pairs.\($0).tsv" }

  /// Fourteen pairs of seven papers.
  static var small: PairFiles {
    func text(_ paper: Int) -> String {
      "Paper \(paper): caf\u{E9} "
        + String(repeating: "parsing is hard. ", count: paper * 5 % 7 + 1)
    }
    func line(_ one: Int, _ other: Int) -> Line {
      ((one + other) % 2, "P0\(one)-100\(one)", "P0\(other)-100\(other)", text(one), text(other))
    }
    return PairFiles(
      train: [(3, 1), (1, 2), (3, 1), (2, 2), (1, 3), (2, 3)].map(line),
      eval: [(4, 3), (1, 2), (4, 5), (5, 1)].map(line),
      test: [(6, 5), (6, 7), (7, 7), (1, 4)].map(line))
  }

  /// The lines of a file.
  static func text(_ lines: [Line], end: String = "\n") -> String {
    lines.map {
      "\($0.label == 1 ? "1.0" : "0.0")\t\($0.id1)\t\($0.id2)\t\($0.text1)\t\($0.text2)" + end
    }.joined()
  }

  /// Their texts, by name.
  var texts: [String: String] {
    Dictionary(
      uniqueKeysWithValues: zip(PairFiles.names, [train, eval, test].map { PairFiles.text($0) }))
  }

  /// Writes them into a folder.
  ///
  /// - Returns: the paths, train first.
  @discardableResult
  func write(to folder: String) throws -> [String] {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    return try PairFiles.names.map { name in
      let path = "\(folder)/\(name)"
      try Data((texts[name] ?? "").utf8).write(to: URL(fileURLWithPath: path))
      return path
    }
  }
}
