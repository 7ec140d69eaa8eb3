import ArgumentParser
import Console
import Datasets

/// `diff`: where two datasets differ.
struct Diff: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Compare two manifests, or a manifest and a dataset.",
    discussion: """
      What ends in .json or holds a slash is a manifest's file; anything else is a dataset of the \
      database. Exit 0 when they are the same, 1 when they differ.
      """)

  @Argument(help: "A manifest or a dataset.")
  var a: String
  @Argument(help: "A manifest or a dataset.")
  var b: String
  @OptionGroup var threads: ThreadOptions
  @OptionGroup var common: CommonOptions

  func run() throws {
    let one = try common.store.manifest(a, threads: threads.count)
    let two = try common.store.manifest(b, threads: threads.count)
    let differences = try one.differences(from: two)
    let json = differences.map {
      DiffJSON.Difference(key: $0.key, a: Nullable($0.first), b: Nullable($0.second))
    }
    try common.print("diff", DiffJSON(differences: json)) { text(differences) }
    if !differences.isEmpty { throw ExitStatus(1) }
  }

  private func text(_ differences: [ManifestDifference]) -> String {
    if differences.isEmpty { return "\(a) and \(b) are the same" }
    return differences.map {
      "\($0.key)\n  \(a): \($0.first ?? "-")\n  \(b): \($0.second ?? "-")"
    }.joined(separator: "\n")
  }
}

private struct DiffJSON: Encodable {
  struct Difference: Encodable {
    let key: String
    let a: Nullable<String>
    let b: Nullable<String>
  }

  let differences: [Difference]
}
