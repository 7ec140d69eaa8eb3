import Foundation

/// One place where two manifests differ.
public struct ManifestDifference: Codable, Sendable, Equatable {
  /// The place: keys with points between them, as in `splits.train.content_digest`.
  public let key: String
  /// What the first one has there, as text; nil when it has nothing.
  public let first: String?
  /// What the second one has there.
  public let second: String?
}

extension Manifest {
  /// Where this manifest and another one differ, in the order of the keys.
  public func differences(from other: Manifest) throws -> [ManifestDifference] {
    let one = try flat()
    let two = try other.flat()
    let keys = Set(one.keys).union(two.keys).sorted {
      $0.utf8.lexicographicallyPrecedes($1.utf8)
    }
    return keys.filter { one[$0] != two[$0] }.map {
      ManifestDifference(key: $0, first: one[$0], second: two[$0])
    }
  }

  /// Every value by its place; splits and sources by name.
  private func flat() throws -> [String: String] {
    var values: [String: String] = [:]
    func walk(_ value: Any, _ key: String) {
      func join(_ part: String) -> String { key.isEmpty ? part : "\(key).\(part)" }
      switch value {
      case let members as [String: Any]:
        for (part, member) in members { walk(member, join(part)) }
      case let elements as [Any]:
        for (number, element) in elements.enumerated() {
          let name = (element as? [String: Any])?["name"] as? String
          walk(element, join(name ?? String(number)))
        }
      case let text as String: values[key] = text
      case let number as NSNumber: values[key] = number.stringValue
      default: values[key] = "null"
      }
    }
    walk(try JSONSerialization.jsonObject(with: Data(try json.utf8)), "")
    return values
  }
}

extension DatasetStore {
  /// The manifest in a file, or of a dataset in this store: what ends in `.json` or holds a slash is a file.
  ///
  /// - Throws: `malformedInput`, `failure`, and what reading the dataset throws.
  public func manifest(_ fileOrName: String, threads: Int = 1) throws -> Manifest {
    if fileOrName.hasSuffix(".json") || fileOrName.contains("/") {
      return try Manifest(contentsOf: fileOrName)
    }
    return try Manifest(of: fileOrName, in: self, threads: threads)
  }
}
