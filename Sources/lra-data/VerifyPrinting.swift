import Console
import Datasets

/// A verification as text: a line per dataset, and a line per thing that concerns no single example.
struct VerifyText {
  private let report: VerifyReport

  init(_ report: VerifyReport) {
    self.report = report
  }

  var text: String {
    var table = Table([.text(""), .number(""), .text(""), .number("")])
    for dataset in report.datasets {
      let examples = "\(Format.count(dataset.examples)) examples"
      table.add([
        dataset.name, " " + examples, " " + state(dataset),
        dataset.damaged.isEmpty ? Format.seconds(dataset.seconds) : "",
      ])
    }
    var lines = report.datasets.isEmpty ? [] : [table.text]
    for dataset in report.datasets { lines += details(dataset) }
    if !report.indexOK { lines += report.indexProblems.map { "index: \($0)" } }
    return lines.joined(separator: "\n")
  }

  private func state(_ dataset: VerifyReport.Dataset) -> String {
    if dataset.damaged.isEmpty {
      let repaired = dataset.repaired.isEmpty ? "" : ", repaired"
      return (dataset.complete ? "ok" : "ok so far, incomplete") + repaired
    }
    let examples = dataset.damaged.filter { $0.position != nil }
    guard let first = examples.first, let split = first.split, let position = first.position else {
      return "damaged"
    }
    let named = examples.prefix(5).map { "\($0.split ?? split)/\($0.position ?? position)" }
    let more = examples.count > 5 ? ", and \(Format.count(examples.count - 5)) more" : ""
    let shard = first.shard.map { "shard \(VerifyText.file($0))" } ?? "a row of the index"
    let offset = first.offset.map { ", offset \(Format.count($0))" } ?? ""
    return "\(Format.count(examples.count)) damaged: \(named.joined(separator: ", "))\(more) "
      + "(\(shard)\(offset))"
  }

  private func details(_ dataset: VerifyReport.Dataset) -> [String] {
    let whole = dataset.damaged.filter { $0.position == nil }
    var lines = whole.prefix(20).map { damage in
      let place = damage.shard.map { "shard \(VerifyText.file($0))" } ?? damage.split ?? "dataset"
      return "  \(dataset.name) \(place): \(damage.reason)"
    }
    if whole.count > 20 { lines.append("  and \(Format.count(whole.count - 20)) more") }
    for shard in dataset.repaired { lines.append("  repaired \(shard)") }
    for file in dataset.quarantined { lines.append("  moved aside to \(file)") }
    for file in dataset.orphans { lines.append("  in no dataset: \(file)") }
    return lines
  }

  private static func file(_ path: String) -> String {
    path.split(separator: "/").last.map(String.init) ?? path
  }
}

/// A verification as JSON.
struct VerifyJSON: Encodable {
  struct Dataset: Encodable {
    let name: String
    let examples: Int
    let checked: Int
    let damaged: [Damage]
    let missing: [String]
    let orphans: [String]
    let repaired: [String]
    let quarantined: [String]
  }
  struct Damage: Encodable {
    let split: Nullable<String>
    let position: Nullable<Int>
    let shard: Nullable<String>
    let offset: Nullable<Int>
    let reason: String
  }

  let indexOk: Bool
  let datasets: [Dataset]

  init(_ report: VerifyReport) {
    indexOk = report.indexOK
    datasets = report.datasets.map { dataset in
      Dataset(
        name: dataset.name, examples: dataset.examples, checked: dataset.checked,
        damaged: dataset.damaged.map {
          Damage(
            split: Nullable($0.split), position: Nullable($0.position), shard: Nullable($0.shard),
            offset: Nullable($0.offset), reason: $0.reason)
        },
        missing: dataset.missing, orphans: dataset.orphans, repaired: dataset.repaired,
        quarantined: dataset.quarantined)
    }
  }
}
