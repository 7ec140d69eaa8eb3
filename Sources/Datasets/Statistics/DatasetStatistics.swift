/// What `lra-data stats` shows of a dataset.
public struct DatasetStatistics: Sendable, Equatable {
  /// How often something falls into a range.
  public struct Bin: Sendable, Equatable {
    /// The smallest value that counts.
    public let from: Int
    /// The greatest value that counts.
    public let through: Int
    /// How many examples.
    public let count: Int
  }

  /// How many examples have a class.
  public struct Label: Sendable, Equatable {
    /// The class, -1 for unlabelled examples.
    public let label: Int
    /// The name of the class; nil when classes are numbers only.
    public let name: String?
    /// How many examples.
    public let count: Int
  }

  /// A rule that needs no model; fitted on `train`, measured on the split.
  public struct Baseline: Sendable, Equatable {
    /// `majority`, `first_token`, `first_token_and_digits` (`Baselines`), `bag_of_tokens`, `mean_ink` or
    /// `marker_distance`.
    public let name: String
    /// The share of examples that it gets right, 0...1.
    public let accuracy: Double
  }

  /// One split.
  public struct Split: Sendable, Equatable {
    /// The split's name.
    public let name: String
    /// How many examples it has.
    public let count: Int
    /// The shortest, the mean, the element at n/2 of the sorted lengths, the longest; in tokens, those of
    /// the longer document of a pair.
    public let lengths: (min: Int, mean: Double, median: Int, max: Int)
    /// How many examples have which length.
    public let histogram: [Bin]
    /// How many examples have which class, by class.
    public let labels: [Label]
    /// The trivial rules, the simplest first; none for unlabelled examples.
    public let baselines: [Baseline]
    /// Examples that repeat an earlier one of the same split exactly.
    public let duplicates: Int
    /// Examples that nearly repeat an earlier one of the same split; nil for images.
    ///
    /// Exact repetitions count too. What near means: `nearDuplicatesAcrossSplits`.
    public let nearDuplicates: Int?

    /// Equality; a tuple has none of its own.
    public static func == (one: Split, other: Split) -> Bool {
      one.name == other.name && one.count == other.count && one.lengths == other.lengths
        && one.histogram == other.histogram && one.labels == other.labels
        && one.baselines == other.baselines && one.duplicates == other.duplicates
        && one.nearDuplicates == other.nearDuplicates
    }
  }

  /// The dataset's name.
  public let dataset: String
  /// The splits, by ordinal.
  public let splits: [Split]
  /// The names of the classes from 0; empty when they are numbers only.
  public let classNames: [String]
  /// Examples of a later split that repeat one of an earlier split exactly.
  public let duplicatesAcrossSplits: Int
  /// Examples of a later split that nearly repeat one of an earlier split; nil for images.
  ///
  /// Near means that of all runs of 8 symbols that either sequence has, both have at least 80 %
  /// (Jaccard similarity of the sets, exact; candidates from MinHash).
  public let nearDuplicatesAcrossSplits: Int?
}

extension DatasetStore {
  /// Lengths, classes, trivial baselines and duplicates of a complete dataset.
  ///
  /// Reads all examples several times; every one is checked.
  /// - Parameters:
  ///   - split: one split only; nil for all.
  ///   - bins: bars of the length histogram, at least 1.
  /// - Throws: `usage` for unknown names or no bins, `failure` when incomplete, `checksumMismatch`.
  public func statistics(
    of name: String, split only: String? = nil, bins: Int = 20, threads: Int = 1
  ) throws -> DatasetStatistics {
    guard bins >= 1 else {
      throw DatasetError.invalidParameter("--bins is \(bins), 1 or more allowed")
    }
    if let only { _ = try open(dataset: name, split: only) }
    let manifest = try Manifest(of: name, in: self, threads: threads)
    let fitted = manifest.splits.contains { $0.name == "train" } ? "train" : nil
    let rules = try fitted.map { try Baselines(open(dataset: name, split: $0)) }
    let readers = try manifest.splits.map { try open(dataset: name, split: $0.name) }
    // Pairs have no symbols of their own: their documents are looked at, once.
    let sequences = readers.filter { !$0.isPairs }
    let content = try sequences.first { $0.split == fitted }.map {
      try ContentBaselines($0, threads: threads)
    }
    let near =
      sequences.contains { $0.symbols.imageSize != nil }
      ? nil : try NearDuplicates(sequences, threads: threads)
    let names = readers.first?.classNames ?? []
    let splits = try zip(manifest.splits, readers).filter {
      only == nil || $0.0.name == only
    }.map { split, reader in
      let place = sequences.firstIndex { $0.split == split.name }
      let lengths = split.lengths
      return DatasetStatistics.Split(
        name: split.name, count: split.examples,
        lengths: (
          lengths.min, Double(lengths.tokens) / Double(max(1, split.examples)), lengths.median,
          lengths.max
        ),
        histogram: histogram(reader.lengths, bins: bins),
        labels: split.labels.compactMap { key, count in
          Int(key).map {
            .init(
              label: $0, name: names.indices.contains($0) ? names[$0] : nil, count: count)
          }
        }.sorted { $0.label < $1.label },
        baselines: try baselines(reader, rules, content, threads),
        duplicates: split.duplicates,
        nearDuplicates: place.flatMap { near?.within[$0] })
    }
    return DatasetStatistics(
      dataset: name, splits: splits, classNames: names,
      duplicatesAcrossSplits: manifest.duplicatesAcrossSplits,
      nearDuplicatesAcrossSplits: near?.across)
  }

  /// What rules get right that were fitted on `train`, or on the split itself where there is no such split.
  private func baselines(
    _ reader: SplitReader, _ rules: Baselines?, _ content: ContentBaselines?, _ threads: Int
  ) throws -> [DatasetStatistics.Baseline] {
    guard reader.labels.contains(where: { $0 >= 0 }) else { return [] }
    let simple = try (rules ?? Baselines(reader)).measure(on: reader)
    if reader.isPairs { return simple }
    let content = try content ?? ContentBaselines(reader, threads: threads)
    return simple + (try content.measure(on: reader, threads: threads))
  }

  private func histogram(_ lengths: [Int32], bins: Int) -> [DatasetStatistics.Bin] {
    guard let least = lengths.min().map(Int.init), let most = lengths.max().map(Int.init) else {
      return []
    }
    let width = (most - least) / bins + 1
    var counts = [Int](repeating: 0, count: (most - least) / width + 1)
    for length in lengths { counts[(Int(length) - least) / width] += 1 }
    return counts.enumerated().map { number, count in
      .init(
        from: least + number * width, through: min(most, least + (number + 1) * width - 1),
        count: count)
    }
  }
}
