import Datasets
import Foundation

/// A JSON file in a run's folder: indented, keys sorted and in snake_case.
public protocol RunFile: Codable {
  /// The file's name.
  static var fileName: String { get }
}

extension RunFile {
  /// Where it lies in a folder.
  static func path(_ folder: RunFolder) -> String { "\(folder.path)/\(fileName)" }

  /// What a folder holds; nil when there is none, or it is not one.
  public static func read(_ folder: RunFolder) -> Self? {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return FileManager.default.contents(atPath: path(folder))
      .flatMap { try? decoder.decode(Self.self, from: $0) }
  }

  /// Writes it into a folder, in place of an earlier one.
  func save(in folder: RunFolder) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    let json = try encoder.encode(self)
    try Publication.publish(Self.path(folder)) { try $0.write(Array(json) + [10]) }
  }
}
