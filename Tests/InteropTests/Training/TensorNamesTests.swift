import Attention
import Foundation
import Tensors
import Testing
import ToolRunner
import Train

/// A tensor as a model's page has it: `blocks.{i}.attn.linformer.projection`, `[k, L]`.
private struct DocumentedTensor: Hashable {
  let name: String
  let shape: String

  /// The index that stands for `{i}` (0 without one) when a checkpoint's name is of this form.
  func index(in given: String) -> Int? {
    let (own, other) = (name.split(separator: "."), given.split(separator: "."))
    guard own.count == other.count else { return nil }
    var index = 0
    for (part, value) in zip(own, other) {
      guard part.hasSuffix("{i}") else {
        if part == value { continue }
        return nil
      }
      let stem = part.dropLast(3)
      guard value.hasPrefix(stem), let number = Int(value.dropFirst(stem.count)) else { return nil }
      index = number
    }
    return index
  }

  /// Whether sizes are those of the page; letters that are not known yet become known.
  func fits(_ sizes: [Int], _ letters: inout [String: Int], index: Int) -> Bool {
    let products = shape.dropFirst().dropLast().components(separatedBy: ", ")
    guard products.count == sizes.count else { return false }
    for (product, size) in zip(products, sizes) {
      var known = 1
      var unknown: String?
      for factor in product.split(separator: " ") {
        let letter = factor.replacingOccurrences(of: "{i}", with: String(index))
        if let value = Int(letter) ?? letters[letter] {
          known *= value
        } else if unknown == nil {
          unknown = letter
        } else {
          return false
        }
      }
      guard let unknown else {
        if known == size { continue }
        return false
      }
      guard size % known == 0 else { return false }
      letters[unknown] = size / known
    }
    return true
  }

  /// The tables of a source file below `Sources/Attention`.
  static func read(_ file: String) throws -> [DocumentedTensor] {
    let path = Program.package + "/Sources/Attention/" + file
    var prefix = ""
    var rows: [DocumentedTensor] = []
    for line in try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n") {
      if line.hasPrefix("/// Tensors under `") {
        prefix = line.split(separator: "`")[1] + "."
      } else if line.hasPrefix("/// Tensors besides") {
        prefix = ""
      } else if line.hasPrefix("/// | `") {
        let columns = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
        let shapes = columns[2].components(separatedBy: " + ")
        for name in expanded(prefix + columns[1].replacingOccurrences(of: "`", with: "")) {
          if shapes.count == 1 {
            rows.append(DocumentedTensor(name: name, shape: shapes[0]))
          } else {
            rows.append(DocumentedTensor(name: name + ".weight", shape: shapes[0]))
            rows.append(DocumentedTensor(name: name + ".bias", shape: shapes[1]))
          }
        }
      }
    }
    return rows
  }

  /// What stands in its place when its layer is factored: `U V` for a matrix, and U's bias.
  var factors: [DocumentedTensor] {
    let parts = shape.dropFirst().dropLast().components(separatedBy: ", ")
    if name.hasSuffix(".bias") {
      return [DocumentedTensor(name: name.dropLast(4) + "u.bias", shape: shape)]
    }
    guard name.hasSuffix(".weight"), parts.count == 2 else { return [] }
    let stem = name.dropLast(6)
    return [
      DocumentedTensor(name: stem + "v.weight", shape: "[r, \(parts[1])]"),
      DocumentedTensor(name: stem + "u.weight", shape: "[\(parts[0]), r]"),
    ]
  }

  /// `a.{b,c}.d` as `a.b.d` and `a.c.d`.
  private static func expanded(_ name: String) -> [String] {
    guard let list = name.range(of: #"\{[^}]*,[^}]*\}"#, options: .regularExpression) else {
      return [name]
    }
    return name[list].dropFirst().dropLast().split(separator: ",").flatMap {
      expanded(name.replacingCharacters(in: list, with: String($0)))
    }
  }

  /// The file of a model, by the name in its registry line.
  static func file(of model: String) throws -> String {
    let folder = Program.package + "/Sources/Attention"
    let files = try FileManager.default.subpathsOfDirectory(atPath: folder).filter {
      try $0.hasSuffix(".swift")
        && String(contentsOfFile: "\(folder)/\($0)", encoding: .utf8)
          .contains("name: \"\(model)\",")
    }
    #expect(files.count == 1, "\(model): \(files)")
    return try #require(files.first)
  }
}

@Suite("tensors of a checkpoint")
struct TensorNamesTests {
  @Test("each model's page names exactly its tensors, with their shapes")
  func documented() throws {
    let head = try ["Encoder/Embedding.swift", "Encoder/Classifier.swift"].flatMap(
      DocumentedTensor.read)
    let encoders = try [
      false: ["Encoder.swift", "StandardBlock.swift", "FeedForward.swift"],
      true: ["Encoder.swift", "GatedBlock.swift"],
    ].mapValues { try $0.map { "Encoder/\($0)" }.flatMap(DocumentedTensor.read) }
    var seen: [String: Set<DocumentedTensor>] = [:]
    for one in try ModelCase.all() {
      let model = try one.recipe().modelConfiguration
      var page = one.model
      // The page of a looped transformer is that of the mechanism in it.
      if case .string(let mixer) = model.mixer["mixer"] { page = mixer }
      let file = try DocumentedTensor.file(of: page)
      let own = try DocumentedTensor.read(file)
      let text = try String(
        contentsOfFile: "\(Program.package)/Sources/Attention/\(file)", encoding: .utf8)
      let encoder = encoders[text.contains("BlockFamily.gated")] ?? []
      let standard = own.allSatisfy { $0.name.hasPrefix("blocks.") }
      let whole = head + own + (standard ? encoder : [])
      let rows = whole.flatMap { row in
        ([row] + row.factors).map { (whole: row, found: $0) }
      }
      var letters = [
        "D": model.embDim, "H": model.numHeads, "E": model.headWidth, "M": model.mlpDim,
        "L": model.positions, "V": model.vocabularySize, "C": model.numClasses,
      ]
      for named in try Classifier(model, key: RandomKey(seed: 0)).parameters {
        let shape = named.parameter.value.shape
        let alike = rows.compactMap { row in
          row.found.index(in: named.name).map { (row, $0) }
        }
        // A tensor whose form is a key's choice has a line for each.
        let fitting =
          alike.count < 2
          ? alike
          : alike.filter { row, index in
            var known = letters
            return row.found.fits(shape, &known, index: index)
          }
        #expect(fitting.count == 1, "\(one): \(named.name) is on \(fitting.count) lines")
        guard let (row, index) = fitting.first else { continue }
        #expect(
          row.found.fits(shape, &letters, index: index),
          "\(one): \(named.name) has shape \(shape), documented \(row.found.shape)")
        seen[page, default: []].insert(row.whole)
        seen["all", default: []].insert(row.whole)
      }
      if seen[page] == nil { seen[page] = [] }
    }
    #expect(seen.count > 24)
    for (page, found) in seen.sorted(by: { $0.key < $1.key }) where page != "all" {
      let own = try Set(DocumentedTensor.read(DocumentedTensor.file(of: page)))
      #expect(own.subtracting(found).map(\.name).sorted() == [], "\(page): no case has these")
    }
    let shared = Set(head + encoders.values.flatMap { $0 })
    #expect(shared.subtracting(seen["all"] ?? []).map(\.name).sorted() == [])
  }
}
