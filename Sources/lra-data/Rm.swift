import ArgumentParser
import Console
import Datasets

/// `rm`: a dataset and its files.
struct Rm: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Delete a dataset: its rows in the index and its files.")

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
      + "\(Format.bytes(plan.bytes)) in data/\(name)"
    if dryRun {
      return try common.print("rm", RmJSON(plan, deleted: false)) { "would delete \(what)" }
    }
    guard yes else {
      throw Failure.usage(
        "this would delete \(what)",
        next: "delete it with: lra-data rm \(name) --yes \(common.dbWord)")
    }
    _ = try common.store.remove(name)
    try common.print("rm", RmJSON(plan, deleted: true)) { "deleted \(what)" }
    common.next("lra-data ls \(common.dbWord)")
  }
}

private struct RmJSON: Encodable {
  let dataset: String
  let deleted: Bool
  let examples: Int
  let files: [String]
  let bytes: Int

  init(_ plan: RemovalPlan, deleted: Bool) {
    dataset = plan.dataset
    self.deleted = deleted
    examples = plan.examples
    files = plan.files
    bytes = plan.bytes
  }
}
