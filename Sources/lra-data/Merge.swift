import ArgumentParser
import Console
import Datasets

/// `merge`: one dataset from the shares of several workers.
struct Merge: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Put the shares of gen --worker together into one dataset.",
    discussion: """
      Every shard is checked against its SHA-256 while it is copied; the result is what one machine \
      makes. Databases may hold the same shards, and --db may be one of them. The same command goes \
      on where it was interrupted.
      """)

  @Argument(help: "The workers' databases.")
  var parts: [String]
  @Option(help: ArgumentHelp("The dataset (default: the only one of all).", valueName: "name"))
  var name: String?
  @OptionGroup var threads: ThreadOptions
  @Flag(help: "Say what would be copied, and copy nothing.")
  var dryRun = false
  @OptionGroup var common: CommonOptions

  func run() throws {
    let plan = try common.store.mergePlan(parts, name: name)
    let work = Work(
      name: plan.dataset, origin: "seed \(plan.seed)", splits: plan.splits, common: common,
      command: "merge")
    if dryRun {
      let result = MergeJSON(
        dataset: plan.dataset, contentDigest: Nullable(nil), shards: plan.shards)
      return try common.print("merge", result) { text(plan) }
    }
    let expected = KnownManifest.find(plan)
    var options = work.options(threads: threads.count)
    options.expected = expected?.manifest
    let result = try common.store.merge(plan, options: options)
    if common.json {
      try JSONOutput.print(
        command: "merge",
        MergeJSON(
          dataset: result.dataset, contentDigest: Nullable(result.contentDigest),
          shards: result.shards))
      if result.manifestMatch == false { throw ExitStatus(4) }
    } else {
      try work.print(result, "merge", manifest: expected?.path)
    }
  }

  private func text(_ plan: MergePlan) -> String {
    let copied = plan.copied.map { "  \($0.database)  \(Format.count($0.shards))" }
    let count = plan.copied.reduce(0) { $0 + $1.shards }
    return
      ([
        "would copy \(Format.count(count)) of \(Format.count(plan.shards)) shards, "
          + "\(Format.bytes(plan.bytes)), to \(common.store.dataFolder(of: plan.dataset)); nothing was written"
      ] + copied).joined(separator: "\n")
  }
}

private struct MergeJSON: Encodable {
  let dataset: String
  let contentDigest: Nullable<String>
  let shards: Int
}
