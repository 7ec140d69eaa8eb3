import Foundation

/// Everything that makes a dataset reproducible: what it was made from, and the digests of what came out.
///
/// The text form is JSON with sorted keys; the same dataset gives the same bytes.
public struct Manifest: Codable, Sendable, Equatable {
  /// How long the examples are, in tokens; a pair is as long as its longer document.
  public struct Lengths: Codable, Sendable, Equatable {
    /// The shortest.
    public var min: Int
    /// A quarter are shorter: the element at n/4 of the sorted lengths.
    public var lowerQuartile: Int
    /// The element at n/2 of the sorted lengths.
    public var median: Int
    /// The element at 3n/4 of the sorted lengths.
    public var upperQuartile: Int
    /// The longest.
    public var max: Int
    /// All of them together.
    public var tokens: Int

    enum CodingKeys: String, CodingKey {
      case min, median, max, tokens
      case lowerQuartile = "lower_quartile"
      case upperQuartile = "upper_quartile"
    }
  }

  /// One split.
  public struct Split: Codable, Sendable, Equatable {
    /// `train`, `validation`, `test` or another name.
    public var name: String
    /// train 0, validation 1, test 2, others 3...
    public var ordinal: Int
    /// How many examples it has.
    public var examples: Int
    /// 64 hexadecimal digits.
    public var contentDigest: String
    /// How long its examples are.
    public var lengths: Lengths
    /// How many examples have which class; unlabelled ones count under `-1`.
    public var labels: [String: Int]
    /// How many examples repeat an earlier one of the same split exactly.
    public var duplicates: Int

    enum CodingKeys: String, CodingKey {
      case name, ordinal, examples, lengths, labels, duplicates
      case contentDigest = "content_digest"
    }
  }

  /// A file the dataset was converted from.
  public struct Source: Codable, Sendable, Equatable {
    /// The file's name, without folder.
    public var name: String
    /// Its size.
    public var bytes: Int
    /// 64 hexadecimal digits.
    public var sha256: String
  }

  /// The version of this form.
  public var schema = 1
  /// The tool that made the dataset, as `lra-data 1.0.0`.
  public var tool: String
  /// The dataset's name.
  public var name: String
  /// The task.
  public var task: String
  /// The version of the generator or converter.
  public var generatorVersion: Int
  /// Every parameter.
  public var parameters: [String: ParameterValue]
  /// The seed; nil for converted data.
  public var seed: Int?
  /// Examples per shard.
  public var shardExamples: Int
  /// The splits, by ordinal.
  public var splits: [Split]
  /// How many examples of a later split repeat one of an earlier split exactly.
  public var duplicatesAcrossSplits: Int
  /// 64 hexadecimal digits over the content of all splits.
  public var contentDigest: String
  /// The files it was converted from, by name; empty for generated data.
  public var sources: [Source]
  /// The licence of the data.
  public var licence: String
  /// What to cite.
  public var citation: String

  enum CodingKeys: String, CodingKey {
    case schema, tool, name, task, parameters, seed, splits, sources, licence, citation
    case generatorVersion = "generator_version"
    case shardExamples = "shard_examples"
    case duplicatesAcrossSplits = "duplicates_across_splits"
    case contentDigest = "content_digest"
  }

  /// Reads a manifest.
  ///
  /// - Throws: `malformedInput`; `failure` when the file cannot be read.
  public init(contentsOf path: String) throws {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw DatasetError.system("read", path, errno == 0 ? ENOENT : errno)
    }
    self = try Manifest(json: data, path: path)
  }

  /// Reads a manifest from JSON.
  ///
  /// - Parameter path: the file, for the message.
  /// - Throws: `malformedInput`.
  public init(json: Data, path: String) throws {
    do {
      self = try JSONDecoder().decode(Manifest.self, from: json)
    } catch let error as DecodingError {
      throw DatasetError.manifestMalformed(path, error.place)
    }
    guard schema == 1 else {
      throw DatasetError.manifestMalformed(path, "schema is \(schema), 1 expected")
    }
  }
}

extension Manifest {
  /// The text of the manifest: JSON, two spaces, sorted keys, a line end at the end.
  public var json: String {
    get throws {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
      return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n"
    }
  }
}

extension DecodingError {
  /// Where and what, without type names.
  fileprivate var place: String {
    func path(_ context: Context, _ key: (any CodingKey)? = nil) -> String {
      let keys = context.codingPath + (key.map { [$0] } ?? [])
      return keys.map { $0.intValue.map(String.init) ?? $0.stringValue }.joined(separator: ".")
    }
    switch self {
    case .keyNotFound(let key, let context): return "\(path(context, key)) is missing"
    case .typeMismatch(_, let context): return "\(path(context)) has the wrong kind of value"
    case .valueNotFound(_, let context): return "\(path(context)) is null"
    case .dataCorrupted(let context):
      return context.codingPath.isEmpty ? "it is not JSON" : "\(path(context)) is not valid"
    @unknown default: return "it cannot be read"
    }
  }
}
