import Foundation
import Tensors
import Testing

/// The golden vectors of the project's specification: golden.json beside this file, float64.
///
/// Inputs are `sin(a * (i + 1) + b)`, see `Inputs.fill`; each group's `desc` says how its outputs arise.
struct Golden {
  private let outputs: [String: Any]

  init(_ group: String) throws { outputs = try #require(Self.groups[group]) }

  /// The values of an output, or of a list of numbers.
  func values(_ name: String) throws -> [Double] {
    let output = try #require(outputs[name])
    if let list = output as? [Double] { return list }
    if let number = output as? Double { return [number] }
    return try #require((output as? [String: Any])?["data"] as? [Double])
  }

  /// A text, such as `desc`.
  func text(_ name: String) throws -> String { try #require(outputs[name] as? String) }

  /// Compares a tensor (its first `rows` rows of [.., rows, E]) with the group's output of that name.
  func expect(
    _ name: String, _ found: Tensor, rows: Int? = nil, within tolerance: Double = 1e-5
  ) throws {
    let expected = try self.values(name)
    let values = try found.doubles()
    let count = rows.map { $0 * found.size(-1) } ?? expected.count
    #expect(values.count == expected.count)
    #expect(difference(Array(values[..<count]), Array(expected[..<count])) < tolerance, "\(name)")
  }

  private nonisolated(unsafe) static let groups: [String: [String: Any]] = {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("golden.json")
    let object = (try? Data(contentsOf: file)).flatMap {
      try? JSONSerialization.jsonObject(with: $0)
    }
    return object as? [String: [String: Any]] ?? [:]
  }()
}

/// The largest difference; infinite when the counts differ or a value is not a number.
func difference(_ found: [Double], _ expected: [Double]) -> Double {
  guard found.count == expected.count, found.allSatisfy(\.isFinite) else { return .infinity }
  return zip(found, expected).map { abs($0 - $1) }.max() ?? 0
}
