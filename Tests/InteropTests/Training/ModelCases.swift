import Attention
import Foundation
import ToolRunner
import Train

/// A model that the tests train for a few steps, from `oracles/cases.txt`.
struct ModelCase: CustomStringConvertible {
  let name: String
  let task: String
  let model: String
  /// Settings as of `--set`.
  let settings: [String]

  var description: String { name }

  /// The folder of the oracles.
  static let folder = Program.package + "/Tests/InteropTests/oracles"

  /// Every case of the file.
  static func all() throws -> [ModelCase] {
    let text = try String(contentsOfFile: folder + "/cases.txt", encoding: .utf8)
    var common: [String] = []
    var cases: [ModelCase] = []
    for line in text.split(separator: "\n") where !line.hasPrefix("#") {
      let words = line.split(separator: " ").map(String.init)
      let settings = words.dropFirst(3).map { setting in
        if setting.hasPrefix("m.") { return "model." + setting.dropFirst(2) }
        let key = setting.prefix { $0 != "=" }
        return key.contains(".") ? setting : "model.mixer." + setting
      }
      if words[0] == "all" {
        common = settings
      } else {
        cases.append(
          ModelCase(
            name: words[0], task: words[1], model: words[2], settings: common + settings))
      }
    }
    return cases
  }

  /// The resolved recipe, for the dataset `listops-61` or `retrieval`.
  func recipe(adding more: [String] = []) throws -> Recipe {
    var request = RecipeRequest(task: task)
    request.model = model
    request.settings =
      ["data.dataset=\(task == "listops" ? "listops-61" : task)"] + settings + more
    return try request.resolve()
  }
}
