import ArgumentParser
import Console
import Train

/// `lra-train recipe`: what the keys of a recipe are.
struct RecipeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "recipe", abstract: "Explain the keys of a recipe.",
    discussion: """
      Every key with its default, what values it takes, which recipes have it and what it is. A protocol \
      (small, paper, ...) changes defaults; lra-train --dry-run prints the recipe that comes out. KEY is a \
      key such as train.batch_size, or a section such as train or model.mixer.
      """)

  @Flag(help: "Explain keys; the only thing this command does.") var explain = false
  @Argument(help: "A key or a section (default: all).") var key: String?
  @Flag(help: "Print one JSON object instead of text.") var json = false
  @Flag(help: "Accepted everywhere; this command shows no progress.") var quiet = false

  private struct Keys: Encodable {
    let fields: [RecipeKey]
  }

  func run() throws {
    let keys = try RecipeKey.named(key)
    if json { return try JSONOutput.print(command: "recipe", Keys(fields: keys)) }
    Terminal.out(keys.map(text).joined(separator: "\n"))
    if key == nil { Terminal.err("Next: lra-train --set \(keys[0].key)=... --dry-run") }
  }

  private func text(_ key: RecipeKey) -> String {
    let facts = [key.range, key.unit, key.owner == "every recipe" ? nil : key.owner]
    let head =
      "\(key.key): \(key.default.yaml)  (\(facts.compactMap { $0 }.joined(separator: "; ")))"
    return "\(head)\n\(Format.wrapped(key.text, indent: 4))"
  }
}
