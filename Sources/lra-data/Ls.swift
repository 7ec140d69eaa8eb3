import ArgumentParser
import Console
import Datasets

/// `ls`: what the database holds.
struct Ls: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "List the datasets of the database.")

  @OptionGroup var common: CommonOptions

  func run() throws {
    let listing = try common.store.listing()
    try common.print("ls", ListingJSON(datasets: listing.map(ListingJSON.Dataset.init))) {
      text(listing)
    }
    if let first = listing.first?.summary {
      common.next("lra-data stats \(first.name) \(common.dbWord)")
    }
  }

  private func text(_ listing: [DatasetListing]) -> String {
    if listing.isEmpty { return "\(common.db) holds no dataset" }
    var table = Table([
      .text("dataset"), .text("task"), .number("train"), .number("valid"), .number("test"),
      .number("length"), .number("size"), .text("digest"), .text("made by"),
    ])
    for dataset in listing {
      let summary = dataset.summary
      func size(_ name: String) -> String {
        summary.splits.first { $0.name == name }.map { Format.count($0.count) } ?? "-"
      }
      table.add([
        summary.name, summary.task, size("train"), size("validation"), size("test"),
        lengths(dataset), Format.bytes(dataset.bytes),
        summary.contentDigest.map { $0.prefix(6) + "…" } ?? "incomplete", Manifest.currentTool,
      ])
    }
    return table.text
  }

  private func lengths(_ dataset: DatasetListing) -> String {
    guard let least = dataset.minLength, let most = dataset.maxLength else { return "-" }
    return least == most
      ? Format.count(least) : "\(Format.count(least))–\(Format.count(most))"
  }
}

private struct ListingJSON: Encodable {
  struct Dataset: Encodable {
    let name: String
    let task: String
    let splits: [SplitJSON]
    let minLength: Nullable<Int>
    let maxLength: Nullable<Int>
    let bytes: Int
    let contentDigest: Nullable<String>
    let complete: Bool
    let toolVersion: String

    init(_ listing: DatasetListing) {
      let summary = listing.summary
      name = summary.name
      task = summary.task
      splits = summary.splits.map { SplitJSON(name: $0.name, count: $0.count) }
      minLength = Nullable(listing.minLength)
      maxLength = Nullable(listing.maxLength)
      bytes = listing.bytes
      contentDigest = Nullable(summary.contentDigest)
      complete = summary.complete
      toolVersion = LraData.configuration.version
    }
  }

  let datasets: [Dataset]
}
