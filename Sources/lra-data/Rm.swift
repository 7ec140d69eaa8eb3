import ArgumentParser
import Console
import Datasets

/// `rm`: a dataset and its files.
struct Rm: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Delete a dataset: its rows in the index and its files.",
    discussion: """
      Only shards and side tables that the index names go, and their folder when it is empty then. What \
      else lies there stays and is named.
      """)

  @Argument(help: "The dataset.")
  var name: String
  @Flag(help: "Really delete; without it nothing is deleted.")
  var yes = false
  @Flag(help: "Say what would be deleted, and delete nothing.")
  var dryRun = false
  @OptionGroup var common: CommonOptions

  func run() throws {
    let plan = try common.store.removalPlan(of: name)
    let what =
      "\(name): \(Format.count(plan.examples)) examples, \(Format.count(plan.files.count)) files, "
      + "\(Format.bytes(plan.bytes)) in \(plan.folder)"
    if dryRun {
      showKept(plan)
      return try common.print("rm", RmJSON(plan, deleted: false)) { "would delete \(what)" }
    }
    guard yes else {
      throw Failure.usage(
        "this would delete \(what)",
        next: "delete it with: lra-data rm \(name) --yes \(common.dbWord)")
    }
    _ = try common.store.remove(name)
    showKept(plan)
    try common.print("rm", RmJSON(plan, deleted: true)) { "deleted \(what)" }
    common.next("lra-data ls \(common.dbWord)")
  }

  /// Names what lies in the folder and is not the dataset's.
  private func showKept(_ plan: RemovalPlan) {
    guard !plan.kept.isEmpty, !common.quiet, !common.json else { return }
    let count = Format.count(plan.kept.count)
    Terminal.err("not of this dataset, stays: \(count) file\(plan.kept.count == 1 ? "" : "s")")
    for path in plan.kept.prefix(5) { Terminal.err("  \(path)") }
    if plan.kept.count > 5 { Terminal.err("  ...; all of them with --json") }
  }
}

private struct RmJSON: Encodable {
  let dataset: String
  let deleted: Bool
  let examples: Int
  let files: [String]
  let bytes: Int
  let kept: [String]

  init(_ plan: RemovalPlan, deleted: Bool) {
    dataset = plan.dataset
    self.deleted = deleted
    examples = plan.examples
    files = plan.files
    bytes = plan.bytes
    kept = plan.kept
  }
}
