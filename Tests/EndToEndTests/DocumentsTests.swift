import Foundation
import Testing
import ToolRunner

/// A page of the repository.
struct Document: CustomTestStringConvertible {
  /// Its place in the repository.
  let path: String
  let text: String
  var testDescription: String { path }

  /// Every page that users read.
  static let all: [Document] = {
    let files = FileManager.default
    let docs = (try? files.contentsOfDirectory(atPath: Program.package + "/docs")) ?? []
    let roots = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
    return (roots + docs.filter { $0.hasSuffix(".md") }.sorted().map { "docs/\($0)" })
      .compactMap { path in
        files.contents(atPath: "\(Program.package)/\(path)").map {
          Document(path: path, text: String(decoding: $0, as: UTF8.self))
        }
      }
  }()

  /// Targets of its links that are no web addresses.
  var links: [String] {
    text.matches(of: #/\]\(([^)\s]+)\)/#).map { String($0.1) }.filter { !$0.contains("://") }
  }

  /// The anchors that its headings have, as GitHub makes them.
  var anchors: Set<String> {
    Set(
      text.split(separator: "\n").filter { $0.hasPrefix("#") }.map { heading in
        heading.drop { $0 == "#" || $0 == " " }.lowercased()
          .filter { $0.isLetter || $0.isNumber || "-_ ".contains($0) }
          .replacing(" ", with: "-")
      })
  }

  /// The commands of a tool in its blocks of code, in words; a comment and what a pipe follows is left out.
  func commands(of tool: String) -> [[String]] {
    var isCode = false
    var commands: [[String]] = []
    for line in text.replacing("\\\n", with: " ").split(separator: "\n") {
      if line.hasPrefix("```") { isCode.toggle() }
      guard isCode, line.hasPrefix("\(tool) ") else { continue }
      let command = line.prefix { !"#|>;".contains($0) }
      commands.append(command.split(separator: " ").dropFirst().map(String.init))
    }
    return commands
  }
}

@Suite("the pages of the repository")
struct DocumentsTests {
  @Test("links lead to files and headings that are there", arguments: Document.all)
  func links(document: Document) throws {
    let folder = URL(fileURLWithPath: "\(Program.package)/\(document.path)")
      .deletingLastPathComponent().path
    for link in document.links {
      let parts = link.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
      let path = parts[0].isEmpty ? document.path : "\(folder)/\(parts[0])"
      let file = parts[0].isEmpty ? "\(Program.package)/\(path)" : path
      #expect(FileManager.default.fileExists(atPath: file), "\(document.path): \(link)")
      guard parts.count == 2, file.hasSuffix(".md") else { continue }
      let target = Document(path: file, text: try String(contentsOfFile: file, encoding: .utf8))
      #expect(target.anchors.contains(String(parts[1])), "\(document.path): \(link)")
    }
  }

  @Test("the README is short, and every page is linked from it")
  func overview() throws {
    let readme = try #require(Document.all.first)
    #expect(readme.text.split(separator: "\n", omittingEmptySubsequences: false).count <= 121)
    for page in Document.all.dropFirst() {
      #expect(readme.links.contains(page.path), "\(page.path) is not linked")
    }
  }

  @Test("commands of lra-data have options that there are", arguments: Document.all)
  func commands(document: Document) throws {
    try expectOptions(of: document.commands(of: "lra-data"), Program.lraData, document)
  }
}

/// Expects every option of some commands in the help of its subcommand.
func expectOptions(of commands: [[String]], _ tool: Program, _ document: Document) throws {
  for words in commands {
    let named = Array(words.prefix { !$0.hasPrefix("-") && !$0.contains("/") }.prefix(2))
    // `gen listops` has two words, `verify` one, an argument may follow; without a command lra-train trains.
    var help = ""
    for count in stride(from: named.count, through: 0, by: -1) where !help.contains("USAGE:") {
      let isBare = count == 0 && tool.path == Program.lraTrain.path
      let command = isBare ? ["train"] : Array(named.prefix(count))
      help = try tool.run(command + ["--help"], in: "/").output
    }
    for option in words where option.hasPrefix("--") {
      let name = option.prefix { $0 != "=" }
      #expect(
        help.contains(name), "\(document.path): \(words.joined(separator: " ")): \(name)")
    }
  }
}
