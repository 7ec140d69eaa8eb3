import ArgumentParser
import Console
import Datasets

/// `fetch`: the archives that others publish.
struct FetchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fetch", abstract: "Download a published archive, resumable and checked.",
    discussion: """
      The same command goes on where it was interrupted. Size and SHA-256 are checked before the file gets \
      its name; for the LRA release, which has no published digest, that of the first fetch is recorded \
      in lra_release.gz.sha256.
      """)

  @Argument(help: "\(PublishedArchive.all.map(\.kind).joined(separator: ", ")).")
  var kind: Kind
  @Option(help: ArgumentHelp("The folder.", valueName: "folder"))
  var to = "."
  @Option(help: ArgumentHelp("Another place that has the file.", valueName: "url"))
  var url: String?
  @Flag(help: "Say what would be fetched, and fetch nothing.")
  var dryRun = false
  @Flag(help: "Print one JSON object instead of text.")
  var json = false
  @Flag(help: "No progress and no hints.")
  var quiet = false

  struct Kind: ExpressibleByArgument {
    let archive: PublishedArchive

    init?(argument: String) {
      guard let archive = PublishedArchive.all.first(where: { $0.kind == argument }) else {
        return nil
      }
      self.archive = archive
    }

    static var allValueStrings: [String] { PublishedArchive.all.map(\.kind) }
  }

  func run() throws {
    let archive = kind.archive
    let line = ProgressLine(quiet: quiet)
    var options = FetchOptions()
    options.cancellation = Signals.listen()
    options.progress = { done, total in
      if let total {
        line.show(archive.name, done: done, of: total)
      } else {
        line.show { "\(archive.name)  \(Format.bytes(done))" }
      }
    }
    let fetch = Fetch(archive, to: to, mirror: url, options: options)
    if dryRun { return try plan(archive, fetch) }
    let result: FetchResult
    do {
      result = try fetch.run()
    } catch {
      line.clear()
      throw error
    }
    line.clear()
    if json { return try JSONOutput.print(command: "fetch", FetchJSON(result)) }
    let digest = "SHA-256 \(Format.digest(result.sha256))"
    let verdict =
      !result.verified
      ? "\(digest) recorded: nobody publishes one"
      : archive.sha256 == nil ? "\(digest) as at the first fetch" : "\(digest) as published"
    Terminal.out("\(result.path) · \(Format.bytes(result.bytes)) · \(verdict)")
    if let start = result.resumedFrom, start > 0 {
      Terminal.out("went on after \(Format.bytes(start))")
    }
    if !quiet {
      let converter = kind.archive.kind == "cifar10-python" ? "cifar10" : kind.archive.kind
      Terminal.err(
        Paint.standardError.dim("Next: ")
          + "lra-data convert \(converter) --from \(shellQuoted(result.path))")
    }
  }

  private func plan(_ archive: PublishedArchive, _ fetch: Fetch) throws {
    let waiting = fetch.waiting
    if json {
      return try JSONOutput.print(
        command: "fetch",
        PlanJSON(
          url: url ?? archive.url, path: "\(to)/\(archive.name)", bytes: Nullable(archive.bytes),
          sha256: Nullable(archive.sha256), resumedFrom: waiting))
    }
    let size = archive.bytes.map(Format.bytes) ?? "a size that nobody publishes"
    Terminal.out(
      "would fetch \(url ?? archive.url) (\(size)) into \(to)"
        + (waiting > 0 ? ", from byte \(Format.count(waiting)) on" : "") + "; nothing was fetched")
  }
}

private struct FetchJSON: Encodable {
  let url: String
  let path: String
  let bytes: Int
  let sha256: String
  let verified: Bool
  let resumedFrom: Nullable<Int>

  init(_ result: FetchResult) {
    url = result.url
    path = result.path
    bytes = result.bytes
    sha256 = result.sha256
    verified = result.verified
    resumedFrom = Nullable(result.resumedFrom)
  }
}

private struct PlanJSON: Encodable {
  let url: String
  let path: String
  let bytes: Nullable<Int>
  let sha256: Nullable<String>
  let resumedFrom: Int
}
